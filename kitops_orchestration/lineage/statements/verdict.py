"""The verdict inside a promotion's record: under which rules, and by which checks, it was allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from kitops_orchestration.errors import SignatureError

Result = Literal["PASSED", "UNCHECKED"]


@dataclass(frozen=True, slots=True)
class CheckedFact:
    """One check that was made, and the digests of the statements that it rested on."""

    id: str
    is_passed: bool
    evidence: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``checks``."""
        return {"id": self.id, "passed": self.is_passed, "evidence": list(self.evidence)}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read one; raises :class:`SignatureError`."""
        if not isinstance(value, Mapping) or not isinstance(value.get("passed"), bool):
            raise SignatureError("a check of the verdict does not say whether it passed")
        return cls(_text(value, "id"), value["passed"], _texts(value, "evidence"))


@dataclass(frozen=True, slots=True)
class SeenCheckpoint:
    """A witness's checkpoint that a promotion was checked against."""

    place: str
    """``registry/repository:tag`` of the witness's key."""
    version: int
    root: str

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``checkpoints``."""
        return {"place": self.place, "version": self.version, "root": self.root}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read one; raises :class:`SignatureError`."""
        if not isinstance(value, Mapping) or type(value.get("version")) is not int:
            raise SignatureError("a checkpoint of the verdict has no number")
        return cls(_text(value, "place"), value["version"], _text(value, "root"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a promotion was checked against.

    It is the word of whoever signed the record: it stops mistakes and outsiders, and not the holder of the key.
    """

    result: Result
    """``UNCHECKED`` where no policy was given; a red promotion is never recorded."""
    stage: str
    place: str
    """``registry/repository:tag`` that it was for."""
    policy: str | None = None
    """Digest of the policy's text."""
    stage_policy: str | None = None
    """Digest of what decides about this stage: a change of another stage leaves it as it is."""
    trust: str | None = None
    """Digest of the resolved trust policy, for audits."""
    checks: tuple[CheckedFact, ...] = ()
    skipped: tuple[str, ...] = ()
    """Kinds of checks that a rollback left out."""
    checkpoints: tuple[SeenCheckpoint, ...] = ()
    """What was seen of the repositories' checkpoints: none with a lower number is shown to anybody any more."""

    @property
    def is_passed(self) -> bool:
        """True when it says that it was checked, and that every check passed."""
        return self.result == "PASSED" and all(check.is_passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the object ``verdict``."""
        value = {
            "result": self.result,
            "stage": self.stage,
            "place": self.place,
            "policy": self.policy,
            "stagePolicy": self.stage_policy,
            "trust": self.trust,
            "checks": [check.to_json() for check in self.checks] or None,
            "skipped": list(self.skipped) or None,
            "checkpoints": [item.to_json() for item in self.checkpoints] or None,
        }
        return {key: item for key, item in value.items() if item is not None}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a verdict; raises :class:`SignatureError`."""
        if not isinstance(value, Mapping):
            raise SignatureError("the verdict is not an object")
        result = value.get("result")
        if result not in ("PASSED", "UNCHECKED"):
            raise SignatureError(f"the verdict is {result!r}, not PASSED or UNCHECKED")
        checks, seen = value.get("checks") or [], value.get("checkpoints") or []
        if not isinstance(checks, list) or not isinstance(seen, list):
            raise SignatureError("the checks, or the checkpoints, of the verdict are not a list")
        return cls(
            result,
            _text(value, "stage"),
            _text(value, "place"),
            _optional(value, "policy"),
            _optional(value, "stagePolicy"),
            _optional(value, "trust"),
            tuple(map(CheckedFact.from_json, checks)),
            _texts(value, "skipped"),
            tuple(map(SeenCheckpoint.from_json, seen)),
        )


def _text(value: Mapping[str, Any], member: str) -> str:
    found = value.get(member)
    if not isinstance(found, str) or not found:
        raise SignatureError(f"{member} of the verdict is missing or not text")
    return found


def _optional(value: Mapping[str, Any], member: str) -> str | None:
    return None if value.get(member) is None else _text(value, member)


def _texts(value: Mapping[str, Any], member: str) -> tuple[str, ...]:
    found: Sequence[Any] = value.get(member) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise SignatureError(f"{member} of the verdict is not a list of text")
    return tuple(found)
