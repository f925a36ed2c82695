"""What blocking checks said of a ModelKit: a stage that somebody starts by hand asks them, too.

Dagster holds a downstream step back in the run in which a blocking check was red, and automation waits for it; a
step that is started by itself it lets go.  The answer is looked for by the digest: what another run made after the
checks had looked is not what they looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterEventType

from dagster_kitops._compat import all_assets
from dagster_kitops.event_log import RecordedModelKit

_PAGE = 100
_LOG_PAGE = 1000


def require_no_red_check(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    key: dg.AssetKey,
    recorded: RecordedModelKit,
    *,
    must_have_looked: bool = True,
) -> None:
    """Raise :class:`dagster.Failure` when a blocking check is red for what shall be promoted, or has not looked at it.

    Which checks there are is read in the definitions: one that broke down, or whose answers somebody wiped, has not
    looked.  Another code location may have more: those that ever said something are asked as well.  Where the asset
    itself is defined here, one of them that has not looked at this ModelKit may have been removed, and stops nothing.
    Without ``must_have_looked`` only a red answer does.
    """
    defined, others, is_known = _blocking_checks(context, key)
    for check in sorted(defined | others):
        answers = [*_answers(context.instance, check, recorded)]
        own = next((answer for answer in answers if _is_about(answer, recorded)), None)
        if own is None and must_have_looked and (check in defined or not is_known):
            said = "looked at another ModelKit than" if answers else "has not looked yet at"
            raise _refused(f"the blocking check {check.name} {said} {recorded.reference}: run it, and then promote")
        if own is not None and not own.passed and own.severity == dg.AssetCheckSeverity.ERROR:
            why = own.description or "no reason given"
            raise _refused(f"the blocking check {check.name} is red for {recorded.reference}: {why}")


def _refused(description: str) -> dg.Failure:
    return dg.Failure(description=description, allow_retries=False)


def _blocking_checks(context: Any, key: dg.AssetKey) -> tuple[set[dg.AssetCheckKey], set[dg.AssetCheckKey], bool]:
    """Return the blocking checks of the definitions, those that the log has beside them, and whether we have the asset.

    Of each asset that something depends on, Dagster makes an empty definition where there is none: that the graph has
    the key says nothing about where its asset and checks are.
    """
    graph, is_whole = all_assets(context)
    known = {check: graph.get_check_spec(check) for check in graph.asset_check_keys if check.asset_key == key}
    defined = {check for check, spec in known.items() if spec.blocking}
    is_known = is_whole and graph.has(key) and graph.get(key).is_executable
    return defined, _checks_that_said_something(context.instance, key) - known.keys(), is_known


def _checks_that_said_something(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[dg.AssetCheckKey]:
    """Return the blocking checks on the asset by the whole log: a red one is not to be buried under those of others.

    Dagster keeps no asset key beside these events, and its table of checks is asked by the check's name: so the log
    is read, page by page, and not at once.
    """
    found: set[dg.AssetCheckKey] = set()
    cursor = None
    while True:
        wanted = dg.EventRecordsFilter(event_type=DagsterEventType.ASSET_CHECK_EVALUATION, before_cursor=cursor)
        page = instance.event_log_storage.get_event_records(wanted, limit=_LOG_PAGE)
        answers = (_evaluation(record.event_log_entry) for record in page)
        found |= {
            said.asset_check_key
            for said in answers
            if said is not None and said.asset_key == key and said.blocking is not False
        }
        if len(page) < _LOG_PAGE:
            return found
        cursor = page[-1].storage_id


def _answers(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, recorded: RecordedModelKit
) -> Iterator[AssetCheckEvaluation]:
    """Yield what a check said, newest first, up to the first answer that is about this ModelKit."""
    cursor = None
    while True:
        page = instance.event_log_storage.get_asset_check_execution_history(check, limit=_PAGE, cursor=cursor)
        for record in page:
            said = _evaluation(record.event) if record.event is not None else None
            if said is None or (recorded.partition is not None and said.partition not in (None, recorded.partition)):
                continue
            yield said
            if _is_about(said, recorded):
                return
        if len(page) < _PAGE:
            return
        cursor = page[-1].id


def _evaluation(entry: dg.EventLogEntry) -> AssetCheckEvaluation | None:
    """Return an answer; the event of a check that was only planned has none."""
    said = entry.dagster_event.event_specific_data if entry.dagster_event is not None else None
    return said if isinstance(said, AssetCheckEvaluation) else None


def _is_about(said: AssetCheckEvaluation, recorded: RecordedModelKit) -> bool:
    digest = said.metadata.get("kitops/digest")
    if digest is not None:
        return bool(digest.value == recorded.digest)
    target = said.target_materialization_data
    return target is not None and target.storage_id == recorded.storage_id
