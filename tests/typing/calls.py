"""Right and wrong calls: a line that ends with ``# wrong`` has to be an error of mypy, and no other may be one."""

from __future__ import annotations

from pathlib import Path

from airflow_kitops.hooks import KitOpsHook
from dagster_kitops import (
    KitOpsResource,
    build_modelkit_asset_spec,
    build_modelkit_tag_checks,
    build_observable_modelkits,
    build_promotion_assets,
    mlflow_modelkit_asset,
    modelkit_asset,
    modelkit_assets,
)
from kitops_orchestration import KitClient
from kitops_orchestration.modelkit.pack import PackOptions
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.trust import TrustPolicy

client = KitClient("registry.example", namespace="team")


def right(policy: PromotionPolicy, trust: TrustPolicy) -> None:
    client.pack(".", "a:b", compression="gzip", exclude=["*.bak"], extra_tags=("c",))
    client.pack(Path(), {"reference": "a:b"}, kitfile=Path("Kitfile"))
    client.publish(".", "a:b", sign=None, compression="zstd")
    client.unpack("a:b", "out", filters=["model"], exists="overwrite")
    client.lineage("a:b", trust=None)
    client.catalog(["a", "b"], policy=policy, trust=trust, into=Path("site"), only_new=True)
    client.export_run("models:/iris/1", "a:b", datasets="copy", redact=())
    client.export_run("experiments:/iris", "a:b", best="rmse:min", best_filter="params.depth = '3'")
    client.import_model("a:b", mode="restore", experiment="restored", trust=trust)
    client.promote("a:b", stage="production", policy=policy, trust=trust, reason="why")
    print(client.checkpoint("a", policy=policy, trust=trust, valid_hours=12, renew_only=True).version)
    options: PackOptions = {"compression": "zstd"}
    client.pack(".", "a:b", **options)
    client.copy("a:b", "c:d", referrers=True, from_kit=True)


def wrong(policy: PromotionPolicy) -> None:
    client.pack(".", "a:b", compresion="gzip")  # wrong
    client.pack(".", "a:b", compression="zip")  # wrong
    client.pack(".", "a:b", tag="c")  # wrong
    client.publish(".", "a:b", signed=True)  # wrong
    client.unpack("a:b", "out", exists="replace")  # wrong
    client.unpack("a:b", "out", filter=["model"])  # wrong
    client.lineage("a:b", trust="trust.yaml")  # wrong
    client.catalog("a", into="site")  # wrong
    client.export_run("models:/iris/1", "a:b", history="everything")  # wrong
    client.export_run("experiments:/iris", "a:b", best=("rmse", "min"))  # wrong
    client.import_model("a:b", trust_policy_path=Path("trust.yaml"))  # wrong
    client.import_model("a:b", mode="mirror")  # wrong
    client.promote("a:b", stage="production", policy="policy.yaml")  # wrong
    client.promote("a:b", stage="production", policies=policy)  # wrong
    client.rollback("a", stage="production")  # wrong
    client.smoke_test("a:b", timeout="5")  # wrong
    client.checkpoint("a", accept_missing=1)  # wrong
    client.copy("a:b", "c:d", referers=True)  # wrong
    options: PackOptions = {"compresion": "zstd"}  # wrong
    client.pack(".", "a:b", **options)


async def hooks(hook: KitOpsHook) -> None:
    hook.client.pack(".", "a:b", compression="zstd")
    print((await hook.run_async(KitClient.pack, ".", "a:b", compression="zstd")).digest.short)
    (await hook.run_async(KitClient.tags, "a")).append("b")
    await hook.run_async(KitClient.pack, ".", "a:b", compresion="zstd")  # wrong
    await hook.run_async(KitClient.pack, ".")  # wrong
    print((await hook.run_async(KitClient.tags, "a")).digest)  # wrong
    hook.client.sign("a:b", formats="bundle", format=1)  # wrong


def resources(resource: KitOpsResource) -> None:
    resource.get_client().tag("a:b", "c")
    build_modelkit_tag_checks(assets=["a"], blocking=True)
    build_modelkit_tag_checks(assets=["a"], blockin=True)  # wrong
    build_modelkit_tag_checks(blocking=True)  # wrong


def definitions() -> None:
    modelkit_asset(repository="a", owners=["team:ml"], deps=["b"], group_name="models")
    modelkit_asset(repository="a", owner=["team:ml"])  # wrong
    modelkit_asset(repository="a", group_name=7)  # wrong
    mlflow_modelkit_asset(repository="a", pool="registry", code_version="2")
    mlflow_modelkit_asset(repository="a", poool="registry")  # wrong
    modelkit_assets(specs=[build_modelkit_asset_spec("a", repository="a")], name="models")
    modelkit_assets(specs=[], code_version="1")  # wrong
    build_modelkit_asset_spec("a", repository="a", kinds={"mlflow"}, deps=["b"])
    build_modelkit_asset_spec("a", repository="a", kind={"mlflow"})  # wrong
    build_observable_modelkits({"a": "a:v1"}, group_name="base")
    build_observable_modelkits({"a": "a:v1"}, groupname="base")  # wrong
    build_promotion_assets(source="a", stages=["staging"], tags={"team": "ml"})
    build_promotion_assets(source="a", stages=["staging"], tag={"team": "ml"})  # wrong
