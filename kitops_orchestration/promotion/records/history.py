"""What a stage holds, and how it came to: read from the promotion statements on the digests themselves.

Each promotion names the digest that it replaced and the promotion before it, so the history is a chain that
starts at the stage's tag.  A link that is missing, or two promotions that claim the same predecessor, is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import InvalidReferenceError, NotFoundError
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.lineage.statements.recorded import Recorded, counted, read, vouched
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Cell, Code, Items, Page, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One promotion into a stage."""

    digest: Digest
    record: Recorded[Promotion]

    @property
    def event(self) -> Digest:
        """Digest of the promotion statement's manifest."""
        return self.record.evidence.descriptor.digest

    @property
    def why(self) -> str:
        """The reason that was given; that it was a rollback, where none was."""
        said = self.record.predicate
        return said.reason or ("rollback" if said.rollback_of else "")

    def to_json(self) -> dict[str, Any]:
        """Return who, what, when and why."""
        said = self.record.predicate
        return {
            "digest": self.digest,
            "time": self.record.when,
            "from": said.src_ref,
            "to": said.dst_ref,
            "previousDigest": said.previous_digest,
            "rollbackOf": said.rollback_of,
            "reason": said.reason,
            "by": said.builder_id,
            "believed": vouched(self.record.evidence),
            "event": self.event,
        }


@dataclass(frozen=True, slots=True)
class StageHistory(Answer):
    """The promotions of one stage, newest first."""

    stage: str
    current: Digest | None
    entries: tuple[HistoryEntry, ...]
    gaps: tuple[str, ...] = ()
    """What the chain lacks, and what is recorded and not on it, for people."""
    tag: str = ""
    """The tag that the stage has in its repository."""
    checkpoint: str | None = None
    """What a checkpoint says of the stage, where a policy asks for one and nothing is missing: whose, and of when."""

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        entries = [entry.to_json() for entry in self.entries]
        return {
            "stage": self.stage,
            "current": self.current,
            "history": entries,
            "gaps": list(self.gaps),
            "checkpoint": self.checkpoint,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say beside the promotions: that the stage is empty, the gaps, and the checkpoint."""
        witnessed = () if self.checkpoint is None else (self.checkpoint,)
        return (*(("empty",) if self.current is None else ()), *self.gaps, *witnessed)

    def page(self) -> Page:
        """Return the promotions, newest first, and what is not known."""
        rows = [
            (
                Code(entry.digest.short),
                entry.record.when,
                entry.why,
                entry.record.believed(),
            )
            for entry in self.entries
        ]
        return Page.of(self.stage, Table.of(("digest", "time", "why", "who says so"), rows), Items(self.notes))


@dataclass(frozen=True, slots=True)
class StagesStatus(Answer):
    """The answer to *what do the stages hold?*"""

    repository: Reference
    stages: tuple[StageHistory, ...]
    shows_history: bool = False
    """True where people shall see every promotion and not the newest alone."""

    def to_json(self) -> dict[str, Any]:
        """Return every stage with its promotions."""
        return {"reference": str(self.repository), "stages": [item.to_json() for item in self.stages]}

    def page(self) -> Page:
        """Return what each stage holds, since when, and who says so."""
        rows: list[tuple[Cell, ...]] = [
            (item.stage, Code(entry.digest.short), entry.record.when, entry.why, entry.record.believed())
            for item in self.stages
            for entry in (item.entries if self.shows_history else item.entries[:1])
        ]
        notes = tuple(f"{item.stage}: {note}" for item in self.stages for note in item.notes)
        return Page.of(
            f"Stages of {self.repository}",
            Table.of(("stage", "digest", "since", "reason", "who says so"), rows),
            Items(notes),
        )


class HistoryOptions(TypedDict, total=False):
    """What :func:`history` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    limits: Limits


def history(
    repository: Repository,
    stage: str,
    *,
    tag: str | None = None,
    trust: TrustPolicy | None = None,
    limit: int = MOST_ENTRIES,
    until: str | None = None,
    limits: Limits = Limits(),
) -> StageHistory:
    """Follow the chain of promotions from the stage's tag back to the first; at most ``limit`` of them.

    The walk ends with the promotion whose event is ``until``, where one is given.
    """
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
        if entry.event == until:
            break
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
    """Return the promotions of ``digest`` into any stage, in the order in which they happened.

    With a trust policy, those whose signatures count.
    """
    found = recorded_promotions(repository, digest, trust=trust, limits=limits)
    return [entry for entry in found if trust is None or entry.record.evidence.is_verified]


def recorded_promotions(
    repository: Repository, digest: Digest, *, trust: TrustPolicy | None = None, limits: Limits = Limits()
) -> list[HistoryEntry]:
    """Return every promotion of ``digest`` that anybody recorded, whether its signature counts or not."""
    try:
        evidence = load_evidence(
            repository, digest, predicate_types={predicate_types.PROMOTION}, trust=trust, limits=limits
        )
    except NotFoundError:
        return []
    kept, _ = counted(evidence, is_trust_given=False)
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
