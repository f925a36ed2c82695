"""The signed statement of a checkpoint: number, times, repository, and the root over its leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.predicate_types import CHECKPOINT
from kitops_orchestration.signing.timestamps import format_timestamp


@dataclass(frozen=True, slots=True)
class AcceptedLoss:
    """Something that the checkpoint before listed, and that a witness let go."""

    missing: str
    """Digest of a version or a statement, or the tag of a stage."""
    reason: str

    def to_json(self) -> dict[str, str]:
        """Return the object that statement and answer carry."""
        return {"missing": self.missing, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class CheckpointStatement:
    """What a witness signs about a repository; the root over the leaves is the statement's subject."""

    predicate_type: ClassVar[str] = CHECKPOINT

    version: int
    issued_on: str
    expires_on: str
    repository: str
    """``registry/repository``."""
    digests: int
    """Versions, and tags of stages, that are listed."""
    evidence: int
    """Statements that are listed."""
    previous: str | None = None
    """Manifest digest of the checkpoint before."""
    removed: tuple[AcceptedLoss, ...] = ()
    """What is listed no more since the checkpoint before, and why."""

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        value = {
            "version": self.version,
            "previous": self.previous,
            "issuedOn": format_timestamp(self.issued_on),
            "expiresOn": format_timestamp(self.expires_on),
            "repository": self.repository,
            "digests": self.digests,
            "evidence": self.evidence,
            "removed": [item.to_json() for item in self.removed] or None,
        }
        return {key: item for key, item in value.items() if item is not None}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        try:
            numbers = [value[name] for name in ("version", "digests", "evidence")]
            times = [format_timestamp(value[name]) for name in ("issuedOn", "expiresOn")]
            repository, previous = value["repository"], value.get("previous")
            removed = tuple(
                AcceptedLoss(str(item["missing"]), str(item["reason"])) for item in value.get("removed", ())
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"a checkpoint lacks a member: {error}") from error
        if not all(type(number) is int and number >= 0 for number in numbers) or numbers[0] < 1:
            raise SignatureError("a checkpoint has a number that cannot be one")
        if not isinstance(repository, str) or not (previous is None or isinstance(previous, str)):
            raise SignatureError("a checkpoint has a member that is not text")
        version, digests, evidence = numbers
        return cls(version, times[0], times[1], repository, digests, evidence, previous, removed)
