"""What to export: reading the user's text, and finding the logged model behind it.

MLflow 3 keeps a model outside the run that logged it, so the way is always run -> ``model_outputs`` ->
logged model -> ``artifact_location``.  MLflow 2 kept it among the run's artifacts, and such runs still exist.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.modelkit_uri import SCHEMES
from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactStore
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.run_models import (
    children_of,
    listed_models,
    members,
    mlflow_2_paths,
    models_of,
    or_none,
    search_models,
)
from kitops_orchestration.oci.http.url import is_loopback

if TYPE_CHECKING:
    from mlflow import MlflowClient

SourceKind = Literal["run", "logged-model", "version", "alias"]

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_MODEL_FOLDER = re.compile(r"/models/(m-[0-9a-f]{32})/artifacts/?$")
_VERSION_URI = re.compile(r"models:/(?P<name>[^/]+)/(?P<version>[0-9]+)")
_MOST_COPIES = 50
"""No chain of copies that people make is as long; it only has to end."""
_MOST_CHILDREN = 1000
_MOST_ASKED = 50
_ALIAS = re.compile(r"[\w-]{1,255}")
_ADVICE = (
    "write runs:/<run id>[/<model name>], models:/<name>/<version>, models:/<name>@<alias>, models:/m-<id>, "
    "mlflow://[host/]runs/<run id>, or a run id; with best='<metric>:max' also experiments:/<name>, models:/<name>"
)


@dataclass(frozen=True, slots=True)
class MlflowSource:
    """A text that names something in MLflow, taken apart; nothing has been asked of a server yet."""

    text: str
    kind: SourceKind
    run_id: str | None = None
    path: str | None = None
    """Model name (or, in MLflow 2, artifact path) below a run."""
    model_id: str | None = None
    name: str | None = None
    """Registered model."""
    version: str | None = None
    alias: str | None = None
    host: str | None = None
    """``host[:port]`` of an ``mlflow://`` text that names a server."""


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """Where the model is, and every id on the way to it."""

    source: MlflowSource
    tracking_uri: str
    registry_uri: str
    run_id: str | None = None
    model_id: str | None = None
    model_name: str | None = None
    """Name of the logged model, or the last part of an MLflow 2 artifact path."""
    registered_name: str | None = None
    registered_version: str | None = None
    artifact_uri: str | None = None
    """Directory of the model; ``None`` when ``modelkit_uri`` is set."""
    modelkit_uri: str | None = None
    """``modelkit://…`` when the registered version already is a ModelKit."""
    copied_from: tuple[str, ...] = ()
    """``name/version`` of the versions that this one is a copy of, nearest first (``copy_model_version``)."""
    sibling_paths: tuple[str, ...] = ()
    """Other models among the run's artifacts (MLflow 2), as far as it had to be looked."""


def parse_source(text: str) -> MlflowSource:
    """Read any of the forms that MLflow users write; raises :class:`RunExportError` for all others.

    ``latest`` and MLflow's retired stages are refused: neither says which model is meant a minute later.
    """
    clean = text.strip() if isinstance(text, str) else ""
    if _RUN_ID.fullmatch(clean):
        return MlflowSource(clean, "run", run_id=clean)
    for prefix, reader in (("runs:/", _parse_run), ("models:/", _parse_model), ("mlflow://", _parse_mlflow)):
        if clean.startswith(prefix):
            return reader(clean, clean.removeprefix(prefix).strip("/"))
    raise RunExportError(f"not an MLflow source: {clean_value(str(text))!r}", advice=_ADVICE)


def _parse_run(text: str, rest: str) -> MlflowSource:
    run_id, _, path = rest.partition("/")
    if not run_id or not re.fullmatch(r"[\w-]+", run_id) or ".." in path.split("/"):
        raise RunExportError(f"not a run: {clean_value(text)!r}", advice=_ADVICE)
    return MlflowSource(text, "run", run_id=run_id, path=path or None)


def _parse_model(text: str, rest: str) -> MlflowSource:
    if _MODEL_ID.fullmatch(rest):
        return MlflowSource(text, "logged-model", model_id=rest)
    name, slash, version = rest.rpartition("/")
    if slash and version.isdigit() and name:
        return MlflowSource(text, "version", name=name, version=str(int(version)))
    name, at, alias = rest.rpartition("@")
    if at and name and _ALIAS.fullmatch(alias):
        return MlflowSource(text, "alias", name=name, alias=alias)
    if slash:
        raise RunExportError(
            f"{clean_value(text)!r} names a stage or 'latest', not a version",
            advice="name a version (models:/<name>/3) or an alias (models:/<name>@champion)",
        )
    raise RunExportError(f"not a registered model version: {clean_value(text)!r}", advice=_ADVICE)


def _parse_mlflow(text: str, rest: str) -> MlflowSource:
    match = re.fullmatch(
        r"(?:(?P<host>[^/]+)/)??(?:experiments/[^/]+/)?runs/(?P<run>[0-9a-f]{32})(?:/(?P<path>.+))?", rest
    )
    if match is None or ".." in (match["path"] or "").split("/"):
        raise RunExportError(f"not a run: {clean_value(text)!r}", advice=_ADVICE)
    return MlflowSource(text, "run", run_id=match["run"], path=match["path"], host=match["host"])


def tracking_uri_of(source: MlflowSource | None, configured: str | None) -> str | None:
    """Return the tracking URI to ask: the one configured, unless an ``mlflow://`` text names another host.

    A configured URI of the same host keeps its scheme, path and credentials; otherwise https, or http on loopback.
    """
    if (
        source is None
        or source.host is None
        or (configured and urlsplit(configured).netloc.rpartition("@")[2] == source.host)
    ):
        return configured
    name = urlsplit(f"//{source.host}").hostname or ""
    scheme = "http" if is_loopback(name) else "https"
    return f"{scheme}://{source.host}"


def resolve(source: MlflowSource, client: MlflowClient, *, model_name: str | None = None) -> ResolvedSource:
    """Follow ``source`` to the directory of one model.

    ``model_name`` (name or ``m-…`` id) chooses where a run logged several.

    Raises:
        RunExportError: nothing there, several candidates (listed), or a server that says no.
    """
    with translated("resolve", source.text):
        if source.kind == "run":
            return _resolve_run(source, client, model_name)
        if source.kind == "logged-model":
            return _resolve_logged_model(source, client, str(source.model_id))
        return _resolve_version(source, client)


def _resolved(source: MlflowSource, client: MlflowClient, **found: Any) -> ResolvedSource:
    return ResolvedSource(source, client.tracking_uri, client._registry_uri, **found)


def _resolve_logged_model(
    source: MlflowSource, client: MlflowClient, model_id: str, **registered: Any
) -> ResolvedSource:
    return _of_model(source, client, client.get_logged_model(model_id), **registered)


def _of_model(source: MlflowSource, client: MlflowClient, model: Any, **registered: Any) -> ResolvedSource:
    return _resolved(
        source,
        client,
        run_id=model.source_run_id or None,
        model_id=model.model_id,
        model_name=model.name,
        artifact_uri=model.artifact_location,
        **registered,
    )


def _resolve_version(source: MlflowSource, client: MlflowClient) -> ResolvedSource:
    """Follow what MLflow itself follows.

    Where the bytes are is settled when a version is made, and stays right when what it was made from is deleted or
    renamed: ``get_model_version_download_uri``.  Which model it is stands in the chain of sources only.
    """
    if source.alias is not None:
        version = client.get_model_version_by_alias(source.name, source.alias)
    else:
        version = client.get_model_version(source.name, source.version)
    copied_from, origin = _origin(client, version)
    registered: dict[str, Any] = {
        "registered_name": version.name,
        "registered_version": str(version.version),
        "copied_from": copied_from,
    }
    run_id = version.run_id or None
    uri = client.get_model_version_download_uri(version.name, str(version.version))
    if uri.startswith(SCHEMES):
        return _resolved(source, client, run_id=run_id, modelkit_uri=uri, **registered)
    if uri.startswith("runs:/"):  # MLflow keeps such a source as it is, and takes it apart at each load
        inner = _parse_run(uri, uri.removeprefix("runs:/").strip("/"))
        found = _resolve_run(inner, client, None)
        return replace(found, source=source, **registered)
    model_id = _model_id_of(origin, uri)
    if model_id is None:
        name = uri.rstrip("/").rpartition("/")[2]
        return _resolved(source, client, run_id=run_id, model_name=name, artifact_uri=uri, **registered)
    model = or_none(lambda: client.get_logged_model(model_id))
    if model is not None and (origin.startswith("models:/") or model.artifact_location == uri):
        return _of_model(source, client, model, **registered)
    # The model was deleted; its files stay until they are collected.
    return _resolved(source, client, run_id=run_id, model_id=model_id, artifact_uri=uri, **registered)


def _origin(client: MlflowClient, version: Any) -> tuple[tuple[str, ...], str]:
    """Return the versions that this one is a copy of, nearest first, and the source of the last that is there."""
    seen: list[str] = []
    while len(seen) < _MOST_COPIES:
        match = _VERSION_URI.fullmatch(version.source or "")
        if match is None or f"{match['name']}/{match['version']}" in seen:
            break
        seen.append(f"{match['name']}/{match['version']}")
        name, number = match["name"], match["version"]
        before = or_none(lambda name=name, number=number: client.get_model_version(name, number))  # type: ignore[misc]  # mypy sees no type in a default
        if before is None:
            break
        version = before
    return tuple(seen), version.source or ""


def _model_id_of(origin: str, uri: str) -> str | None:
    """Return the id of the logged model: from the source, else from the folder that MLflow keeps its files in."""
    named = origin.removeprefix("models:/")
    if _MODEL_ID.fullmatch(named):
        return named
    folder = _MODEL_FOLDER.search(uri)
    return folder[1] if folder else None


def _resolve_run(source: MlflowSource, client: MlflowClient, model_name: str | None) -> ResolvedSource:
    run = client.get_run(source.run_id)
    # One model may be logged at several steps; the ids are what tells them apart.
    steps = {item.model_id: item.step for item in members(run, "outputs", "model_outputs")}
    models = [model for model in models_of(client, run, steps).values() if model is not None]
    wanted = model_name or source.path
    matching = [model for model in models if wanted in (None, model.name, model.model_id)]
    if len(matching) == 1:
        return _of_model(source, client, matching[0])
    if matching:
        listed = [_as_listed(model, steps.get(model.model_id)) for model in matching]
        raise _several(source, listed)
    legacy = _legacy_models(run.info.artifact_uri, client)
    chosen = _chosen_of(legacy, wanted)
    if len(chosen) == 1:
        uri = f"{run.info.artifact_uri.rstrip('/')}/{chosen[0]}".rstrip("/")
        name = chosen[0].rpartition("/")[2] or None
        others = tuple(path for path in outermost(legacy) if path != chosen[0])
        return _resolved(
            source, client, run_id=run.info.run_id, model_name=name, artifact_uri=uri, sibling_paths=others
        )
    if chosen:
        raise _several(source, [path or "the run's root" for path in chosen])
    names = [*(model.name for model in models), *filter(None, outermost(legacy))]
    if not names and (children := children_of(client, run, most=_MOST_CHILDREN)):
        raise _in_children(source, client, children)
    raise _none(source, wanted, names)


def _as_listed(model: Any, step: int | None) -> str:
    return f"{model.name} (models:/{model.model_id}{'' if step is None else f', step {step}'})"


def _legacy_models(artifact_uri: str, client: MlflowClient) -> list[str]:
    """Return directories below the run's artifacts that hold an ``MLmodel`` (the layout of MLflow 2)."""
    store = ArtifactStore(artifact_uri, tracking_uri=client.tracking_uri)
    return [entry.path.rpartition("/")[0] for entry in store.files() if entry.path.rpartition("/")[2] == "MLmodel"]


def _chosen_of(paths: Sequence[str], wanted: str | None) -> list[str]:
    """Return the one at exactly this path, else the outermost whose last name it is, else any of that name.

    A model may wrap another one: what lies inside of a model is a part of it, unless its path is given.
    """
    if wanted is None:
        return outermost(paths)
    if wanted in paths:
        return [wanted]
    named = [path for path in paths if path.rpartition("/")[2] == wanted]
    return [path for path in outermost(paths) if path in named] or outermost(named)


def outermost(paths: Sequence[str]) -> list[str]:
    """Return the folders that lie in no other of ``paths``."""
    known = set(paths)
    return [path for path in paths if not any(parent in known for parent in _parents(path))]


def _parents(path: str) -> list[str]:
    """Return the folders around one, from the root (``""``) on; the root itself has none."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:count]) for count in range(len(parts))]


def _several(source: MlflowSource, listed: Sequence[str]) -> RunExportError:
    return RunExportError(
        f"{clean_value(source.text)} has {len(listed)} models: " + ", ".join(listed),
        advice="choose one by name (model_name=..., or runs:/<run id>/<name>), or by models:/m-<id>",
    )


def _in_children(source: MlflowSource, client: MlflowClient, children: Sequence[Any]) -> RunExportError:
    """Return what to do about the parent of a search, which has no model of its own."""
    ids = [child.info.run_id for child in children]
    found = search_models(client, sorted({child.info.experiment_id for child in children}), ids[:_MOST_ASKED])
    owners = {model.source_run_id for model in found}
    having = [
        child for child in children if child.info.run_id in owners or listed_models(child) or mlflow_2_paths(child)
    ]
    text = clean_value(source.text)
    if not having:
        return RunExportError(
            f"{text} has no model, and its {len(children)} child runs have none either",
            advice="log one with mlflow.<flavour>.log_model(...) before the run ends",
        )
    keys = ", ".join(sorted({key for child in having for key in child.data.metrics})[:20])
    return RunExportError(
        f"{text} has no model of its own, but {len(having)} of its {len(children)} child runs have",
        advice=f"export the best of them with best='<metric>:max' or best='<metric>:min' (metrics: {keys or 'none'}), "
        f"or one of them, for example runs:/{having[0].info.run_id}",
    )


def _none(source: MlflowSource, wanted: str | None, names: Sequence[str]) -> RunExportError:
    if wanted and names:
        return RunExportError(
            f"{clean_value(source.text)} has no model named {wanted!r}", advice="its models are " + ", ".join(names)
        )
    return RunExportError(
        f"{clean_value(source.text)} has no model",
        advice="log one with mlflow.<flavour>.log_model(...) before the run ends",
    )
