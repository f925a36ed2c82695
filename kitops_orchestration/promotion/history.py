"""What a stage holds, and how it came to: read from the promotion statements on the digests themselves.

Each promotion names the digest that it replaced and the promotion before it, so the history is a chain that
starts at the stage's tag.  A link that is missing, or two promotions that claim the same predecessor, is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.lineage.attach import load_evidence
from kitops_orchestration.lineage.recorded import Recorded, counted, read
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.oci.descriptor import Digest
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
    """What the chain lacks, for people."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        entries = [entry.to_json() for entry in self.entries]
        return {"stage": self.stage, "current": self.current, "history": entries, "gaps": list(self.gaps)}

    def to_markdown(self) -> str:
        """Return a table, newest first."""
        lines = [f"## {self.stage}", "", "| digest | time | why | who says so |", "|---|---|---|---|"]
        for entry in self.entries:
            said = entry.record.predicate
            why = said.reason or ("rollback" if said.rollback_of else "")
            lines.append(f"| {entry.digest.short} | {entry.record.time} | {why} | {entry.record.believed()} |")
        return "\n".join([*lines, *(f"- {gap}" for gap in self.gaps)]) + "\n"


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
        entry = next((item for item in found if item.event == wanted_event), None) if wanted_event else found[-1]
        if entry is None:
            gaps.append(f"the promotion {wanted_event} of {digest.short} is no longer there")
            break
        if any(entry.event == earlier.event for earlier in entries):
            gaps.append(f"the promotion {entry.event} names itself as its predecessor")
            break
        entries.append(entry)
        said = entry.record.predicate
        digest = Digest(said.previous_digest) if said.previous_digest else None
        wanted_event = said.previous_event
    return StageHistory(stage, current, tuple(entries), tuple(gaps))


def events_of(
    repository: Repository,
    digest: Digest,
    stage: str,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> list[HistoryEntry]:
    """Return the promotions of ``digest`` into ``stage``, in the order in which they happened."""
    try:
        evidence = load_evidence(
            repository, digest, predicate_types={predicate_types.PROMOTION}, trust=trust, limits=limits
        )
    except NotFoundError:
        return []
    kept, _ = counted(evidence, is_trust_given=trust is not None)
    records, _ = read(kept, Promotion, predicate_types.PROMOTION)
    here = [HistoryEntry(digest, item) for item in records if item.predicate.to_stage == stage]
    return _in_order(here)


def _in_order(entries: list[HistoryEntry]) -> list[HistoryEntry]:
    return sorted(entries, key=lambda entry: (entry.record.predicate.sequence or 0, entry.record.time or ""))


def resolve_or_none(repository: Repository, target: str) -> Digest | None:
    """Return what a tag or digest points at, or ``None`` when it is not there."""
    try:
        return repository.resolve(target).digest
    except NotFoundError:
        return None
