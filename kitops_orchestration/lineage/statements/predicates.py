"""Typed predicates: one class per event in a ModelKit's life, checked when made and when read.

Numbers that are compared travel as text, because readers in other languages keep every JSON number as a float.
Times are RFC 3339 in UTC.  Unknown members of a predicate are ignored, as in-toto asks of consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.statements.verdict import Verdict
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.statement import ResourceDescriptor
from kitops_orchestration.signing.timestamps import format_timestamp

Decision = Literal["APPROVED", "REJECTED", "REVOKED", "OVERRULED"]
Outcome = Literal["PASSED", "WARNED", "FAILED"]
Action = Literal["deployed", "undeployed"]
Reader = Callable[[Any, str], Any]


def camel(name: str) -> str:
    """Return how a field is called in JSON."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, ResourceDescriptor | Verdict | _Plain):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value] or None
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value


def _present(value: Mapping[str, Any], *, keep: Sequence[str] = ()) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None or key in keep}


def _time(value: str | None) -> str | None:
    return None if value is None else format_timestamp(value)


def _resources(items: Sequence[ResourceDescriptor]) -> list[dict[str, Any]]:
    return [item.to_json() for item in items]


def _read_resources(value: Any, what: str) -> tuple[ResourceDescriptor, ...]:
    return tuple(map(ResourceDescriptor.from_json, _list({what: value}, what)))


def _read_resource(value: Any, _what: str) -> ResourceDescriptor:
    return ResourceDescriptor.from_json(value)


def _read_verdict(value: Any, _what: str) -> Verdict:
    return Verdict.from_json(value)


def _read_target(value: Any, _what: str) -> Any:
    return DeploymentTarget.from_json(value)


def _read_text(value: Any, what: str) -> str:
    return _text({what: value}, what)


def _read_texts(value: Any, what: str) -> tuple[str, ...]:
    return _texts({what: value}, what)


def _read_number(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SignatureError(f"{what} is not a whole number")
    return value


def _read_object(value: Any, what: str) -> dict[str, Any]:
    return dict(_object(value, what))


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SignatureError(f"{what} is not an object")
    return value


def _text_map(value: Any, what: str) -> dict[str, str]:
    found = _object(value, what)
    if not all(isinstance(item, str) for item in found.values()):
        raise SignatureError(f"{what} is not a map of text")
    return dict(found)


def _list(value: Mapping[str, Any], member: str) -> list[Any]:
    found = value.get(member)
    if found is not None and not isinstance(found, list):
        raise SignatureError(f"{member} is not a list")
    return found or []


def _texts(value: Mapping[str, Any], member: str) -> tuple[str, ...]:
    found = _list(value, member)
    if not all(isinstance(item, str) for item in found):
        raise SignatureError(f"{member} is not a list of text")
    return tuple(found)


def _text(value: Mapping[str, Any], member: str) -> str:
    found = value.get(member)
    if not isinstance(found, str):
        raise SignatureError(f"{member} is missing or not text")
    return found


def _metrics_of_others(value: Mapping[str, Any]) -> list[Any]:
    """``metrics`` as other tools write them: a map of numbers, or a list of objects with name and value."""
    found = value.get("metrics")
    if isinstance(found, Mapping):
        found = [{"name": name, "value": number} for name, number in found.items()]
    items = found if isinstance(found, list) else []
    return [
        {**item, "value": str(item["value"])}
        for item in items
        if isinstance(item, Mapping)
        and isinstance(item.get("value"), str | int | float)
        and item.get("value") is not True
        and isinstance(item.get("name"), str)
    ]


def _optional(value: Mapping[str, Any], member: str) -> str | None:
    return None if value.get(member) is None else _text(value, member)


def _one_of(value: Any, what: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SignatureError(f"{what} is {value!r}, not one of {', '.join(allowed)}")


def _filled(value: str, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise SignatureError(f"{what} is empty")


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured number and the bound it was held against, all as text."""

    name: str
    value: str
    comparator: str | None = None
    """``>=``, ``<=``, …; ``None`` when nothing was demanded."""
    threshold: str | None = None
    is_passed: bool | None = None
    dataset: str | None = None
    dataset_digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``kitops_metrics``."""
        dataset = _present({"name": self.dataset, "digest": self.dataset_digest})
        return _present(
            {
                "name": self.name,
                "value": self.value,
                "comparator": self.comparator,
                "threshold": self.threshold,
                "passed": self.is_passed,
                "dataset": dataset or None,
            }
        )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read one; raises :class:`SignatureError`."""
        value = _object(value, "a metric")
        dataset = _object(value.get("dataset") or {}, "the dataset of a metric")
        return cls(
            _text(value, "name"),
            _text(value, "value"),
            _optional(value, "comparator"),
            _optional(value, "threshold"),
            value.get("passed"),
            _optional(dataset, "name"),
            _optional(dataset, "digest"),
        )


@dataclass(frozen=True, slots=True)
class TestResult:
    """Tests or an evaluation ran (in-toto ``test-result`` v0.1, with our metrics beside its members)."""

    __test__: ClassVar[bool] = False  # its name is the specification's; pytest shall not collect it
    predicate_type: ClassVar[str] = predicate_types.TEST_RESULT

    result: Outcome
    configuration: tuple[ResourceDescriptor, ...] = ()
    passed_tests: tuple[str, ...] = ()
    warned_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    url: str | None = None
    created_on: str | None = None
    supersedes: tuple[str, ...] = ()
    """Manifest digests of the same signer's results that this one takes the place of."""

    def __post_init__(self) -> None:
        _one_of(self.result, "result", ("PASSED", "WARNED", "FAILED"))

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        return _present(
            {
                "result": self.result,
                "configuration": _resources(self.configuration),
                "url": self.url,
                "passedTests": list(self.passed_tests) or None,
                "warnedTests": list(self.warned_tests) or None,
                "failedTests": list(self.failed_tests) or None,
                "kitops_metrics": [metric.to_json() for metric in self.metrics] or None,
                "createdOn": _time(self.created_on),
                "supersedes": list(self.supersedes) or None,
            },
            keep=("configuration",),
        )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        value = _object(value, "the test result")
        return cls(
            value.get("result", ""),
            _read_resources(value.get("configuration"), "configuration"),
            _texts(value, "passedTests"),
            _texts(value, "warnedTests"),
            _texts(value, "failedTests"),
            tuple(map(Metric.from_json, [*_list(value, "kitops_metrics"), *_metrics_of_others(value)])),
            _optional(value, "url"),
            _optional(value, "createdOn"),
            _texts(value, "supersedes"),
        )


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """A verifier held a ModelKit against policies and it passed (in-toto ``svr`` v0.2)."""

    predicate_type: ClassVar[str] = predicate_types.VERIFICATION

    verifier_id: str
    policies: tuple[ResourceDescriptor, ...]
    time_created: str
    properties: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        return {
            "verifier": {"id": self.verifier_id, "policies": _resources(self.policies)},
            "timeCreated": format_timestamp(self.time_created),
            "properties": list(self.properties),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        value = _object(value, "the verification result")
        verifier = _object(value.get("verifier"), "the verifier")
        policies = _read_resources(verifier.get("policies"), "policies")
        return cls(_text(verifier, "id"), policies, _text(value, "timeCreated"), _texts(value, "properties"))


class _Plain:
    """What approval, promotion and deployment share: members are the fields, in camel case."""

    __slots__ = ()
    _times: ClassVar[tuple[str, ...]] = ()
    _readers: ClassVar[Mapping[str, Reader]] = {}
    """How to read the fields that are not text."""

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        value = {}
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            member = getattr(self, item.name)
            value[camel(item.name)] = _time(member) if item.name in self._times else _plain(member)
        return _present(value)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        value = _object(value, cls.__name__.lower())
        known: dict[str, Any] = {}
        for item in fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
            found = value.get(camel(item.name))
            if found is not None:
                reader: Reader = cls._readers.get(item.name, _read_text)
                known[item.name] = reader(found, camel(item.name))
                if item.name in cls._times:
                    format_timestamp(known[item.name])  # a time that is none is found here, not in an answer
        try:
            return cls(**known)
        except TypeError as error:
            raise SignatureError(f"{cls.__name__.lower()} lacks a member: {error}") from error


@dataclass(frozen=True, slots=True)
class Approval(_Plain):
    """Somebody decided about a digest in one environment.

    Who decided is the owner of the key that signed; ``approver`` is only what the text says of itself.
    A rejection or revocation should not be signed with a release key: verifiers that do not look at the
    predicate type would take it for a signature.
    """

    predicate_type: ClassVar[str] = predicate_types.APPROVAL
    _times: ClassVar[tuple[str, ...]] = ("created_on", "expires_on")
    _readers: ClassVar[Mapping[str, Reader]] = {
        "approver": _text_map,
        "policy": _read_resource,
        "evidence": _read_resources,
        "supersedes": _read_texts,
    }

    decision: Decision
    environment: str
    role: str | None = None
    approver: Mapping[str, str] | None = field(default=None, hash=False)
    """``id``, ``name``, ``email``."""
    policy: ResourceDescriptor | None = None
    """The promotion policy that was in force, by digest."""
    comment: str | None = None
    ticket: str | None = None
    evidence: tuple[ResourceDescriptor, ...] = ()
    created_on: str | None = None
    expires_on: str | None = None
    previous_event: str | None = None
    supersedes: tuple[str, ...] = ()
    """Manifest digests of the decisions that this one takes the place of; the only thing that ends a "no"."""

    def __post_init__(self) -> None:
        _one_of(self.decision, "decision", ("APPROVED", "REJECTED", "REVOKED", "OVERRULED"))
        _filled(self.environment, "environment")


@dataclass(frozen=True, slots=True)
class Promotion(_Plain):
    """A digest was promoted to a stage: the Kubernetes promoter's record, and ours beside it."""

    predicate_type: ClassVar[str] = predicate_types.PROMOTION
    _times: ClassVar[tuple[str, ...]] = ("timestamp",)
    _readers: ClassVar[Mapping[str, Reader]] = {
        "policy": _read_resource,
        "approvals": _read_texts,
        "orchestrator": _read_object,
        "sequence": _read_number,
        "verdict": _read_verdict,
    }

    src_ref: str
    dst_ref: str
    digest: str
    to_stage: str
    timestamp: str | None = None
    builder_id: str | None = None
    from_stage: str | None = None
    policy: ResourceDescriptor | None = None
    approvals: tuple[str, ...] = ()
    """Manifest digests of the approvals that counted."""
    previous_digest: str | None = None
    rollback_of: str | None = None
    reason: str | None = None
    orchestrator: Mapping[str, Any] | None = field(default=None, hash=False)
    previous_event: str | None = None
    sequence: int | None = None
    """One more than that of the promotion before it in the same stage: times are whole seconds, and clocks differ."""
    verdict: Verdict | None = None
    """What was checked; records of before this member was there have none."""

    def __post_init__(self) -> None:
        _filled(self.to_stage, "toStage")


@dataclass(frozen=True, slots=True)
class DeploymentTarget(_Plain):
    """Where a ModelKit runs: ``kind`` (``kserve``, ``kubernetes``, ``vm``, …) and its names."""

    kind: str
    name: str
    uri: str | None = None
    namespace: str | None = None
    cluster: str | None = None

    @property
    def key(self) -> str:
        """The same text for the same place."""
        return "/".join(part or "-" for part in (self.kind, self.cluster, self.namespace, self.name))

    @property
    def shown(self) -> str:
        """The place, for people."""
        return "/".join(part for part in (self.cluster, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Deployment(_Plain):
    """A digest went into service in an environment, or out of it."""

    predicate_type: ClassVar[str] = predicate_types.DEPLOYMENT
    _times: ClassVar[tuple[str, ...]] = ("deployed_on",)
    _readers: ClassVar[Mapping[str, Reader]] = {
        "target": _read_target,
        "orchestrator": _read_object,
        "configuration": _read_resources,
    }

    action: Action
    environment: str
    target: DeploymentTarget
    ref: str | None = None
    deployed_on: str | None = None
    orchestrator: Mapping[str, Any] | None = field(default=None, hash=False)
    replaces: str | None = None
    """Digest of the manifest that ran there before."""
    configuration: tuple[ResourceDescriptor, ...] = ()
    previous_event: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.action, "action", ("deployed", "undeployed"))
        _filled(self.environment, "environment")
