"""For processes outside Dagster (a training pod, a notebook): report a packed ModelKit through Dagster Pipes.

Needs ``dagster-pipes`` there, not Dagster::

    from dagster_pipes import open_dagster_pipes
    from dagster_kitops.pipes import report_modelkit
    from kitops_orchestration import KitClient

    with open_dagster_pipes() as pipes:
        report_modelkit(pipes, KitClient("ghcr.io/acme").pack("model", "churn:v1"))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kitops_orchestration.presentation.markdown import block

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.pack import PackResult


class PipesReporter(Protocol):
    """The part of ``dagster_pipes.PipesContext`` that is used."""

    def report_asset_materialization(self, *args: Any, **options: Any) -> None:
        """Tell Dagster of a materialization."""
        ...


def report_modelkit(
    pipes: PipesReporter, result: PackResult, *, asset_key: str | None = None, metadata: Mapping[str, Any] | None = None
) -> None:
    """Report ``result`` as the asset's materialization, its digest as data version.

    The labels are those of ``dagster_kitops``' own assets, so that checks, promotion and IO managers find the ModelKit.
    """
    digest = str(result.digest)
    facts: dict[str, Any] = {
        "kitops/reference": str(result.reference.with_digest(digest)),
        "kitops/digest": digest,
        "kitops/short_digest": digest.partition(":")[2][:12],
        "kitops/layer_count": len(result.layers),
        "kitops/uploaded_bytes": result.uploaded_bytes,
        "kitops/kitfile": {"raw_value": block(result.kitfile.to_yaml(), "yaml"), "type": "md"},
        "kitops/modelkit": {"raw_value": result.to_json(), "type": "json"},
        "dagster/size_bytes": result.size_bytes,
        **(metadata or {}),
    }
    if result.reference.tag:
        facts["kitops/tag"] = result.reference.tag
    pipes.report_asset_materialization(metadata=facts, data_version=digest, asset_key=asset_key)
