"""The catalog as an asset: a static site about the ModelKits of a registry, made anew by each run."""

# No `from __future__ import annotations`: Dagster reads the signature of the asset's function.

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.metadata import data_version


def build_catalog_asset(
    *,
    places: str | Sequence[str],
    into: Path | str,
    key: str | Sequence[str] | dg.AssetKey = "modelkit_catalog",
    policy_path: Path | str | None = None,
    mlflow_urls: Sequence[str] = (),
    only_new: bool = False,
    deps: Sequence[str | dg.AssetKey | dg.AssetSpec | dg.AssetsDefinition] = (),
    group_name: str | None = None,
    resource_key: str = "kitops",
    op_tags: Mapping[str, Any] | None = None,
) -> dg.AssetsDefinition:
    """Return an asset that publishes the catalog of a registry, or of some repositories, to a folder.

    A site that is there is replaced, whole or not at all.  Its data version stays the same as long as nothing changes
    in the registry.  With the resource's ``trust`` and ``policy_path`` the stages are judged.  A repository that cannot
    be read is on the board with the reason; the rest is published and recorded, and then the step fails.  Needs the
    extra ``catalog``.

    Args:
        places: The registry, a repository, or several of them.
        into: The folder of the site.
        key: Of the asset.
        policy_path: File of the promotion policy.
        mlflow_urls: Addresses of MLflow; a version whose run is on one of these hosts has a link to its page.
        only_new: Ask for tags alone that the last run on this machine did not know.
        deps: Assets after which the catalog is made: those that pack or promote ModelKits.
        group_name: Of the asset.
        resource_key: Of the ``KitOpsResource``.
        op_tags: Of the step: a queue of ``dagster-celery``, a pod's resources.
    """
    asset_key = dg.AssetKey.from_coercible(key)
    named = places if isinstance(places, str) else list(places)

    def publish_catalog(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        from kitops_orchestration.promotion.rules.policy import PromotionPolicy

        with translated(context):
            policy = None if policy_path is None else PromotionPolicy.load(policy_path)
            client = getattr(context.resources, resource_key).get_client()
            found = client.catalog(named, policy=policy, into=Path(into), only_new=only_new, mlflow_urls=mlflow_urls)
        counts = found.counts()
        yield dg.MaterializeResult(
            asset_key=asset_key,
            data_version=data_version(found.state),
            metadata={
                "kitops/site": dg.MetadataValue.path(str(Path(into).absolute() / "index.html")),
                "kitops/as_of": dg.MetadataValue.timestamp(datetime.fromisoformat(found.as_of)),
                "kitops/models": counts["modelCount"],
                "kitops/versions": counts["versionCount"],
                "kitops/red_stages": counts["redCount"],
                "kitops/board": dg.MetadataValue.md(found.to_markdown()),
            },
        )
        with translated(context):
            found.require_all_read()

    made: dg.AssetsDefinition = dg.asset(
        key=asset_key,
        deps=list(deps),
        group_name=group_name,
        required_resource_keys={resource_key},
        op_tags=op_tags,
        description="A static site about the ModelKits of a registry.",
        kinds={"kitops", "oci"},
    )(publish_catalog)
    return made
