"""The promotion policy: stages, where each takes from and goes to, and the checks in between.

A policy is a file that the promoter holds; its sha256 is recorded with every decision::

    version: 1
    stages:
      staging:
        from: [dev]
        destination: registry.example/staging/{name}
        checks: [{datasetsDeclared: true}]
      production:
        from: [staging]
        destination: registry.example/prod/{name}
        tag: production
        immutableTags: ["[0-9]*"]
        checks:
          - signature: {roles: [releaser]}
          - metric: {name: accuracy, min: "0.95"}
          - approvals: {roles: [risk], count: 2, excludeBuilder: true, maxAgeDays: 14}
        skipOnRollback: [metric]

Reading is strict: an unknown word is an error, because a misspelt check would be a check that never runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

from kitops_orchestration.errors import PromotionError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing.policy_text import read_policy_text
from kitops_orchestration.signing.predicate_types import SHORT_NAMES, full_name

Kind = type | tuple[type, ...]

_WORDS: dict[str, dict[str, Kind]] = {
    "signature": {"roles": list, "count": int},
    "attestation": {"type": str, "builder": str, "result": str},
    "metric": {"name": str, "min": (str, int, float), "max": (str, int, float), "attested": bool},
    "notWorseThan": {"stage": str, "metric": str, "tolerance": (str, int, float), "lowerIsBetter": bool},
    "datasetsDeclared": {},
    "license": {"allow": list},
    "serialization": {"deny": list},
    "maxAge": {"attestation": str, "days": (int, float)},
    "approvals": {"roles": list, "count": int, "excludeBuilder": bool, "maxAgeDays": (int, float)},
    "custom": {"callable": str, "arguments": dict},
}
"""Every check of the policy language with the words it understands."""

_REQUIRED: dict[str, tuple[str, ...]] = {
    "attestation": ("type",),
    "metric": ("name",),
    "notWorseThan": ("stage", "metric"),
    "license": ("allow",),
    "serialization": ("deny",),
    "maxAge": ("attestation", "days"),
    "approvals": ("roles",),
    "custom": ("callable",),
}
_MOST = 100_000
_NUMBERS = {"min", "max", "tolerance"}
_STAGE_WORDS = {"from", "destination", "tag", "immutableTags", "checks", "skipOnRollback"}


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One condition of a stage: its kind in the policy language, and what it was given."""

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        """How reports name the check: the kind, and what tells it from others of the same kind."""
        for word in ("name", "metric", "type", "attestation", "callable"):
            if word in self.arguments:
                return f"{self.kind}:{self.arguments[word]}"
        return self.kind


@dataclass(frozen=True, slots=True)
class Stage:
    """An environment: where its ModelKits come from, where they go, and what has to hold."""

    name: str
    sources: tuple[str, ...] = ()
    """Stages it takes from; empty means anywhere. A name that is no stage of the policy is a tag of the source."""
    destination: str | None = None
    """``registry/repository``; ``{name}`` is the last part of the source repository."""
    tag: str = ""
    immutable_tags: tuple[str, ...] = ()
    """Patterns of tags in the destination that are never moved."""
    checks: tuple[CheckSpec, ...] = ()
    skip_on_rollback: frozenset[str] = frozenset()

    def repository_for(self, source_repository: str) -> str | None:
        """Return the destination repository for a source ``registry/repository``, or ``None`` for the same one."""
        if self.destination is None:
            return None
        return self.destination.replace("{name}", source_repository.rsplit("/", 1)[-1])


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """All stages, and the digest of the text that they were read from."""

    stages: Mapping[str, Stage] = field(hash=False)
    digest: Digest
    source: str | None = None
    """The file, for messages and records."""

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a policy file; raises :class:`PromotionError` with the place of what is wrong."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise PromotionError(
                f"cannot read the promotion policy {path}: {error.strerror}", advice="check the path of --policy"
            ) from error
        return cls.parse(content, source=Path(path).name)

    @classmethod
    def parse(cls, content: bytes | str, *, source: str | None = None) -> Self:
        """Read a policy from YAML text."""
        raw = content.encode() if isinstance(content, str) else content
        value = _read(raw, source)
        _known(value, {"version", "stages"}, "the policy")
        if type(value.get("version")) is not int or value["version"] != 1:
            raise _wrong("version", f"must be 1, not {value.get('version')!r}")
        stages = _mapping(value.get("stages"), "stages")
        if not stages:
            raise _wrong("stages", "names no stage")
        read = {name: _stage(name, body) for name, body in stages.items()}
        _check_names(read)
        return cls(read, Digest("sha256:" + hashlib.sha256(raw).hexdigest()), source)

    def stage(self, name: str) -> Stage:
        """Return a stage; raises :class:`PromotionError` that lists the stages there are."""
        found = self.stages.get(name)
        if found is None:
            raise PromotionError(
                f"the promotion policy has no stage {name!r}", advice=f"its stages are {', '.join(self.stages)}"
            )
        return found


def _read(raw: bytes, source: str | None) -> dict[str, Any]:
    where = source or "the promotion policy"
    try:
        value = read_policy_text(raw)
    except ValueError as error:
        raise PromotionError(f"{where}: {error}", advice="correct the file") from error
    return _mapping(value, where)


def _check_names(stages: Mapping[str, Stage]) -> None:
    """A check that compares with a stage that is none would compare with nothing, and be green for ever."""
    places: dict[tuple[str | None, str], str] = {}
    for stage in stages.values():
        other = places.setdefault((stage.destination, stage.tag), stage.name)
        if other != stage.name:
            raise _wrong(f"stages.{stage.name}.tag", f"{stage.tag!r} is that of {other} in the same repository")
        for index, spec in enumerate(stage.checks):
            if spec.kind == "notWorseThan" and spec.arguments["stage"] not in stages:
                place = f"stages.{stage.name}.checks[{index}].notWorseThan.stage"
                raise _wrong(place, f"names {spec.arguments['stage']!r}; the stages are {', '.join(stages)}")


def _stage(name: str, body: Any) -> Stage:
    place = f"stages.{name}"
    value = _mapping(body if body is not None else {}, place)
    _known(value, _STAGE_WORDS, place)
    checks = value.get("checks") or []
    if not isinstance(checks, list):
        raise _wrong(f"{place}.checks", "must be a list")
    read = tuple(_check(item, f"{place}.checks[{index}]") for index, item in enumerate(checks))
    skip = frozenset(_texts(value, "skipOnRollback", place))
    for kind in sorted(skip - {spec.kind for spec in read}):
        raise _wrong(f"{place}.skipOnRollback", f"names {kind!r}, which is not a check of this stage")
    return Stage(
        name,
        _texts(value, "from", place),
        _text(value, "destination", place),
        _text(value, "tag", place) or name,
        _texts(value, "immutableTags", place),
        read,
        skip,
    )


def _check(item: Any, place: str) -> CheckSpec:
    if not isinstance(item, dict) or len(item) != 1:
        raise _wrong(place, "must be one check, for example {metric: {name: accuracy, min: 0.9}}")
    ((kind, arguments),) = item.items()
    words = _WORDS.get(kind)
    if words is None:
        raise _wrong(place, f"{kind!r} is no check; the checks are {', '.join(_WORDS)}")
    if arguments is True:
        arguments = {}
    place = f"{place}.{kind}"
    arguments = _mapping(arguments, place)
    _known(arguments, set(words), place)
    for word in _REQUIRED.get(kind, ()):
        if arguments.get(word) in (None, "", []):
            raise _wrong(f"{place}.{word}", "is missing")
    for word, value in arguments.items():
        _check_argument(value, words[word], word, f"{place}.{word}")
    if kind == "metric" and not {"min", "max"} & set(arguments):
        raise _wrong(place, "needs min or max")
    named = {"attestation": "type", "maxAge": "attestation"}.get(kind)
    if named is not None and ":" not in full_name(arguments[named]):
        raise _wrong(f"{place}.{named}", f"is no predicate type; use a URI or one of {', '.join(SHORT_NAMES)}")
    return CheckSpec(kind, arguments)


def _check_argument(value: Any, kind: Kind, word: str, place: str) -> None:
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        raise _wrong(place, f"has the wrong type: {value!r}")
    if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
        raise _wrong(place, "must be a list of texts")
    if word in ("count", "days", "maxAgeDays") and not 0 < float(value) <= _MOST:  # type: ignore[arg-type]  # a number
        raise _wrong(place, f"must be more than 0 and at most {_MOST}, not {value}")
    if word in _NUMBERS:
        try:
            if not Decimal(str(value)).is_finite():
                raise _wrong(place, f"is not a finite number: {value!r}")
        except InvalidOperation as error:
            raise _wrong(place, f"is not a number: {value!r}") from error


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(place, "must be a mapping")
    return value


def _known(value: Mapping[str, Any], words: set[str], place: str) -> None:
    for word in value:
        if word not in words:
            allowed = ", ".join(sorted(words)) or "nothing"
            raise _wrong(f"{place}.{word}", f"is unknown; allowed here: {allowed}")


def _text(value: Mapping[str, Any], word: str, place: str) -> str | None:
    found = value.get(word)
    if found is not None and (not isinstance(found, str) or not found):
        raise _wrong(f"{place}.{word}", f"must be a text, not {found!r}")
    return found


def _texts(value: Mapping[str, Any], word: str, place: str) -> tuple[str, ...]:
    found = value.get(word) or []
    if not isinstance(found, list) or not all(isinstance(entry, str) and entry for entry in found):
        raise _wrong(f"{place}.{word}", "must be a list of texts")
    return tuple(found)


def _wrong(place: str, problem: str) -> PromotionError:
    return PromotionError(f"promotion policy: {place} {problem}", advice="correct the policy file")
