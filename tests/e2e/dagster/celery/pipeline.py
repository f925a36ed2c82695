"""What the workers do: a road over both of them, and a push to be killed. Loaded by path, the same on each machine."""

import hashlib
import os
import tempfile
from pathlib import Path

import dagster as dg
from dagster_celery import celery_executor

from dagster_kitops import (
    BasicAuth,
    KitOpsResource,
    ModelKitIOManager,
    PromotionStage,
    build_modelkit_integrity_checks,
    build_promotion_assets,
    modelkit_asset,
    validate_modelkits,
)

MIB = 1024 * 1024
KITFILE = 'manifestVersion: "1.0.0"\npackage: {name: NAME}\nmodel: {path: weights.bin}\n'


def on(queue: str) -> dict[str, str]:
    return {"dagster-celery/queue": queue}


def kit(name: str, *, size: int) -> Path:
    """Write a ModelKit's files, the same on every worker and in every try, into the working folder."""
    folder = Path.cwd() / name
    folder.mkdir(exist_ok=True)
    with (folder / "weights.bin").open("wb") as file:
        for number in range(size // MIB):
            file.write(hashlib.sha256(f"{name} {number}".encode()).digest() * (MIB // 32))
    (folder / "Kitfile").write_text(KITFILE.replace("NAME", name))
    return folder


def machine() -> dict[str, str]:
    return {"home": os.environ["HOME"], "temporary": tempfile.gettempdir(), "working": str(Path.cwd())}


@modelkit_asset(repository="crew/road", tag="v1", io_manager_key="modelkits", op_tags=on("a"))
def road(context: dg.AssetExecutionContext) -> Path:
    context.add_output_metadata(machine())
    return kit("road", size=MIB)


stages = build_promotion_assets(
    source=road,
    stages=[PromotionStage("staging", destination="crew/staging/road")],
    io_manager_key="modelkits",
    op_tags=on("b"),
)


@dg.asset(ins={"model": dg.AssetIn(key=["road", "staging"])}, op_tags=on("b"))
def served(model: Path) -> dg.MaterializeResult:
    digest = hashlib.sha256((model / "weights.bin").read_bytes()).hexdigest()
    return dg.MaterializeResult(metadata={**machine(), "folder": str(model), "sha256": digest})


@dg.asset(op_tags=on("a"))
def prepared() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata=machine())


# The policy is for a step that fails; of a worker that is gone nobody hears.
@modelkit_asset(
    repository="crew/large", tag="v1", op_tags=on("any"), deps=[prepared], retry_policy=dg.RetryPolicy(max_retries=1)
)
def large() -> Path:
    return kit("large", size=48 * MIB)


kitops = KitOpsResource(
    registry=os.environ["KITOPS_E2E_REGISTRY"],
    auth=BasicAuth(username="tester", password=dg.EnvVar("KITOPS_E2E_PASSWORD")),
)
defs = validate_modelkits(
    dg.Definitions(
        assets=[road, *stages, served, prepared, large],
        asset_checks=build_modelkit_integrity_checks(assets=[road], blocking=True, op_tags=on("a")),
        resources={"kitops": kitops, "modelkits": ModelKitIOManager(kitops=kitops)},
        executor=celery_executor.configured(
            {"broker": os.environ["KITOPS_E2E_BROKER"], "backend": os.environ["KITOPS_E2E_BACKEND"]}
        ),
    )
)
