"""What the caller of a pack allows, and what an operator lets callers allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Self

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.packing.gate.findings import GateFinding, Level

_NO_REASON = "no reason was given"


@dataclass(frozen=True, slots=True)
class GateRules:
    """The policy of one gate; the default refuses everything that is found.

    An operator's rules stand in the Airflow connection or the Dagster resource.  What a task adds to them
    (:meth:`narrowed`) can make them stricter; it can allow something only where the operator lets it.
    """

    on_secret: Level = "refuse"  # noqa: S105 - a verdict, no password
    on_content: Level = "refuse"
    """For what is not what its name says: LFS pointers, cut weights, an empty model."""
    allow_secret: tuple[str, ...] = ()
    """``PATH``, ``PATH:LINE`` or a pattern of paths, each with ``=REASON`` after it."""
    allow_content: tuple[str, ...] = ()
    may_allow: bool = True
    """False: neither a task nor the folder's ``.kitallow`` allows anything; only the lists in these rules count."""
    use_allow_list: bool = True
    """False: the folder's ``.kitallow`` counts for nothing, because it came with what was imported."""
    use_scanner: bool = True
    """Let ``kingfisher`` look too, where the extra ``scan`` is installed."""

    def __post_init__(self) -> None:
        for name in ("on_secret", "on_content"):
            if getattr(self, name) not in ("refuse", "warn"):
                raise ModelKitError(f"the gate's {name} is 'refuse' or 'warn', not {getattr(self, name)!r}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Self:
        """Read rules from a connection's or resource's configuration, strictly.

        Raises:
            ModelKitError: an unknown word, or a value of another kind.
        """
        found: dict[str, Any] = {}
        known = {field.name: field for field in fields(cls)}
        for key, item in (value or {}).items():
            if key not in known:
                raise ModelKitError(f"unknown word {key!r} in the gate's rules", advice=f"known: {', '.join(known)}")
            if key.startswith("allow"):
                if isinstance(item, str) or not all(isinstance(entry, str) for entry in item):
                    raise ModelKitError(f"the gate's {key} is a list of texts")
                item = tuple(item)
            elif key in ("may_allow", "use_allow_list", "use_scanner") and not isinstance(item, bool):
                raise ModelKitError(f"the gate's {key} is true or false, not {item!r}")
            found[key] = item
        return cls(**found)

    @classmethod
    def of(cls, rules: Self | Mapping[str, Any]) -> Self:
        """Return rules that came as a value, or as the JSON that an orchestrator's options are."""
        return cls.from_json(rules) if isinstance(rules, Mapping) else rules

    def narrowed(self, wish: GateRules | None) -> Self:
        """Return these rules with what a caller wishes, as far as they let it."""
        if wish is None:
            return self
        may_allow = self.may_allow
        return replace(
            self,
            on_secret=wish.on_secret if may_allow else _strictest(self.on_secret, wish.on_secret),
            on_content=wish.on_content if may_allow else _strictest(self.on_content, wish.on_content),
            allow_secret=(*self.allow_secret, *(wish.allow_secret if may_allow else ())),
            allow_content=(*self.allow_content, *(wish.allow_content if may_allow else ())),
            may_allow=may_allow and wish.may_allow,
            use_allow_list=self.use_allow_list and wish.use_allow_list,
            use_scanner=self.use_scanner or wish.use_scanner,
        )

    def reason_for(self, finding: GateFinding) -> str | None:
        """Return why a finding is allowed, or ``None``."""
        entries = self.allow_secret if finding.topic == "secret" else self.allow_content
        return next((reason for entry in entries if (reason := _reason(entry, finding)) is not None), None)


def _strictest(*levels: Level) -> Level:
    return "refuse" if "refuse" in levels else "warn"


def _reason(entry: str, finding: GateFinding) -> str | None:
    place, _, reason = entry.partition("=")
    place = place.removeprefix("./")
    path, _, line = place.rpartition(":")
    names = [finding.path, finding.path.rstrip("/")]
    if line.isdigit() and path:
        is_meant = finding.line == int(line) and any(fnmatchcase(name, path) for name in names)
        if is_meant:
            return reason.strip() or _NO_REASON
    if any(fnmatchcase(name, place.rstrip("/")) for name in names):
        return reason.strip() or _NO_REASON
    return None


def unused(rules: GateRules, findings: Sequence[GateFinding]) -> list[str]:
    """Return the entries of the rules that allowed nothing: a path that was renamed, or a secret that went."""
    entries = [("secret", entry) for entry in rules.allow_secret] + [
        ("content", entry) for entry in rules.allow_content
    ]
    return [
        entry
        for topic, entry in entries
        if not any(item.topic == topic and _reason(entry, item) is not None for item in findings)
    ]
