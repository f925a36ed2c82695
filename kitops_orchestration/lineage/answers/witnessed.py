"""What witnesses' checkpoints say of a version, as a value that pages show; who looks is promotion's to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_orchestration.presentation.page import Chip, Items, Section, Table

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import Promotion
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a checkpoint lists, and the registry does not show."""

    words: str
    about: frozenset[str]
    """Digests of versions and statements, or the stage's tag: whatever it may be looked for by."""


@dataclass(frozen=True, slots=True)
class WitnessedRepository:
    """One witness's checkpoint, held against all of its repository: also what is gone as a whole is seen."""

    witness: str
    version: int | None = None
    """Its number; ``None`` where there is none, or none that can be read."""
    issued_on: str | None = None
    missing: tuple[Missing, ...] = ()
    problem: str | None = None
    """Why it counts for nothing: there is none, it expired, it is not the witness's, a higher number was seen."""
    is_put_back: bool = False
    """True where another one of this witness was seen here before: it is gone, or an older one was put in its place."""
    may_be_older: bool = False
    """True where none of this witness was seen here before: nobody can tell then that it is not an older one."""

    @property
    def name(self) -> str:
        """How people call it."""
        number = "" if self.version is None else f" {self.version}"
        return f"checkpoint{number} by {self.witness}"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One witness's checkpoint of the repository, held against one version."""

    witness: str
    version: int | None = None
    """Its number; ``None`` where there is none, or none that can be read."""
    issued_on: str | None = None
    expires_on: str | None = None
    stamped_by: str | None = None
    """The time-stamp authority that proves when it was made."""
    is_listed: bool = False
    """False where the version is younger than the checkpoint."""
    missing: tuple[str, ...] = ()
    """What it lists about the version, and the registry does not show."""
    problem: str | None = None
    """Why it counts for nothing: there is none, it expired, it is not the witness's."""

    @property
    def words(self) -> str:
        """What there is to say of the version, in a few words."""
        if self.problem is not None:
            return self.problem
        if self.missing:
            return f"{len(self.missing)} missing"
        return "all that is listed is there" if self.is_listed else "the version is younger, and not yet witnessed"

    @property
    def chip(self) -> Chip:
        """The words with their colour."""
        is_good = self.problem is None and not self.missing
        return Chip(self.words, "bad" if self.missing else "good" if is_good and self.is_listed else "warn")

    def to_json(self) -> dict[str, Any]:
        """Return all members."""
        return {
            "witness": self.witness,
            "version": self.version,
            "issuedOn": self.issued_on,
            "expiresOn": self.expires_on,
            "stampedBy": self.stamped_by,
            "isListed": self.is_listed,
            "missing": list(self.missing),
            "problem": self.problem,
        }


LookForWitnesses = Callable[["Repository", str, "TrustPolicy", "Sequence[Recorded[Promotion]]"], Sequence[Witnessed]]
"""Asks a repository's checkpoints about a digest, whose promotions on record say which they saw."""


def checkpoints_section(found: Sequence[Witnessed]) -> Section:
    """Return the one form in which pages show checkpoints."""
    rows = [
        (
            item.witness,
            "" if item.version is None else str(item.version),
            item.issued_on or "",
            item.stamped_by or ("the witness alone" if item.version is not None else ""),
            item.expires_on or "",
            item.chip,
        )
        for item in found
    ]
    head = ("witness", "number", "of", "time proven by", "holds until", "what it says")
    missing = tuple(f"{item.witness}: {what}" for item in found for what in item.missing)
    return Section.of("Checkpoint", Table.of(head, rows), Items(missing))
