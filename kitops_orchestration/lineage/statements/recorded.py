"""Recorded: a typed predicate together with the evidence that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.presentation.page import Chip
from kitops_orchestration.signing.evidence import Evidence
from kitops_orchestration.signing.predicate_types import DIRECTORY
from kitops_orchestration.signing.signed_files import bound_roots

_OF_OTHER_FILES = "a list of files that no statement about this ModelKit names"


class Readable(Protocol):
    """A typed predicate: a class that reads itself from JSON."""

    @property
    def predicate_type(self) -> str:
        """The URI that names the type."""
        ...

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises ``SignatureError``."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        ...


P = TypeVar("P", bound=Readable)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[P]):
    """What was said, and whether it may be believed."""

    predicate: P
    evidence: Evidence

    @property
    def time(self) -> str | None:
        """When it was said (RFC 3339, UTC)."""
        return self.evidence.time

    @property
    def when(self) -> str | None:
        """When it was signed, where a time-stamp proves that; else when it was said."""
        return self.evidence.when

    def to_json(self) -> dict[str, Any]:
        """Return the predicate's members, and those of the evidence beside them."""
        evidence = self.evidence.to_json()
        evidence.pop("predicate", None)
        return {**self.predicate.to_json(), "evidence": evidence}

    def believed(self) -> Chip:
        """Return who vouches for it, for people."""
        return vouched_chip(self.evidence)


def vouched(evidence: Evidence) -> str:
    """Return who vouches for a statement: ``verified: Ada``, ``not signed``, …"""
    said = f"verified: {evidence.signer_name}" if evidence.is_verified else evidence.reason
    if evidence.is_verified and evidence.proven.moment is not None:
        said = f"{said}, time-stamped by {evidence.proven.authority}"
    return said if evidence.written_as is None else f"{said} (written as {evidence.written_as})"


def vouched_chip(evidence: Evidence) -> Chip:
    """Return who vouches for a statement, with the colour of the verdict."""
    return Chip(vouched(evidence), "good" if evidence.is_verified else "warn")


def counted(evidence: Sequence[Evidence], *, is_trust_given: bool) -> tuple[list[Evidence], list[Evidence]]:
    """Split into what answers may rest on and what not.

    With a trust policy only verified statements count.  Without one, everything that can be read and is about
    the right digest is shown, and each answer says that nobody checked it.
    """
    kept: list[Evidence] = []
    left: list[Evidence] = []
    roots = bound_roots(evidence, is_trust_given=is_trust_given)
    for item in evidence:
        is_good = item.is_verified if is_trust_given else item.statement is not None and item.is_about_subject
        if is_trust_given and is_good and item.predicate_type == DIRECTORY and _root(item) not in roots:
            left.append(replace(item, is_verified=False, reason=_OF_OTHER_FILES))
        else:
            (kept if is_good else left).append(item)
    return kept, left


def _root(item: Evidence) -> str | None:
    return item.statement.subject[0].digest.get("sha256") if item.statement else None


def read(evidence: Sequence[Evidence], kind: type[P], predicate_type: str) -> tuple[list[Recorded[P]], list[Evidence]]:
    """Return the statements of one type, read, and those that are not what their type demands."""
    found: list[Recorded[P]] = []
    broken: list[Evidence] = []
    for item in evidence:
        if item.statement is None or item.statement.predicate_type != predicate_type:
            continue
        try:
            found.append(Recorded(kind.from_json(item.statement.predicate), item))
        except KitOpsError as error:
            broken.append(replace(item, is_verified=False, reason=f"cannot be read: {error}"))
    return found, broken
