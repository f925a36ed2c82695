"""SLSA provenance 0.2, as older builders write it, told in the words of version 1.

The signed text stays what it is; only what is read out of it has version 1's members.
Source: SLSA v0.2 ``provenance`` and v1.0 ``provenance``, section "Migrating from 0.2".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.statement import Statement

SLSA_02 = "https://slsa.dev/provenance/v0.2"
_NO_TIME = "0001-01-01T00:00:00Z"
"""What Go writes for a time that was never set."""


def as_version_1(statement: Statement) -> Statement:
    """Return the statement with a predicate of version 1; ``content`` stays what was signed.

    Raises:
        SignatureError: it is not provenance of version 0.2.
    """
    predicate = statement.predicate
    builder = _object(predicate, "builder")
    if not isinstance(predicate.get("buildType"), str) or not isinstance(builder.get("id"), str):
        raise SignatureError("the provenance is not of SLSA's form 0.2: buildType or builder.id is missing")
    value = {
        "buildDefinition": {
            "buildType": predicate["buildType"],
            "externalParameters": _external(predicate),
            "internalParameters": _filled(environment=_object(predicate, "invocation", "environment")),
            "resolvedDependencies": _dependencies(predicate),
        },
        "runDetails": {"builder": {"id": builder["id"]}, "metadata": _metadata(predicate)},
    }
    return replace(statement, predicate_type=predicate_types.PROVENANCE, predicate=value)


def _external(predicate: Mapping[str, Any]) -> dict[str, Any]:
    source = _object(predicate, "invocation", "configSource")
    parameters = _object(predicate, "invocation").get("parameters")
    return _filled(configSource=source, parameters=parameters, buildConfig=predicate.get("buildConfig"))


def _dependencies(predicate: Mapping[str, Any]) -> list[Any]:
    """Return the materials, and the source of the build's configuration where it is not one of them."""
    materials = predicate.get("materials") or []
    if not isinstance(materials, list):
        raise SignatureError("the provenance is not of SLSA's form 0.2: materials is no list")
    source = _object(predicate, "invocation", "configSource")
    told = _filled(uri=source.get("uri"), digest=source.get("digest"))
    return materials if not told or told in materials else [*materials, told]


def _metadata(predicate: Mapping[str, Any]) -> dict[str, Any]:
    found = _object(predicate, "metadata")
    invocation = found.get("buildInvocationId") or found.get("buildInvocationID")  # in-toto's Go writes the second
    times = {name: found.get(name) for name in ("buildStartedOn", "buildFinishedOn")}
    started, finished = (None if time == _NO_TIME else time for time in times.values())
    return _filled(invocationId=invocation, startedOn=started, finishedOn=finished)


def _object(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        found = value.get(name)
        if found is not None and not isinstance(found, Mapping):
            raise SignatureError(f"the provenance is not of SLSA's form 0.2: {name} is no object")
        value = found or {}
    return value


def _filled(**members: Any) -> dict[str, Any]:
    return {name: member for name, member in members.items() if member}
