"""What a stage holds, and how it came to: read from the promotion statements on the digests themselves.

Each promotion names the digest that it replaced and the promotion before it, so the history is a chain that
starts at the stage's tag.  A link that is missing, or two promotions that claim the same predecessor, is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import InvalidReferenceError, NotFoundError
from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.attach import load_evidence
from kitops_orchestration.lineage.recorded import Recorded, counted, read
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One promotion into a stage."""

    digest: Digest
    record: Recorded[Promotion]

    @property
    def event(self) -> Digest:
        """Digest of the promotion statement's manifest."""
        return self.record.evidence.descriptor.digest

    def to_json(self) -> dict[str, Any]:
        """Return who, what, when and why."""
        said = self.record.predicate
        return {
            "digest": self.digest,
            "time": self.record.time,
            "from": said.src_ref,
            "to": said.dst_ref,
            "previousDigest": said.previous_digest,
            "rollbackOf": said.rollback_of,
            "reason": said.reason,
            "by": said.builder_id,
            "believed": self.record.believed(),
            "event": self.event,
        }


@dataclass(frozen=True, slots=True)
class StageHistory:
    """The promotions of one stage, newest first."""

    stage: str
    current: Digest | None
    entries: tuple[HistoryEntry, ...]
    gaps: tuple[str, ...] = ()
    """What the chain lacks, and what is recorded and not on it, for people."""
    tag: str = ""
    """The tag that the stage has in its repository."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        entries = [entry.to_json() for entry in self.entries]
        return {"stage": self.stage, "current": self.current, "history": entries, "gaps": list(self.gaps)}

    def to_markdown(self) -> str:
        """Return a table, newest first."""
        rows = [
            (
                entry.digest.short,
                entry.record.time,
                entry.record.predicate.reason or ("rollback" if entry.record.predicate.rollback_of else ""),
                entry.record.believed(),
            )
            for entry in self.entries
        ]
        gaps = "\n".join(f"- {report.cell(gap)}" for gap in self.gaps)
        table = report.table(("digest", "time", "why", "who says so"), rows)
        return "\n\n".join(part for part in (f"## {report.cell(self.stage)}", table, gaps) if part) + "\n"


def history(
    repository: Repository,
    stage: str,
    *,
    tag: str | None = None,
    trust: TrustPolicy | None = None,
    limit: int = 1000,
    limits: Limits = Limits(),
) -> StageHistory:
    """Follow the chain of promotions from the stage's tag back to the first; at most ``limit`` of them."""
    current = resolve_or_none(repository, tag or stage)
    entries: list[HistoryEntry] = []
    gaps: list[str] = []
    digest: Digest | None = current
    wanted_event: str | None = None
    while digest is not None and len(entries) < limit:
        found = events_of(repository, digest, stage, trust=trust, limits=limits)
        if not found:
            counts = " that counts" if trust is not None else ""
            gaps.append(f"{digest.short} is in the stage, and no promotion statement{counts} says how it came there")
            break
        newest = (into(repository, tag or stage, found) or found)[-1]
        entry = next((item for item in found if item.event == wanted_event), None) if wanted_event else newest
        if entry is None:
            gaps.append(f"the promotion {wanted_event} of {digest.short} is no longer there")
            break
        if any(entry.event == earlier.event for earlier in entries):
            gaps.append(f"the promotion {entry.event} names itself as its predecessor")
            break
        entries.append(entry)
        said = entry.record.predicate
        try:
            digest = Digest(said.previous_digest) if said.previous_digest else None
        except InvalidReferenceError:
            gaps.append(f"the promotion {entry.event} names as its predecessor what is no digest")
            break
        wanted_event = said.previous_event
    return StageHistory(stage, current, tuple(entries), tuple(gaps), tag or stage)


def events_of(
    repository: Repository,
    digest: Digest,
    stage: str,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[HistoryEntry]:
    """Return the promotions of ``digest`` into ``stage``, in the order in which they happened."""
    found = promotions_of(repository, digest, trust=trust, limits=limits)
    return [entry for entry in found if entry.record.predicate.to_stage == stage]


def promotions_of(
    repository: Repository, digest: Digest, *, trust: TrustPolicy | None = None, limits: Limits = Limits()
) -> list[HistoryEntry]:
    """Return the promotions of ``digest`` into any stage, in the order in which they happened."""
    try:
        evidence = load_evidence(
            repository, digest, predicate_types={predicate_types.PROMOTION}, trust=trust, limits=limits
        )
    except NotFoundError:
        return []
    kept, _ = counted(evidence, is_trust_given=trust is not None)
    records, _ = read(kept, Promotion, predicate_types.PROMOTION)
    entries = [HistoryEntry(digest, item) for item in records]
    return sorted(entries, key=lambda entry: (entry.record.predicate.sequence or 0, entry.record.time or ""))


def into(repository: Repository, tag: str, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return the promotions into this repository's tag: evidence travels, and may tell of the same stage elsewhere."""
    return [entry for entry in entries if _place(entry) == (repository.reference.name, tag)]


def _place(entry: HistoryEntry) -> tuple[str, str | None] | None:
    try:
        found = Reference.parse(entry.record.predicate.dst_ref)
    except InvalidReferenceError:
        return None
    return found.name, found.tag
