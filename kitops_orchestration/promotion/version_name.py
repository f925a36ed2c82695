"""What a version is called: the tag that it had before the first promotion put the tag of a stage on it.

A promotion out of a stage is told the stage's tag, ``staging``.  In the next repository that would be a tag that says
what is not so: it stays on the first version that came, and no promotion moves it.  So the name that travels is looked
for in the promotions on the digest, from stage to stage, back to the tag that no promotion moved there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.promotion.records.history import HistoryEntry, recorded_promotions
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


def version_name(
    repository: Repository, source: Reference, *, trust: TrustPolicy | None = None, limits: Limits = Limits()
) -> str | None:
    """Return the version's own tag, or ``None`` where nobody who counts has said it.

    ``source`` is what a promotion takes, by tag and digest; ``repository`` holds the evidence of the digest.  That a
    tag is a stage's anybody may say; what the version is called before that, with a trust policy, whose word counts.
    """
    if source.digest is None or source.tag is None:
        return source.tag
    recorded = recorded_promotions(repository, source.digest, trust=trust, limits=limits)
    place: tuple[str, str | None] = (source.name, source.tag)
    seen = {place}
    while (into := _into(place, recorded)) and place[1] is not None:
        believed = [entry for entry in into if trust is None or entry.record.evidence.is_verified]
        before = _place(believed[-1].record.predicate.src_ref) if believed else None
        if before is None or before in seen:
            return None
        seen.add(before)
        place = before
    return place[1]


def _into(place: tuple[str, str | None], recorded: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return the promotions that moved the tag at ``place``; a rollback takes from where it puts, and names nothing."""
    return [
        entry
        for entry in recorded
        if _place(entry.record.predicate.dst_ref) == place and _place(entry.record.predicate.src_ref) != place
    ]


def _place(text: str) -> tuple[str, str | None] | None:
    try:
        found = Reference.parse(text)
    except InvalidReferenceError:
        return None
    return found.name, found.tag
