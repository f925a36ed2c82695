"""Telling MLflow where the ModelKit is: tags on the run, the logged model and its registered versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from kitops_orchestration.errors import KitOpsError, RunExportError
from kitops_orchestration.mlflow_bridge.kitfile_of_run import facts_of_kitfile
from kitops_orchestration.mlflow_bridge.modelkit_uri import pinned_uri
from kitops_orchestration.mlflow_bridge.session import connect, quoted, translated
from kitops_orchestration.mlflow_bridge.source import ResolvedSource
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_PREFIX = "kitops.modelkit."
DIGEST_TAG = TAG_PREFIX + "digest"
STAGE_PREFIX = "kitops.stage."
DEFAULT_ALIASES: Mapping[str, str] = {"production": "champion", "staging": "challenger"}
"""Stage of a promotion policy -> alias of a registered model. Other stages become an alias of their own name."""


@dataclass(frozen=True, slots=True)
class WriteBack:
    """What was tagged (``run:<id>``, ``model:<id>``, ``version:<name>/<n>``) and what could not be."""

    written: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AliasSync:
    """A registered model's alias after a promotion."""

    name: str
    alias: str
    version: str
    previous_version: str | None
    is_changed: bool

    def to_json(self) -> dict[str, str | bool | None]:
        """Return the facts for metadata."""
        return {
            "registered_model": self.name,
            "alias": self.alias,
            "version": self.version,
            "previous_version": self.previous_version,
            "is_changed": self.is_changed,
        }


def write_back(
    resolved: ResolvedSource,
    reference: Reference,
    client: MlflowClient,
    *,
    plain_http: bool | None = None,
    extra: Mapping[str, str] | None = None,
) -> WriteBack:
    """Tag run, logged model and registered versions with reference, digest, URI and time.

    The ModelKit is pushed already, so a tag that cannot be written is a warning, never an error.
    """
    tags = {
        TAG_PREFIX + "ref": str(reference),
        DIGEST_TAG: str(reference.digest),
        TAG_PREFIX + "uri": pinned_uri(reference, plain_http=plain_http),
        TAG_PREFIX + "pushed_at": now(),
        **(extra or {}),
    }
    written: list[str] = []
    warnings: list[str] = []
    for label, put in _targets(resolved, client, tags, warnings):
        try:
            with translated("tag", label):
                put()
        except KitOpsError as error:
            warnings.append(str(error))
        else:
            written.append(label)
    return WriteBack(tuple(written), tuple(warnings))


def sync_alias(
    registered_model: str,
    stage: str,
    digest: str,
    *,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    aliases: Mapping[str, str] = DEFAULT_ALIASES,
) -> AliasSync:
    """After a promotion: point the stage's alias at the version that this digest was made from.

    The version is found by the tag that :func:`write_back` left.  The promotion itself is on record in the
    registry; this is its mirror in MLflow, with a tag ``kitops.stage.<stage>`` on the version.

    Raises:
        RunExportError: no version of the model carries the digest.
    """
    client = connect(tracking_uri, registry_uri)
    alias = aliases.get(stage, stage)
    with translated("synchronise the alias of", registered_model):
        version = _version_with(client, registered_model, digest)
        model = client.get_registered_model(registered_model)
        previous = {name: str(number) for name, number in dict(model.aliases).items()}.get(alias)
        if previous != version:
            client.set_registered_model_alias(registered_model, alias, version)
        client.set_model_version_tag(registered_model, version, f"{STAGE_PREFIX}{stage}", f"{digest} {now()}")
    return AliasSync(registered_model, alias, version, previous, previous != version)


def registered_model_of(repository: Repository, target: str) -> str:
    """Return the registered model that an exported ModelKit says it is a version of.

    Raises:
        RunExportError: it says nothing of the kind.
    """
    name = facts_of_kitfile(inspect(repository, target).kitfile).get("registered_model")
    if not isinstance(name, str) or not name:
        raise RunExportError(
            f"the Kitfile of {repository.reference}@{target} names no registered model",
            advice="name the one in MLflow, or export models:/<name>/<version> instead of the run",
        )
    return name


def stages_of(
    registered_model: str,
    *,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    aliases: Mapping[str, str] = DEFAULT_ALIASES,
) -> dict[str, str]:
    """Return ``{stage: digest}`` as the aliases of a registered model say it: the way back of :func:`sync_alias`.

    An alias on a version that was never exported has no digest and is left out.
    """
    client = connect(tracking_uri, registry_uri)
    stage_of = {alias: stage for stage, alias in aliases.items()}
    found: dict[str, str] = {}
    with translated("read the aliases of", registered_model):
        for alias, number in dict(client.get_registered_model(registered_model).aliases).items():
            digest = client.get_model_version(registered_model, str(number)).tags.get(DIGEST_TAG)
            if digest:
                found[stage_of.get(str(alias), str(alias))] = str(digest)
    return found


def now() -> str:
    """Return the time as MLflow tags carry it: UTC, RFC 3339, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _targets(
    resolved: ResolvedSource, client: MlflowClient, tags: Mapping[str, str], warnings: list[str]
) -> list[tuple[str, Callable[[], None]]]:
    targets: list[tuple[str, Callable[[], None]]] = []
    if resolved.run_id:
        targets.append((f"run:{resolved.run_id}", partial(_tag_run, client, resolved.run_id, tags)))
    if resolved.model_id:
        targets.append((f"model:{resolved.model_id}", partial(_tag_model, client, resolved.model_id, tags)))
    try:
        versions = _versions(resolved, client)
    except KitOpsError as error:
        warnings.append(str(error))
        return targets
    for name, version in versions:
        targets.append((f"version:{name}/{version}", partial(_tag_version, client, name, version, tags)))
    return targets


def _tag_model(client: MlflowClient, model_id: str, tags: Mapping[str, str]) -> None:
    client.set_logged_model_tags(model_id, dict(tags))


def _tag_run(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_tag(run_id, key, value)


def _tag_version(client: MlflowClient, name: str, version: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)


def _versions(resolved: ResolvedSource, client: MlflowClient) -> list[tuple[str, str]]:
    """Return the version that was named, and all others that hold the same logged model."""
    found = set()
    if resolved.registered_name and resolved.registered_version:
        found.add((resolved.registered_name, resolved.registered_version))
    if resolved.run_id and resolved.artifact_uri:
        same = {f"models:/{resolved.model_id}", resolved.artifact_uri}
        with translated("search the versions of", resolved.source.text):
            for version in client.search_model_versions(f"run_id='{resolved.run_id}'"):
                if version.source in same:
                    found.add((version.name, str(version.version)))
    return sorted(found)


def _version_with(client: MlflowClient, registered_model: str, digest: str) -> str:
    versions = client.search_model_versions(f"name={quoted(registered_model)}")
    matching = [int(version.version) for version in versions if version.tags.get(DIGEST_TAG) == digest]
    if not matching:
        raise RunExportError(
            f"no version of {registered_model!r} is tagged with {digest}",
            advice="export the version with write_back=True, or import the ModelKit, then promote",
        )
    return str(max(matching))
