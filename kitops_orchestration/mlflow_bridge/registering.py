"""Putting a model directory into MLflow: a logged model, a registered model, a version; none of them by halves."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.mlflow_bridge.runs.session import also_by_default, quoted
from kitops_orchestration.modelkit.inspect import ModelKit

if TYPE_CHECKING:
    from mlflow import MlflowClient


def upload_model(
    client: MlflowClient,
    model_dir: Path,
    experiment_id: str,
    *,
    name: str,
    run_id: str | None,
    step: int = 0,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    model_type: str | None,
) -> str:
    """Create a logged model, upload its files, link it to the run, and return its id; a failure leaves none."""
    model = client.create_logged_model(
        experiment_id,
        name=name,
        source_run_id=run_id,
        tags=dict(tags),
        params=dict(params),
        model_type=model_type,
    )
    try:
        client.log_model_artifacts(model.model_id, str(model_dir))
    except Exception:  # of MLflow or of its store; it goes on below
        # A model whose files are not all there must not look ready.
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    if run_id is not None:
        _link(client, run_id, model.model_id, step)
    return str(model.model_id)


def version_of_model(
    client: MlflowClient,
    name: str,
    model_id: str,
    run_id: str | None,
    *,
    tags: Mapping[str, str],
    description: str | None,
) -> tuple[str, bool]:
    """Return the version that has the logged model, and whether it was made now; a failure leaves no empty model."""
    source = f"models:/{model_id}"
    is_new = create_registered(client, name)
    try:
        with also_by_default(client):
            found = version_with(client, name, source)
            version = found or client.create_model_version(
                name, source, run_id=run_id, tags=dict(tags), description=description, model_id=model_id
            )
    except Exception:  # of MLflow or of its store; it goes on below
        if is_new:
            with suppress(Exception):
                delete_empty(client, name)
        raise
    return str(version.version), found is None


def version_with(client: MlflowClient, name: str, source: str) -> Any:
    """Return the version of a registered model that has this source, or ``None``."""
    versions = client.search_model_versions(f"name={quoted(name)}")
    return next((item for item in versions if item.source == source), None)


def create_registered(client: MlflowClient, name: str, **facts: Any) -> bool:
    """Make sure that the registered model is there; tell whether it was made now, with ``description`` and ``tags``."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, **facts)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def delete_empty(client: MlflowClient, name: str) -> None:
    """Delete a registered model, unless somebody has registered a version of it by now."""
    if not client.search_model_versions(f"name={quoted(name)}", max_results=1):
        client.delete_registered_model(name)


def experiment_named(client: MlflowClient, name: str) -> tuple[str, bool]:
    """Return the id of an experiment, made where there is none, and whether it was made now."""
    found = client.get_experiment_by_name(name)
    return (str(found.experiment_id), False) if found is not None else (str(client.create_experiment(name)), True)


def take_back_experiment(client: MlflowClient, experiment_id: str) -> None:
    """Delete an experiment and set its name free, unless somebody has put something into it by now.

    MLflow keeps a deleted experiment, and its name with it, until it is collected.
    """
    if client.search_runs([experiment_id], max_results=1) or client.search_logged_models([experiment_id]):
        return
    client.rename_experiment(experiment_id, f"taken back by kitops {uuid.uuid4().hex}")
    client.delete_experiment(experiment_id)


def model_name(kit: ModelKit, registered_model: str | None) -> str:
    """Return a name that MLflow takes for the logged model of a ModelKit."""
    kitfile = kit.kitfile
    name = (kitfile.model.name if kitfile.model else "") or kitfile.package.name or registered_model or "model"
    return without_refused(name)


def without_refused(name: str) -> str:
    """Return a name without the letters that MLflow refuses in that of a logged model."""
    return "".join("-" if letter in "/:.%\"'" else letter for letter in name)


def _link(client: MlflowClient, run_id: str, model_id: str, step: int) -> None:
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(model_id, step)])
