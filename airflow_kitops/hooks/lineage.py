"""What the hook read and wrote, for Airflow's lineage collector: operators and plain tasks are seen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_kitops.asset_uris import asset_uri

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference


def tell_lineage(hook: Any, *, read: Reference | None = None, wrote: Reference | None = None) -> None:
    """Record the repositories that a verb read and wrote, with tag and digest beside them.

    The converter of :mod:`airflow_kitops.assets` turns each into a dataset; without a lineage reader this
    does nothing.
    """
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    if read is not None:
        collector.add_input_asset(context=hook, uri=asset_uri(read), asset_extra=_target(read))
    if wrote is not None:
        collector.add_output_asset(context=hook, uri=asset_uri(wrote), asset_extra=_target(wrote))


def _target(reference: Reference) -> dict[str, Any]:
    target = {"tag": reference.tag, "digest": reference.digest and str(reference.digest)}
    return {name: value for name, value in target.items() if value}
