"""Under which registered model people know a model that was named by its run or its own id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.session import connect
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource

if TYPE_CHECKING:
    from mlflow import MlflowClient


_PAGE = 100


def with_registration(resolved: ResolvedSource, client: MlflowClient) -> ResolvedSource:
    """Return the source with the registered version that the model became; as it is where it became none.

    Of several versions the first that was made counts, whatever its model is called: what is registered later must not
    give the same run another name, and with it another digest.
    """
    if resolved.registered_name is not None or resolved.run_id is None or resolved.artifact_uri is None:
        return resolved
    same = {resolved.artifact_uri.rstrip("/"), *([f"models:/{resolved.model_id}"] if resolved.model_id else [])}
    try:
        with translated("search the versions of", resolved.source.text):
            found = client.search_model_versions(f"run_id='{resolved.run_id}'")
    except RunExportError as error:
        if error.transient:
            raise  # asked again later it would give another name
        return resolved  # no registry of models, or none that this user may see
    matching = [version for version in found if (version.source or "").rstrip("/") in same]
    if not matching:
        return resolved
    first = min(matching, key=_order)
    return replace(resolved, registered_name=first.name, registered_version=str(first.version))


def registered_models(tracking_uri: str | None = None, *, alias: str | None = None) -> list[str]:
    """Return the names of the registered models, sorted; with ``alias`` of those that have it.

    Raises:
        RunExportError: MLflow does not answer, or keeps them from this user.
        MissingExtraError: MLflow is not installed.
    """
    client, names, token = connect(tracking_uri), [], None
    while True:
        with translated("list the registered models of", tracking_uri or "the configured tracking server"):
            page: Any = client.search_registered_models(max_results=_PAGE, page_token=token)
        names += [model.name for model in page if alias is None or alias in model.aliases]
        token = page.token
        if not token:
            return sorted(names)


def _order(version: Any) -> tuple[int, str, int]:
    return int(version.creation_timestamp or 0), version.name, int(version.version)
