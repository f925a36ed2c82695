"""The tags of stages in a checkpoint: what each has, and whether recorded promotions lead on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checkpoint.leaves import TagLeaf
from kitops_orchestration.promotion.records.history import history
from kitops_orchestration.promotion.stage_tag.freeze import standing_freezes
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


def tag_leaf(repository: Repository, stage: str, tag: str, *, trust: TrustPolicy, limits: Limits = Limits()) -> TagLeaf:
    """Return what a stage's tag has now, the record that counts of how it came there, and the freezes that hold."""
    current = resolve_or_none(repository, tag)
    entries = history(repository, stage, tag=tag, trust=trust, limit=1, limits=limits).entries if current else ()
    head = str(entries[0].event) if entries else None
    freezes = standing_freezes(repository, stage, tag, trust=trust, limits=limits)
    return TagLeaf(stage, None if current is None else str(current), head, freezes)


def leads_on(
    repository: Repository, stage: str, tag: str, leaf: TagLeaf, *, trust: TrustPolicy, limits: Limits = Limits()
) -> bool:
    """Tell whether records that count lead from what the leaf has to what the tag has now.

    One or two requests for each promotion since the checkpoint: the walk starts at the tag and ends at the leaf's head.
    """
    chain = history(repository, stage, tag=tag, trust=trust, until=leaf.head, limits=limits)
    if leaf.head is not None:
        return any(str(entry.event) == leaf.head for entry in chain.entries)
    # Nothing counted for what was there: then the first promotion after it names that version as what it replaced.
    return any(entry.record.predicate.previous_digest == leaf.digest for entry in chain.entries)
