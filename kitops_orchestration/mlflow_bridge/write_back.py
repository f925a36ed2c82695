"""Telling MLflow where the ModelKit is: tags and links on the run, the logged model and its registered versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlsplit

from kitops_orchestration.errors import KitOpsError, RunExportError
from kitops_orchestration.mlflow_bridge.kitfile_parameters import facts_of_kitfile
from kitops_orchestration.mlflow_bridge.modelkit_uri import pinned_uri
from kitops_orchestration.mlflow_bridge.runs.description_block import NOTE_TAG, with_block
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.session import connect, quoted, require_answer
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.http.url import is_loopback
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.settings import page_templates

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
            "registeredModel": self.name,
            "alias": self.alias,
            "version": self.version,
            "previousVersion": self.previous_version,
            "isChanged": self.is_changed,
        }


def write_back(
    resolved: ResolvedSource,
    reference: Reference,
    client: MlflowClient,
    *,
    plain_http: bool | None = None,
    extra: Mapping[str, str] | None = None,
    describe: bool = True,
) -> WriteBack:
    """Tag run, logged model and registered versions with reference, digest, URI and time.

    With ``describe`` their descriptions say it, too, with links: between two marks, whatever people wrote around them
    stays.  The ModelKit is pushed already, so a tag that cannot be written is a warning, never an error.
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
    block = None
    if describe:
        try:
            block = page_links(reference, plain_http=plain_http)
        except KitOpsError as error:
            warnings.append(str(error))
    for label, put in _targets(resolved, client, _Words(tags, block), warnings):
        try:
            with translated("tag", label):
                put()
        except KitOpsError as error:
            warnings.append(str(error))
        else:
            written.append(label)
    return WriteBack(tuple(written), tuple(warnings))


class SyncAliasOptions(TypedDict, total=False):
    """What :func:`sync_alias` takes by name and a client or an adapter hands through."""

    tracking_uri: str | None
    registry_uri: str | None
    aliases: Mapping[str, str]


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

    A server that does not answer is given up after few tries: what is on record already does not wait for minutes.

    Raises:
        RunExportError: no version of the model carries the digest.
        TrackingUnavailableError: the server does not answer.
    """
    client = connect(tracking_uri, registry_uri)
    alias = aliases.get(stage, stage)
    require_answer(client, registered_model)
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


@dataclass(frozen=True, slots=True)
class _Words:
    """What is written to one place in MLflow."""

    tags: Mapping[str, str]
    block: str | None
    """The part of the description that is ours; ``None`` to leave descriptions alone."""

    def into(self, text: str | None) -> str | None:
        """Return the description as it has to be, ``None`` where nothing is to be written."""
        changed = with_block(text or "", self.block) if self.block else None
        return None if changed == text else changed


def page_links(reference: Reference, *, plain_http: bool | None = None) -> str:
    """Return a line of Markdown: the ModelKit, a link to it, and one to its passport where its address is configured.

    Raises:
        KitOpsError: a configured address is no web address, or has an unknown field in it.
    """
    page, passport = page_templates()
    host = urlsplit(f"//{reference.registry}").hostname or ""
    if page is None and not reference.is_folder:
        scheme = "http" if plain_http or is_loopback(host) else "https"
        page = f"{scheme}://{reference.registry}/v2/{reference.repository}/manifests/{{digest}}"
    links = [
        f"[{text}](<{_address(template, reference)}>)"
        for text, template in (("manifest" if page_templates()[0] is None else "page", page), ("passport", passport))
        if template
    ]
    return " · ".join([f"**ModelKit** `{reference}`", *links])


def _address(template: str, reference: Reference) -> str:
    fields = {
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag or "",
        "digest": str(reference.digest or ""),
        "reference": str(reference),
    }
    try:
        address = template.format_map({key: quote(value, safe="") for key, value in fields.items()})
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise KitOpsError(
            f"the address {clean_value(template)!r} has a field that is not known: {error}",
            advice="KITOPS_MODELKIT_PAGE and KITOPS_PASSPORT_PAGE know {" + "}, {".join(fields) + "}",
        ) from error
    if not address.startswith(("https://", "http://")) or any(sign in address for sign in '<> \t\r\n"`'):
        raise KitOpsError(
            f"{clean_value(template)!r} is not a web address", advice="give KITOPS_MODELKIT_PAGE as https://…"
        )
    return address


def _targets(
    resolved: ResolvedSource, client: MlflowClient, words: _Words, warnings: list[str]
) -> list[tuple[str, Callable[[], None]]]:
    targets: list[tuple[str, Callable[[], None]]] = []
    if resolved.run_id:
        targets.append((f"run:{resolved.run_id}", partial(_tell_run, client, resolved.run_id, words)))
    if resolved.model_id:
        targets.append((f"model:{resolved.model_id}", partial(_tell_model, client, resolved.model_id, words)))
    try:
        versions = _versions(resolved, client)
    except KitOpsError as error:
        warnings.append(str(error))
        return targets
    for name, version in versions:
        targets.append((f"version:{name}/{version}", partial(_tell_version, client, name, version, words)))
    return targets


def _tell_model(client: MlflowClient, model_id: str, words: _Words) -> None:
    note = words.into(client.get_logged_model(model_id).tags.get(NOTE_TAG)) if words.block else None
    client.set_logged_model_tags(model_id, {**words.tags, **({NOTE_TAG: note} if note else {})})


def _tell_run(client: MlflowClient, run_id: str, words: _Words) -> None:
    for key, value in words.tags.items():
        client.set_tag(run_id, key, value)
    # Read as late as can be: MLflow has no lock, and somebody may be writing.
    note = words.into(client.get_run(run_id).data.tags.get(NOTE_TAG)) if words.block else None
    if note:
        client.set_tag(run_id, NOTE_TAG, note)


def _tell_version(client: MlflowClient, name: str, version: str, words: _Words) -> None:
    for key, value in words.tags.items():
        client.set_model_version_tag(name, version, key, value)
    note = words.into(client.get_model_version(name, version).description) if words.block else None
    if note:
        client.update_model_version(name, version, note)


def _versions(resolved: ResolvedSource, client: MlflowClient) -> list[tuple[str, str]]:
    """Return the version that was named, and all others that hold the same logged model: copies of them, too."""
    found = set()
    if resolved.registered_name and resolved.registered_version:
        found.add((resolved.registered_name, resolved.registered_version))
    if not resolved.run_id or not resolved.artifact_uri:
        return sorted(found)
    same = {resolved.artifact_uri, *([f"models:/{resolved.model_id}"] if resolved.model_id else [])}
    with translated("search the versions of", resolved.source.text):
        pending = list(client.search_model_versions(f"run_id='{resolved.run_id}'"))
    # A copy names the version that it was made from, so each round finds the copies of those found before.
    while matching := [version for version in pending if version.source in same]:
        pending = [version for version in pending if version not in matching]
        found |= {(version.name, str(version.version)) for version in matching}
        same = {f"models:/{version.name}/{version.version}" for version in matching}
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
