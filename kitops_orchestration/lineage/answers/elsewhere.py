"""Elsewhere: what other repositories hold about the same digest, found by its promotions.

A stage is often a repository of its own.  A promotion is on record at both of its ends and names both, so an answer
that starts at any of them gets to all: it reads the promotions of a digest, goes to the other ends, and reads on there.

Evidence shall not decide which hosts this machine talks to.  Without an :class:`Elsewhere` nothing is followed.  With
one, the registry that was asked about is asked for other repositories, too; another registry only where the caller may
reach it.  What is not followed, and what did not answer, is told and stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.lineage.statements.recorded import Recorded, read
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.presentation.page import Items, Section, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types as types
from kitops_orchestration.signing.evidence import Evidence, read_evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy

MAX_PLACES = 16
"""Other repositories that one answer opens."""
MAX_LOOKS = 256
"""Times that one answer looks for the statements of a digest in another repository."""

ReadEvidence = Callable[["Repository", str], list[Evidence]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The caller's way to other repositories."""

    open: Callable[[Reference], Repository]
    """Opens a repository of the registry that was asked about."""
    reach: Callable[[Reference], Repository | None]
    """Opens one of another registry, if that may be asked: it is the caller's own, or there are credentials for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Another repository that an answer looked into."""

    repository: str
    stages: tuple[str, ...]
    """Stages that promotions say it is; empty for the source of a first promotion."""

    def to_json(self) -> dict[str, Any]:
        """Return both."""
        return {"repository": self.repository, "stages": list(self.stages)}


@dataclass(frozen=True, slots=True)
class Followed:
    """Where an answer looked beside the repository that it was asked about."""

    places: tuple[Place, ...] = ()
    gaps: tuple[str, ...] = ()
    """What was not followed or did not answer, and why; the answer may lack what is there."""

    def to_json(self) -> dict[str, Any]:
        """Return the members that every answer has for this."""
        return {"places": [item.to_json() for item in self.places], "gaps": list(self.gaps)}

    def sections(self) -> tuple[Section, ...]:
        """Return the same for a page; nothing where there is nothing to say."""
        rows = [(", ".join(item.stages), item.repository) for item in self.places]
        return (
            Section.of("Looked into, too", Table.of(("stage", "repository"), rows)),
            Section.of("Not known", Items(self.gaps)),
        )


AT_HOME = Followed()
"""An answer that looked nowhere else."""


class PromotionWalk:
    """The way of one answer from repository to repository; may be used by threads.

    Args:
        home: the repository that was asked about.
        elsewhere: the way to others; ``None`` stays at home.
        trust: whose word counts.  A promotion that nobody trusted signed leads to no other registry.
        at: the moment for which keys have to be valid.
        limits: bounds the requests made at the same time.
    """

    def __init__(
        self,
        home: Repository,
        elsewhere: Elsewhere | None,
        *,
        trust: TrustPolicy | None = None,
        at: datetime | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self._home = home
        self._elsewhere = elsewhere
        self._asked = (trust, at, limits)
        self._lock = threading.Lock()
        self._others: dict[str, Repository] = {}
        self._stages: dict[str, list[str]] = {}
        self._gaps: dict[str, None] = {}
        self._silent: set[str] = set()
        """Registries that did not answer: one question to each is enough."""
        self._looks = 0

    @property
    def is_at_home(self) -> bool:
        """True where nothing is followed."""
        return self._elsewhere is None

    @property
    def followed(self) -> Followed:
        """Where this walk got to by now."""
        places = [Place(name, tuple(self._stages.get(name, ()))) for name in sorted(self._others)]
        return Followed(tuple(places), tuple(self._gaps))

    @property
    def others(self) -> tuple[Repository, ...]:
        """The repositories that were looked into by now, in the order of their names."""
        return tuple(self._others[name] for name in sorted(self._others))

    def note(self, gap: str) -> None:
        """Say what the answer lacks."""
        self._gaps.setdefault(gap)

    def evidence(
        self, digest: str, *, predicate_types: Collection[str] | None = None, read_one: ReadEvidence | None = None
    ) -> list[Evidence]:
        """Return what is attached to ``digest`` in every repository that it was promoted to or from, oldest first.

        The same statement counts once; what was found elsewhere only says where, in ``found_in``.
        ``read_one`` reads one repository, where that is not done by :func:`read_evidence`.
        """
        reading = read_one or self._reader(predicate_types)
        found = reading(self._home, digest)
        if self._elsewhere is None:
            return found
        met, waiting = {self._home.reference.name}, [found]
        while waiting:
            items = waiting.pop(0)
            for other in self._ends(items, digest, met):
                more = self._ask(other, digest, reading)
                known = {item.descriptor.digest for item in found}
                name = other.reference.name
                found += [replace(item, found_in=name) for item in more if item.descriptor.digest not in known]
                waiting.append(more)
        kept = [item for item in found if predicate_types is None or item.predicate_type in predicate_types]
        return sorted(kept, key=lambda item: (item.time or "", item.descriptor.digest))

    def _reader(self, wanted: Collection[str] | None) -> ReadEvidence:
        trust, at, limits = self._asked
        kinds = None if wanted is None else {*wanted, *(() if self._elsewhere is None else (types.PROMOTION,))}

        def reading(repository: Repository, digest: str) -> list[Evidence]:
            return read_evidence(repository, digest, predicate_types=kinds, trust=trust, at=at, limits=limits)

        return reading

    def _ends(self, items: Sequence[Evidence], digest: str, met: set[str]) -> Iterator[Repository]:
        """Open what the promotions among ``items`` name and was not met on the way of this digest."""
        for record in _promotions(items, digest):
            for text, stage in _both_ends(record.predicate):
                end = self._parsed(text)
                if end is None:
                    continue
                self._note_stage(end.name, stage)
                if end.name in met:
                    continue
                met.add(end.name)
                other = self._opened(end, record)
                if other is not None:
                    yield other

    def _parsed(self, text: str) -> Reference | None:
        try:
            return Reference.parse(text).without_target()
        except KitOpsError as error:
            self.note(f"a promotion names {text!r}, which is no repository: {error}")
            return None

    def _note_stage(self, name: str, stage: str | None) -> None:
        with self._lock:
            stages = self._stages.setdefault(name, [])
            if stage and stage not in stages:
                stages.append(stage)

    def _opened(self, end: Reference, record: Recorded[Promotion]) -> Repository | None:
        if end.name in self._others:
            return self._others[end.name]
        try:
            opened = self._open(end, record)
        except KitOpsError as error:
            opened = f"it cannot be opened: {error}"
        if isinstance(opened, str):
            self.note(f"{end.name}, which a promotion names, was not looked into: {opened}")
            return None
        with self._lock:
            return self._others.setdefault(end.name, opened)

    def _open(self, end: Reference, record: Recorded[Promotion]) -> Repository | str:
        """Return what was opened, or why it was not."""
        trust, _, _ = self._asked
        home, elsewhere = self._home.reference, self._elsewhere
        if len(self._others) >= MAX_PLACES:
            return f"there are more than {MAX_PLACES} such repositories"
        if elsewhere is not None and (end.registry == home.registry or (end.is_folder and home.is_folder)):
            return elsewhere.open(end)
        if trust is not None and not record.evidence.is_verified:
            return f"it is at another registry, and the promotion does not count: {record.evidence.reason}"
        reached = None if elsewhere is None else elsewhere.reach(end)
        return reached or "it is at another registry, for which there are no credentials here"

    def _ask(self, other: Repository, digest: str, reading: ReadEvidence) -> list[Evidence]:
        registry = other.reference.registry
        with self._lock:
            self._looks += 1
            is_silent, is_enough = registry in self._silent, self._looks > MAX_LOOKS
        if is_enough:
            self.note(f"other repositories were asked {MAX_LOOKS} times, and no further")
        if is_silent or is_enough:
            return []
        try:
            return reading(other, digest)
        except KitOpsError as error:
            self.unanswered(other, error)
            return []

    def unanswered(self, other: Repository, error: KitOpsError) -> None:
        """Note that a repository gave no answer; one that may answer later is not asked again by this walk."""
        self.note(f"{other.reference.name}, which a promotion names, did not answer: {error}")
        if error.transient:
            self._silent.add(other.reference.registry)


def _promotions(items: Sequence[Evidence], digest: str) -> list[Recorded[Promotion]]:
    """Return the promotions of this digest, those that count first: bounds shall not cut them off for others."""
    records, _ = read([item for item in items if item.is_about_subject], Promotion, types.PROMOTION)
    about = [item for item in records if item.predicate.digest == digest]
    return sorted(about, key=lambda item: not item.evidence.is_verified)


def _both_ends(found: Promotion) -> Iterable[tuple[str, str | None]]:
    return (found.dst_ref, found.to_stage), (found.src_ref, found.from_stage)


def placed(text: str, evidence: Evidence | None) -> str:
    """Return what a statement says, for people, with the repository that has it where that is another one."""
    found_in = None if evidence is None else evidence.found_in
    return text if found_in is None else f"{text}{', ' if text else ''}in {found_in}"
