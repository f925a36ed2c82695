"""What someone wants to hear of a registered model, what happened to it, and what was heard so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple, Self, get_args

from kitops_orchestration.errors import OptionError
from kitops_orchestration.oci.tag_selector import TagSelector

EventKind = Literal["version", "alias", "tag"]
"""A version appeared, an alias was set or moved, a tag of a version was set."""


@dataclass(frozen=True, slots=True)
class ModelWatch:
    """What of a registered model counts as an event.

    Raises:
        OptionError: no model, no such kind, or a pattern that matches nothing.
    """

    model: str
    """The registered model's name, as it is written in MLflow."""
    on: EventKind = "alias"
    matches: str = "*"
    """Of an alias: its name or a pattern (``champion``, ``prod-*``).  Of a version: a number or a range (``>=3``).
    Of a tag: its key, or key and value (``approved``, ``approved=yes``, ``stage=prod-*``)."""

    def __post_init__(self) -> None:
        if not self.model:
            raise OptionError("a watch names no registered model", advice="give the model's name in MLflow")
        if self.on not in get_args(EventKind):
            raise OptionError(f"on is {self.on!r}", advice="use one of " + ", ".join(get_args(EventKind)))
        if self.on != "tag":
            TagSelector.parse(self._pattern)
        elif not self.tag_key or any(sign in self.tag_key for sign in "*?[`"):
            raise OptionError(
                f"matches is {self.matches!r}, and a tag is watched by its key",
                advice="write the key, or key and value: approved, approved=yes, stage=prod-*",
            )

    @property
    def key(self) -> str:
        """Name under which a cursor is kept: another watch has another one."""
        return f"{self.on} {self.matches} of {self.model}"

    @property
    def tag_key(self) -> str:
        """Key of the watched tag."""
        return self.matches.partition("=")[0].strip()

    @property
    def tag_pattern(self) -> str:
        """What the watched tag's value looks like; ``*`` where the watch names none."""
        _, sign, pattern = self.matches.partition("=")
        return pattern if sign else "*"

    def includes(self, text: str) -> bool:
        """Tell whether an alias, a version's number or a tag's value is one of those meant."""
        if self.on == "tag":
            return fnmatchcase(text, self.tag_pattern)
        return TagSelector.parse(self._pattern).matches(text)

    @property
    def _pattern(self) -> str:
        return self.matches.removeprefix("@") if self.on == "alias" else self.matches


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One thing that happened to a registered model."""

    id: str
    """The same for the same event, whoever looks and however often; another for each move, also of a move back."""
    kind: EventKind
    model: str
    version: str
    created_ms: int
    """When the registered model was made: one that is made again has another version 1."""
    name: str | None = None
    """The alias, or the tag's key; ``None`` of a version."""
    value: str | None = None
    """The tag's value."""
    previous: str | None = None
    """The version that the alias pointed at before, or the tag's value before; ``None`` where it is new."""

    @property
    def model_uri(self) -> str:
        """The version in MLflow's words, by its number: an alias may have moved on meanwhile."""
        return f"models:/{self.model}/{self.version}"

    def to_json(self) -> dict[str, str | None]:
        """Return the event as the payload of an orchestrator's event."""
        facts: dict[str, str | None] = {
            "id": self.id,
            "kind": self.kind,
            "model": self.model,
            "version": self.version,
            "modelUri": self.model_uri,
        }
        if self.kind == "alias":
            facts |= {"alias": self.name, "previousVersion": self.previous}
        if self.kind == "tag":
            facts |= {"key": self.name, "value": self.value, "previousValue": self.previous}
        return facts


class Seen(NamedTuple):
    """Where an alias or tag was last, and how often it moved."""

    value: str | None
    """``None`` while it is not set."""
    moves: int


NEVER = Seen(None, 0)


@dataclass(frozen=True, slots=True)
class ModelCursor:
    """What a watch has told so far.

    No time in MLflow changes when an alias moves or a tag is set, so this is the state itself.  The count of moves
    stays when an alias is deleted, so that the same alias at the same version is another event afterwards.
    """

    since_ms: int
    """When the watch looked first: a cursor that was lost gives other ids than the one before."""
    created_ms: int | None = None
    """When the registered model was made: one that is made again starts at version 1, and so does this."""
    highest_version: int = 0
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """Of an alias watch by alias, of a tag watch by version."""

    def of_model(self, created_ms: int | None) -> ModelCursor:
        """Return the cursor for the model as it is now: itself, a fresh one of a new model, or nothing set."""
        if created_ms is None:
            return ModelCursor(self.since_ms, self.created_ms, self.highest_version, self.unset(()))
        if created_ms == self.created_ms:
            return self
        return ModelCursor(self.since_ms, created_ms)

    def unset(self, still_there: Any) -> dict[str, Seen]:
        """Return what was seen, with everything that is not there any more as not set."""
        return {key: seen if key in still_there else Seen(None, seen.moves) for key, seen in self.seen.items()}

    def to_json(self) -> dict[str, Any]:
        """Return a value that JSON can hold."""
        return {
            "since": self.since_ms,
            "created": self.created_ms,
            "version": self.highest_version,
            "seen": {key: list(seen) for key, seen in self.seen.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a stored cursor.

        Raises:
            OptionError: somebody wrote something else in its place.
        """
        try:
            seen = {str(key): Seen(value, int(moves)) for key, (value, moves) in value["seen"].items()}
            created = value["created"]
            return cls(int(value["since"]), None if created is None else int(created), int(value["version"]), seen)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OptionError(
                "the stored cursor of a model's watch cannot be read",
                advice="delete it: the watch then begins with what it finds",
            ) from error
