"""The promotion policy: stages, where each takes from and goes to, and the checks in between.

A policy is a file that the promoter holds; its sha256 is recorded with every decision::

    version: 1
    checkpoint: {maxAgeHours: 24}
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
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kitops_orchestration.errors import InvalidReferenceError, PromotionError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.promotion.rules.check_words import distinct_texts, known, mapping, read_check, wrong
from kitops_orchestration.promotion.rules.checkpoint_rule import CheckpointRule, read_rule
from kitops_orchestration.signing.policy_text import read_policy_text

_STAGE_WORDS = {"from", "destination", "tag", "immutableTags", "checks", "skipOnRollback", "rollback"}
_SOURCE_WORDS = {"stage", "policyDigests", "places", "unsigned", "recheck"}


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
                on = f"@{self.arguments['dataset']}" if "dataset" in self.arguments else ""
                return f"{self.kind}:{self.arguments[word]}{on}"
        return self.kind


@dataclass(frozen=True, slots=True)
class Source:
    """A stage that another one takes from, and whose word about it is taken."""

    stage: str
    """A stage of the policy; any other name is a tag of the source."""
    policy_digests: frozenset[Digest] = frozenset()
    """Texts of older policies whose records count beside those of today's."""
    places: tuple[str, ...] = ()
    """``registry/repository:tag`` that the stage had before, where it was renamed."""
    is_unsigned_enough: bool = False
    """For play: records count that nobody signed; every report says so."""
    is_rechecked: bool = True
    """Make the source stage's checks again: a record is only the word of who holds a releaser's key."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An environment: where its ModelKits come from, where they go, and what has to hold."""

    name: str
    takes_from: tuple[Source, ...] = ()
    """Stages it takes from; empty means anywhere."""
    destination: str | None = None
    """``registry/repository``; ``{name}`` is the last part of the source repository."""
    tag: str = ""
    immutable_tags: tuple[str, ...] = ()
    """Patterns of tags in the destination that are never moved."""
    checks: tuple[CheckSpec, ...] = ()
    skip_on_rollback: frozenset[str] = frozenset()
    rollback_digests: frozenset[Digest] = frozenset()
    """Texts of older policies whose records open the way back beside those of today's."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what it takes from. One that is no stage of the policy is a tag of the source."""
        return tuple(source.stage for source in self.takes_from)

    def repository_for(self, source_repository: str) -> str | None:
        """Return the destination repository for a source ``registry/repository``, or ``None`` for the same one."""
        if self.destination is None:
            return None
        return self.destination.replace("{name}", source_repository.rsplit("/", 1)[-1])

    @property
    def terms(self) -> dict[str, Any]:
        """What decides about entry, as a JSON object: names of older policies are left out."""
        return {
            "from": [
                [source.stage, sorted(source.places), source.is_unsigned_enough, source.is_rechecked]
                for source in self.takes_from
            ],
            "destination": self.destination,
            "tag": self.tag,
            "immutableTags": sorted(self.immutable_tags),
            "checks": [[spec.kind, dict(spec.arguments)] for spec in self.checks],
            "skipOnRollback": sorted(self.skip_on_rollback),
        }


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """All stages, and the digest of the text that they were read from."""

    stages: Mapping[str, Stage] = field(hash=False)
    digest: Digest
    source: str | None = None
    """The file, for messages and records."""
    taken_back_by: frozenset[str] = frozenset()
    """Roles that may overrule a "no" of somebody else."""
    checkpoint: CheckpointRule | None = None
    """What is asked of the signed checkpoints of the repositories; ``None`` asks for none."""

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
        known(value, {"version", "stages", "rejections", "checkpoint"}, "the policy")
        if type(value.get("version")) is not int or value["version"] != 1:
            raise wrong("version", f"must be 1, not {value.get('version')!r}")
        stages = mapping(value.get("stages"), "stages")
        if not stages:
            raise wrong("stages", "names no stage")
        read = {name: _stage(name, body) for name, body in stages.items()}
        _check_names(read)
        digest = Digest("sha256:" + hashlib.sha256(raw).hexdigest())
        rule = read_rule(value["checkpoint"]) if "checkpoint" in value else None
        return cls(read, digest, source, _taken_back_by(value), rule)

    def stage_digest(self, name: str) -> Digest:
        """Return the digest of what decides about entry to a stage: itself, and the stages that it takes from.

        A comment, or a change of another stage, makes another text and the same digest here; so records of
        promotions stay what they are.
        """
        reached = {name: self.stage(name).terms}
        waiting = list(self.stage(name).sources)
        while waiting:
            other = waiting.pop()
            if other in self.stages and other not in reached:
                reached[other] = self.stages[other].terms
                waiting.extend(self.stages[other].sources)
        return Digest.of(json.dumps(reached, sort_keys=True, ensure_ascii=True, default=str).encode())

    def owner_of(self, source_repository: str, repository: str, tag: str) -> Stage | None:
        """Return the stage whose tag this is, in ``registry/repository``, for a ModelKit from ``source_repository``.

        A stage that names its repository comes before those that are wherever a ModelKit comes from: whoever names
        that repository as the source does not get its tag with the checks of another stage.

        Raises:
            PromotionError: two stages name the same repository and tag.
        """
        named: list[Stage] = []
        unnamed: list[Stage] = []
        for stage in self.stages.values():
            place = stage.repository_for(source_repository)
            if stage.tag == tag and place in (None, repository):
                (unnamed if place is None else named).append(stage)
        if len(named) > 1:
            raise PromotionError(
                f"{repository}:{tag} is the tag of the stages {' and '.join(stage.name for stage in named)}",
                advice="give each stage of the policy a tag or a repository of its own",
            )
        return next(iter([*named, *unnamed]), None)

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
    return mapping(value, where)


def _check_names(stages: Mapping[str, Stage]) -> None:
    """A check that compares with a stage that is none would compare with nothing, and be green for ever."""
    for stage in stages.values():
        if stage.name in stage.sources:
            raise wrong(f"stages.{stage.name}.from", "names the stage itself")
    places: dict[tuple[str | None, str], str] = {}
    for stage in stages.values():
        other = places.setdefault((stage.destination, stage.tag), stage.name)
        if other != stage.name:
            raise wrong(f"stages.{stage.name}.tag", f"{stage.tag!r} is that of {other} in the same repository")
        for index, spec in enumerate(stage.checks):
            if spec.kind == "notWorseThan" and spec.arguments["stage"] not in stages:
                place = f"stages.{stage.name}.checks[{index}].notWorseThan.stage"
                raise wrong(place, f"names {spec.arguments['stage']!r}; the stages are {', '.join(stages)}")


def _stage(name: str, body: Any) -> Stage:
    place = f"stages.{name}"
    value = mapping(body if body is not None else {}, place)
    known(value, _STAGE_WORDS, place)
    checks = _list(value, "checks", place)
    read = tuple(CheckSpec(*read_check(item, f"{place}.checks[{index}]")) for index, item in enumerate(checks))
    sources = _list(value, "from", place)
    skip = frozenset(_texts(value, "skipOnRollback", place))
    for kind in sorted(skip - {spec.kind for spec in read}):
        raise wrong(f"{place}.skipOnRollback", f"names {kind!r}, which is not a check of this stage")
    return Stage(
        name,
        tuple(_source(item, f"{place}.from[{index}]") for index, item in enumerate(sources)),
        _text(value, "destination", place),
        _text(value, "tag", place) or name,
        _texts(value, "immutableTags", place),
        read,
        skip,
        _rollback_digests(value, place),
    )


def _list(value: Mapping[str, Any], word: str, place: str) -> list[Any]:
    """An empty mapping, ``false``, ``0`` or nothing at all is no list: a template that was left empty is no wish."""
    found = value.get(word, [])
    if not isinstance(found, list):
        raise wrong(f"{place}.{word}", f"must be a list, not {found!r}; leave the word out where there is none")
    return found


def _source(item: Any, place: str) -> Source:
    if isinstance(item, str):
        return Source(distinct_texts([item], place)[0])
    value = mapping(item, place)
    known(value, _SOURCE_WORDS, place)
    stage = _text(value, "stage", place)
    if stage is None:
        raise wrong(f"{place}.stage", "is missing")
    places = _texts(value, "places", place)
    for index, text in enumerate(places):
        if not _is_tagged(text):
            raise wrong(f"{place}.places[{index}]", f"must be registry/repository:tag, not {text!r}")
    return Source(
        stage,
        _digests(value, "policyDigests", place),
        places,
        _flag(value, "unsigned", place, otherwise=False),
        _flag(value, "recheck", place, otherwise=True),
    )


def _is_tagged(text: str) -> bool:
    try:
        return Reference.parse(text).tag is not None
    except InvalidReferenceError:
        return False


def _rollback_digests(value: Mapping[str, Any], place: str) -> frozenset[Digest]:
    if "rollback" not in value:
        return frozenset()
    body = mapping(value["rollback"], f"{place}.rollback")
    known(body, {"policyDigests"}, f"{place}.rollback")
    return _digests(body, "policyDigests", f"{place}.rollback")


def _taken_back_by(value: Mapping[str, Any]) -> frozenset[str]:
    if "rejections" not in value:
        return frozenset()
    body = mapping(value["rejections"], "rejections")
    known(body, {"takenBackBy"}, "rejections")
    return frozenset(_texts(body, "takenBackBy", "rejections"))


def _digests(value: Mapping[str, Any], word: str, place: str) -> frozenset[Digest]:
    try:
        return frozenset(Digest(text) for text in _texts(value, word, place))
    except InvalidReferenceError as error:
        raise wrong(f"{place}.{word}", f"names what is no digest: {error}") from error


def _flag(value: Mapping[str, Any], word: str, place: str, *, otherwise: bool) -> bool:
    found = value.get(word, otherwise)
    if not isinstance(found, bool):
        raise wrong(f"{place}.{word}", f"must be true or false, not {found!r}")
    return found


def _text(value: Mapping[str, Any], word: str, place: str) -> str | None:
    if word not in value:
        return None
    found = value[word]
    if not isinstance(found, str) or not found or found.strip() != found:
        raise wrong(f"{place}.{word}", f"must be a text, not {found!r}")
    return found


def _texts(value: Mapping[str, Any], word: str, place: str) -> tuple[str, ...]:
    return distinct_texts(value[word], f"{place}.{word}") if word in value else ()
