"""What went into a ModelKit, and the run that made it, as plain values that other systems fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing.statement import ResourceDescriptor

Role = Literal["source", "dataset", "base-model", "environment", "run", "model", "container"]


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that went into a ModelKit: data, a base model, source code, an environment."""

    role: Role
    name: str | None = None
    uri: str | None = None
    digest: Mapping[str, str] = field(default_factory=dict, hash=False)
    """``{"sha256": hex}`` or ``{"gitCommit": hex}``."""
    annotations: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """More facts: ``context`` (training, validation, …), ``mlflow_digest``, ``rows``, ``licence``."""
    content: bytes | None = field(default=None, repr=False)

    def to_resource(self) -> ResourceDescriptor:
        """Return it as in-toto has it; raises :class:`SignatureError` when it has no identity at all."""
        annotations = {**self.annotations, "role": self.role}
        return ResourceDescriptor(self.name, self.uri, dict(self.digest), self.content, annotations=annotations)

    @classmethod
    def from_resource(cls, resource: ResourceDescriptor) -> Self:
        """Read one; what has no role of ours is a ``source``."""
        annotations = dict(resource.annotations)
        role = annotations.pop("role", "source")
        return cls(role, resource.name, resource.uri, resource.digest, annotations, resource.content)

    @property
    def shown(self) -> str:
        """A name for people."""
        return self.name or self.uri or next((f"{key}:{value}" for key, value in self.digest.items()), "(unnamed)")

    @property
    def sha256(self) -> str | None:
        """``sha256:…`` where it is known."""
        value = self.digest.get("sha256")
        return f"sha256:{value}" if value else None

    @property
    def identity(self) -> str:
        """Its digests, else its address, for people."""
        return ", ".join(f"{key}:{value}" for key, value in sorted(self.digest.items())) or self.uri or ""

    def to_json(self) -> dict[str, Any]:
        """Return it for display: the role as a member of its own."""
        value = ResourceDescriptor(self.name, self.uri, dict(self.digest), self.content).to_json()
        return {"role": self.role, **value, **({"annotations": dict(self.annotations)} if self.annotations else {})}


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The run that made the model, as its tracking system tells it.

    Values are text or numbers; NaN and infinite numbers as text.
    """

    type: str
    """``mlflow-run``, ``directory``, …"""
    uri: str | None = None
    """``mlflow://host/experiments/1/runs/abc``; never with a password in it."""
    url: str | None = None
    """Its page for people, where the tracking system has one."""
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    metrics: Mapping[str, Any] = field(default_factory=dict, hash=False)
    dependencies: tuple[Dependency, ...] = ()
    byproducts: tuple[ResourceDescriptor, ...] = ()
    """For example the run record that was packed, by digest."""
    started_on: str | None = None
    finished_on: str | None = None
    user: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Name to version of what mattered: mlflow, scikit-learn."""


def same_data(one: Dependency, other: Dependency) -> bool:
    """Tell whether two entries are the same data: by digest, by address, or by the layer that holds it."""
    if one.digest and other.digest and dict(one.digest).items() & dict(other.digest).items():
        return True
    if one.uri and one.uri == other.uri:
        return True
    layers = [item.annotations.get("layer", item.sha256) for item in (one, other)]
    return layers[0] is not None and layers[0] == layers[1]


def git_source(
    repository_url: str | None,
    commit: str,
    *,
    branch: str | None = None,
    is_dirty: bool | None = None,
    path: str | None = None,
) -> Dependency:
    """Return the dependency on a git commit; a dirty working tree is said so."""
    facts = {"branch": branch, "dirty": is_dirty, "path": path}
    uri = None
    if repository_url:
        uri = repository_url if repository_url.startswith("git+") else f"git+{repository_url}"
        uri = f"{_without_password(uri)}@{commit}"
    annotations = {key: value for key, value in facts.items() if value is not None}
    return Dependency(
        "source", repository_url and _without_password(repository_url), uri, {"gitCommit": commit}, annotations
    )


def base_model(reference: Reference, *, name: str | None = None) -> Dependency:
    """Return the dependency on another ModelKit, pinned by digest where the reference is."""
    digest = {} if reference.digest is None else {reference.digest.algorithm: reference.digest.hex}
    return Dependency("base-model", name or str(reference.without_target()), f"oci://{reference}", digest)


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else url
