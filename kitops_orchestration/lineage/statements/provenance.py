"""SLSA provenance v1 for a ModelKit: who packed it, in which run, from which data, code and base models.

What other systems know comes in as plain values, :class:`SourceRun` from the MLflow bridge and
:class:`RunContext` from the orchestrators' adapters.  What is not known stays out and is never guessed.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kitops_orchestration._version import __version__
from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.statements.dependencies import (
    Dependency,
    SourceRun,
    base_model,
    git_source,
    same_data,
)
from kitops_orchestration.lineage.statements.run_context import RunContext
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement, decode_json, encode_json
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.pack import PackResult

__all__ = [
    "BUILDER",
    "BUILD_TYPE",
    "Dependency",
    "Provenance",
    "RunContext",
    "SourceRun",
    "base_model",
    "git_source",
    "provenance",
]

BUILD_TYPE = "urn:kitops-orchestration:build:modelkit-pack:v1"
BUILDER = "urn:kitops-orchestration:builder:"
"""Builder ids of ours: ``…builder:airflow``, ``…:dagster``, ``…:cli``; name your own with ``builder_id``."""

_MAX_CONTENT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Provenance:
    """SLSA provenance v1, the members that we fill and read."""

    predicate_type: ClassVar[str] = predicate_types.PROVENANCE

    build_type: str
    external_parameters: Mapping[str, Any] = field(hash=False)
    internal_parameters: Mapping[str, Any] = field(hash=False)
    dependencies: tuple[Dependency, ...]
    builder_id: str
    invocation_id: str | None = None
    started_on: str | None = None
    finished_on: str | None = None
    byproducts: tuple[ResourceDescriptor, ...] = ()
    builder_version: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def orchestrator(self) -> Mapping[str, Any]:
        """Run, job, task, user: what :class:`RunContext` said."""
        found = self.internal_parameters.get("orchestrator")
        return found if isinstance(found, Mapping) else {}

    @property
    def source(self) -> Mapping[str, Any]:
        """Type, uri, page and name of the run that made the model."""
        found = self.external_parameters.get("source")
        return found if isinstance(found, Mapping) else {}

    @property
    def trained_on(self) -> str | None:
        """When the run that made the model ended; ``None`` for content that no run made."""
        found = self.internal_parameters.get("trained")
        moment = found.get("finishedOn") if isinstance(found, Mapping) else None
        return moment if isinstance(moment, str) else None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The run's last metrics, where they were small enough to be carried."""
        content = next((item.content for item in self.byproducts if item.name == "metrics"), None)
        try:
            return {} if content is None else decode_json(content, "the metrics in the provenance")
        except SignatureError:
            return {}  # another builder's by-product of that name

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        metadata = {
            "invocationId": self.invocation_id,
            "startedOn": self.started_on and format_timestamp(self.started_on),
            "finishedOn": self.finished_on and format_timestamp(self.finished_on),
        }
        details: dict[str, Any] = {
            "builder": {"id": self.builder_id, "version": dict(sorted(self.builder_version.items()))},
            "metadata": {key: item for key, item in metadata.items() if item},
        }
        if self.byproducts:
            details["byproducts"] = [item.to_json() for item in self.byproducts]
        return {
            "buildDefinition": {
                "buildType": self.build_type,
                "externalParameters": dict(self.external_parameters),
                "internalParameters": dict(self.internal_parameters),
                "resolvedDependencies": [item.to_resource().to_json() for item in self.dependencies],
            },
            "runDetails": details,
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError` when required members are missing."""
        try:
            definition, details = value["buildDefinition"], value["runDetails"]
            builder, metadata = details["builder"], details.get("metadata") or {}
            resources = [ResourceDescriptor.from_json(item) for item in definition.get("resolvedDependencies") or ()]
            return cls(
                str(definition["buildType"]),
                dict(definition["externalParameters"]),
                dict(definition.get("internalParameters") or {}),
                tuple(map(Dependency.from_resource, resources)),
                str(builder["id"]),
                metadata.get("invocationId"),
                metadata.get("startedOn"),
                metadata.get("finishedOn"),
                tuple(ResourceDescriptor.from_json(item) for item in details.get("byproducts") or ()),
                dict(builder.get("version") or {}),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SignatureError(f"the provenance is not of SLSA's form: {error!r}") from error


def provenance(
    packed: PackResult,
    run_context: RunContext | None = None,
    source: SourceRun | None = None,
    *,
    dependencies: Sequence[Dependency] = (),
    builder_id: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    packed_between: tuple[datetime | str, datetime | str] | None = None,
) -> Statement:
    """Return the provenance of a ModelKit that was just packed.

    Data and base model come from the Kitfile and from ``source``; ``dependencies`` adds what only the caller
    knows.  ``packed_between`` is when the packing began and ended; without it the source's times stand for them, and
    the clock where it has none.  The times of packing do not make a statement another one: a retry attaches nothing.
    The times of a training are in ``trained_on``.
    """
    context, run = run_context or RunContext(), source or SourceRun("directory")
    began, ended = packed_between or (run.started_on or context.started_on, run.finished_on or now())
    found = _all_dependencies(packed, [*run.dependencies, *dependencies])
    predicate = Provenance(
        BUILD_TYPE,
        _external(packed, run, parameters or {}),
        _internal(context, run),
        found,
        builder_id or BUILDER + context.orchestrator,
        context.invocation_id,
        None if began is None else format_timestamp(began),
        format_timestamp(ended),
        _byproducts(run),
        {"kitops-orchestration": __version__},
    )
    return Statement.build(
        packed.digest, predicate.predicate_type, predicate.to_json(), name=packed.reference.without_target().name
    )


def _external(packed: PackResult, run: SourceRun, parameters: Mapping[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {
        "reference": str(packed.reference.without_target()),
        "kitfile": {"sha256": packed.manifest.config.digest.hex},
        "source": {key: item for key in ("type", "uri", "url", "name") if (item := getattr(run, key))},
    }
    if packed.reference.tag:
        value["tag"] = packed.reference.tag
    if run.parameters or parameters:
        value["parameters"] = _finite(dict(sorted({**run.parameters, **parameters}.items())))
    return value


def _internal(context: RunContext, run: SourceRun) -> dict[str, Any]:
    value: dict[str, Any] = {
        "orchestrator": context.to_json(),
        "packages": dict(sorted({"kitops-orchestration": __version__, **run.packages}.items())),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}".lower(),
    }
    if run.user:
        value["sourceUser"] = run.user
    if run.finished_on or run.started_on:
        value["trained"] = {key: item for key, item in _training(run) if item}
    return value


def _training(run: SourceRun) -> list[tuple[str, str | None]]:
    times = (("startedOn", run.started_on), ("finishedOn", run.finished_on))
    return [(key, item and format_timestamp(item)) for key, item in times]


def _byproducts(run: SourceRun) -> tuple[ResourceDescriptor, ...]:
    if not run.metrics:
        return run.byproducts
    content = encode_json(_finite(run.metrics), sort_keys=True)
    if len(content) > _MAX_CONTENT_BYTES:
        return run.byproducts
    return (*run.byproducts, ResourceDescriptor("metrics", content=content, media_type="application/json"))


def _all_dependencies(packed: PackResult, known: Sequence[Dependency]) -> tuple[Dependency, ...]:
    """Join what the tracking system and the caller know with what the Kitfile says, each thing once."""
    # Here, because whoever only reads statements has no Kitfile to look at.
    from kitops_orchestration.lineage.statements.kitfile_data import base_model_of, datasets_of

    joined = [*_distinct(known)]
    for item in datasets_of(packed.kitfile, packed.layers):
        index = next((number for number, other in enumerate(joined) if _is_same_name(item, other)), None)
        if index is None:
            joined.append(item)
        else:  # the data that was logged, and the layer that it was packed into
            facts = {"path": item.annotations.get("path"), "layer": item.sha256}
            known_facts = {key: value for key, value in facts.items() if value is not None}
            joined[index] = replace(joined[index], annotations={**joined[index].annotations, **known_facts})
    base = base_model_of(packed.kitfile, packed.manifest)
    return _distinct(joined if base is None else [*joined, base])


def _is_same_name(item: Dependency, other: Dependency) -> bool:
    return other.role == "dataset" and (other.name == item.name or same_data(item, other))


def _distinct(items: Sequence[Dependency]) -> tuple[Dependency, ...]:
    """Drop what says the same thing twice: the first one, from the tracking system, knows more."""
    kept: dict[tuple[Any, ...], Dependency] = {}
    for item in items:
        identity = (item.role, item.uri, *sorted(item.digest.items())) if item.digest or item.uri else (id(item),)
        kept.setdefault(identity, item)
    return tuple(kept.values())


def _finite(value: Any) -> Any:
    """Write NaN and infinite numbers as text: JSON has no form for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return {True: "NaN"}.get(math.isnan(value), "Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
