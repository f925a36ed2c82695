"""Promotions that are recorded and lead nowhere: they lost a race, or stopped before the tag moved.

The chain of a stage starts at its tag, so a promotion that another machine overtook is not on it.  Its record is
still on its digest, and every digest that was promoted has a tag in the stage's repository; so all of them can be
found, and said, instead of being forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.statements.recorded import vouched
from kitops_orchestration.oci.resolve import tags_by_digest, tags_if_there
from kitops_orchestration.promotion.records.history import HistoryEntry, StageHistory, into, promotions_of
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


def with_lost_promotions(
    repository: Repository,
    histories: Sequence[StageHistory],
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[StageHistory]:
    """Return the histories of stages in one repository, each told what is recorded and not on its chain.

    Requests: the tags, one for each tag, and one or two for each digest; statements are read where they are
    promotions only.
    """
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        digests = sorted(tags_by_digest(repository, tags_if_there(repository), limits=limits))
        one_by_one = replace(limits, concurrency=1)  # digests are asked for side by side already
        promotions = pool.map(lambda digest: promotions_of(repository, digest, trust=trust, limits=one_by_one), digests)
        recorded = [entry for entries in promotions for entry in entries]
    return [_told(item, into(repository, item.tag, _of_stage(item.stage, recorded))) for item in histories]


def _of_stage(stage: str, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    return [entry for entry in entries if entry.record.predicate.to_stage == stage]


def _told(history: StageHistory, recorded: Sequence[HistoryEntry]) -> StageHistory:
    known = {entry.event: entry for entry in history.entries}
    older = _older(history, {entry.event: entry for entry in recorded if entry.event not in known})
    lost = [entry for entry in recorded if entry.event not in known and entry.event not in older]
    by_predecessor = {entry.record.predicate.previous_event: entry for entry in (*history.entries, *older.values())}
    gaps = [f"{len(older)} older promotions are recorded, and not shown"] if older else []
    return replace(history, gaps=(*history.gaps, *gaps, *(_said(entry, by_predecessor) for entry in lost)))


def _older(history: StageHistory, others: Mapping[Digest, HistoryEntry]) -> dict[Digest, HistoryEntry]:
    """Return what follows on the chain where the walk ended before the first promotion: that is not lost."""
    found: dict[Digest, HistoryEntry] = {}
    wanted = history.entries[-1].record.predicate.previous_event if history.entries else None
    by_text = {str(event): entry for event, entry in others.items()}
    while wanted is not None and wanted in by_text and by_text[wanted].event not in found:
        entry = by_text[wanted]
        found[entry.event] = entry
        wanted = entry.record.predicate.previous_event
    return found


def _said(entry: HistoryEntry, by_predecessor: dict[str | None, HistoryEntry]) -> str:
    winner = by_predecessor.get(entry.record.predicate.previous_event)
    what = f"a promotion of {entry.digest.short} on {entry.record.time} ({vouched(entry.record.evidence)}) is recorded"
    if winner is None or winner.digest == entry.digest:
        return f"{what}, and the tag did not follow"
    return f"{what} from the same state as that of {winner.digest.short}, which is in the stage's history instead"
