"""What blocking checks said of a ModelKit: a stage that somebody starts by hand asks them, too.

Dagster holds a downstream step back in the run in which a blocking check was red, and automation waits for it; a
step that is started by itself it lets go.  The answer is looked for by the digest: what another run made after the
checks had looked is not what they looked at.
"""

from __future__ import annotations

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterEventType

from dagster_kitops.event_log import RecordedModelKit

_LOOKED_BACK = 1000
"""Among so many newest evaluations of the instance those of the asset are looked for."""


def require_no_red_check(instance: dg.DagsterInstance, key: dg.AssetKey, recorded: RecordedModelKit) -> None:
    """Raise :class:`dagster.Failure` when a blocking check is red for what shall be promoted, or looked at another one.

    A check that never ran says nothing: what a stage demands in any case belongs into its policy.
    """
    for name, evaluations in _by_check(instance, key, recorded.partition).items():
        own = next((item for item in evaluations if _is_about(item, recorded)), None)
        if own is None:
            raise dg.Failure(
                description=f"the blocking check {name} looked at another ModelKit than {recorded.reference}: run it "
                "again before this one is promoted",
                allow_retries=False,
            )
        if not own.passed and own.severity == dg.AssetCheckSeverity.ERROR:
            why = own.description or "no reason given"
            raise dg.Failure(
                description=f"the blocking check {name} is red for {recorded.reference}: {why}",
                allow_retries=False,
            )


def _by_check(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> dict[str, list[AssetCheckEvaluation]]:
    """Return the evaluations of each blocking check on the asset, newest first."""
    wanted = dg.EventRecordsFilter(event_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    found: dict[str, list[AssetCheckEvaluation]] = {}
    for record in instance.event_log_storage.get_event_records(wanted, limit=_LOOKED_BACK):
        event = record.event_log_entry.dagster_event
        said = event.event_specific_data if event is not None else None
        if not isinstance(said, AssetCheckEvaluation) or said.asset_key != key or said.blocking is False:
            continue
        if partition is None or said.partition in (None, partition):
            found.setdefault(said.check_name, []).append(said)
    return found


def _is_about(said: AssetCheckEvaluation, recorded: RecordedModelKit) -> bool:
    digest = said.metadata.get("kitops/digest")
    if digest is not None:
        return bool(digest.value == recorded.digest)
    target = said.target_materialization_data
    return target is not None and target.storage_id == recorded.storage_id
