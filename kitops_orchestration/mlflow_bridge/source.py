"""What to export: reading the user's text, and finding the logged model behind it.

MLflow 3 keeps a model outside the run that logged it, so the way is always run -> ``model_outputs`` ->
logged model -> ``artifact_location``.  MLflow 2 kept it among the run's artifacts, and such runs still exist.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.artifacts import ArtifactStore
from kitops_orchestration.mlflow_bridge.modelkit_uri import SCHEMES
from kitops_orchestration.mlflow_bridge.session import translated
from kitops_orchestration.oci.transport_url import is_loopback

if TYPE_CHECKING:
    from mlflow import MlflowClient

SourceKind = Literal["run", "logged-model", "version", "alias"]

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_ALIAS = re.compile(r"[\w-]{1,255}")
_ADVICE = (
    "write runs:/<run id>[/<model name>], models:/<name>/<version>, models:/<name>@<alias>, models:/m-<id>, "
    "mlflow://[host/]runs/<run id>, or a run id"
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
    raise RunExportError(f"not an MLflow source: {text!r}", advice=_ADVICE)


def _parse_run(text: str, rest: str) -> MlflowSource:
    run_id, _, path = rest.partition("/")
    if not run_id or not re.fullmatch(r"[\w-]+", run_id) or ".." in path.split("/"):
        raise RunExportError(f"not a run: {text!r}", advice=_ADVICE)
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
            f"{text!r} names a stage or 'latest', not a version",
            advice="name a version (models:/<name>/3) or an alias (models:/<name>@champion)",
        )
    raise RunExportError(f"not a registered model version: {text!r}", advice=_ADVICE)


def _parse_mlflow(text: str, rest: str) -> MlflowSource:
    match = re.fullmatch(
        r"(?:(?P<host>[^/]+)/)??(?:experiments/[^/]+/)?runs/(?P<run>[0-9a-f]{32})(?:/(?P<path>.+))?", rest
    )
    if match is None or ".." in (match["path"] or "").split("/"):
        raise RunExportError(f"not a run: {text!r}", advice=_ADVICE)
    return MlflowSource(text, "run", run_id=match["run"], path=match["path"], host=match["host"])


def tracking_uri_of(source: MlflowSource, configured: str | None) -> str | None:
    """Return the tracking URI to ask: the one configured, unless an ``mlflow://`` text names another host.

    A configured URI of the same host keeps its scheme, path and credentials; otherwise https, or http on loopback.
    """
    if source.host is None or (configured and urlsplit(configured).netloc.rpartition("@")[2] == source.host):
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
    source: MlflowSource, client: MlflowClient, model_id: str, **registered: str | None
) -> ResolvedSource:
    model = client.get_logged_model(model_id)
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
    if source.alias is not None:
        version = client.get_model_version_by_alias(source.name, source.alias)
    else:
        version = client.get_model_version(source.name, source.version)
    registered = {"registered_name": version.name, "registered_version": str(version.version)}
    origin = version.source or ""
    if origin.startswith(SCHEMES):
        return _resolved(source, client, run_id=version.run_id or None, modelkit_uri=origin, **registered)
    model_id = origin.removeprefix("models:/")
    if _MODEL_ID.fullmatch(model_id):
        return _resolve_logged_model(source, client, model_id, **registered)
    uri = client.get_model_version_download_uri(version.name, str(version.version))
    name = uri.rstrip("/").rpartition("/")[2]
    return _resolved(source, client, run_id=version.run_id or None, model_name=name, artifact_uri=uri, **registered)


def _resolve_run(source: MlflowSource, client: MlflowClient, model_name: str | None) -> ResolvedSource:
    run = client.get_run(source.run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    # One model may be logged at several steps; the ids are what tells them apart.
    steps = {output.model_id: output.step for output in outputs}
    models = [client.get_logged_model(model_id) for model_id in steps]
    wanted = model_name or source.path
    matching = [model for model in models if wanted in (None, model.name, model.model_id)]
    if len(matching) == 1:
        return _resolve_logged_model(source, client, matching[0].model_id)
    if matching:
        listed = [f"{model.name} (models:/{model.model_id}, step {steps[model.model_id]})" for model in matching]
        raise _several(source, listed)
    legacy = _legacy_models(run.info.artifact_uri, client, wanted)
    if len(legacy) == 1:
        uri = f"{run.info.artifact_uri.rstrip('/')}/{legacy[0]}".rstrip("/")
        name = legacy[0].rpartition("/")[2] or None
        return _resolved(source, client, run_id=run.info.run_id, model_name=name, artifact_uri=uri)
    if legacy:
        raise _several(source, [path or "the run's root" for path in legacy])
    raise _none(source, wanted, [model.name for model in models])


def _legacy_models(artifact_uri: str, client: MlflowClient, wanted: str | None) -> list[str]:
    """Return directories below the run's artifacts that hold an ``MLmodel`` (the layout of MLflow 2)."""
    store = ArtifactStore(artifact_uri, tracking_uri=client.tracking_uri)
    found = [entry.path.rpartition("/")[0] for entry in store.files() if entry.path.rpartition("/")[2] == "MLmodel"]
    return [path for path in found if wanted in (None, path, path.rpartition("/")[2])]


def _several(source: MlflowSource, listed: Sequence[str]) -> RunExportError:
    return RunExportError(
        f"{source.text} has {len(listed)} models: " + ", ".join(listed),
        advice="choose one by name (model_name=..., or runs:/<run id>/<name>), or by models:/m-<id>",
    )


def _none(source: MlflowSource, wanted: str | None, names: Sequence[str]) -> RunExportError:
    if wanted and names:
        return RunExportError(
            f"{source.text} has no model named {wanted!r}", advice="its models are " + ", ".join(names)
        )
    return RunExportError(
        f"{source.text} has no model", advice="log one with mlflow.<flavour>.log_model(...) before the run ends"
    )
