"""The models of a run: those that it names, and those that name it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from kitops_orchestration.mlflow_bridge.runs.tracking_server import ContextPool

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NO_SUCH_SEARCH = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "NOT_IMPLEMENTED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED"}
)
_RUNS_A_REQUEST = 1000
PARENT_TAG = "mlflow.parentRunId"
MLFLOW_2_MODELS_TAG = "mlflow.log-model.history"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def listed_models(run: Any) -> dict[str, int | None]:
    """Return the ids of all models that a run names, and the step of those that it put out."""
    steps: dict[str, int | None] = {item.model_id: None for item in members(run, "inputs", "model_inputs")}
    return {**steps, **{item.model_id: item.step for item in members(run, "outputs", "model_outputs")}}


def models_of(
    client: MlflowClient,
    run: Any,
    listed: Iterable[str],
    concurrency: int = 4,
    *,
    found_before: Iterable[Any] | None = None,
) -> dict[str, Any]:
    """Return MLflow's models by id: ``listed``, then those whose source is the run; ``None`` for a deleted one.

    The client's ``create_logged_model`` alone does not tell the run of it; one search finds them all, points included.
    ``found_before`` is what :func:`search_models` found of the run, together with others.
    """
    if run is None:
        return {}
    if found_before is None:
        found_before = search_models(client, [run.info.experiment_id], [run.info.run_id])
    found = {model.model_id: model for model in found_before}
    missing = [model_id for model_id in listed if model_id not in found]

    def ask(model_id: str) -> Any:
        return or_none(lambda: client.get_logged_model(model_id))

    found.update(zip(missing, side_by_side(ask, missing, concurrency), strict=True))
    return {model_id: found[model_id] for model_id in dict.fromkeys((*listed, *found))}


def mlflow_2_paths(run: Any) -> list[str]:
    """Return where a run keeps models among its artifacts, as MLflow 2 did and noted in a tag."""
    try:
        noted = json.loads(run.data.tags.get(MLFLOW_2_MODELS_TAG) or "[]")
        return sorted({str(item["artifact_path"]).strip("/") for item in noted})
    except (ValueError, TypeError, KeyError):
        return []


def members(run: Any, group: str, member: str) -> list[Any]:
    """Return a list inside a run, which MLflow leaves out, or sets to ``None``, where it is empty."""
    return list(getattr(getattr(run, group, None), member, None) or [])


def side_by_side(call: Callable[[_Item], _Result], items: Sequence[_Item], concurrency: int) -> list[_Result]:
    """Return the results in the order of the items; several calls wait for the server at a time."""
    if len(items) < 2:
        return [call(item) for item in items]
    with ContextPool(max_workers=concurrency, thread_name_prefix="kitops-mlflow") as pool:
        return list(pool.map(call, items))


def or_none(call: Callable[[], _Result]) -> _Result | None:
    """Return what MLflow answers, or ``None`` where it says that there is no such thing (any more)."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        # The first releases of MLflow 3 put what they say of a prompt into an error without the code of its cause.
        codes = {error.error_code, getattr(error.__cause__, "error_code", None)}
        if codes & {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}:
            return None
        raise


def no_such_call(call: Callable[[], _Result]) -> _Result | None:
    """Return what MLflow answers, or ``None`` from a server that does not know the question."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if error.error_code not in _NO_SUCH_SEARCH:
            raise
        return None


def search_models(client: MlflowClient, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> list[Any]:
    """Return the models whose source is one of the runs; nothing from a server that cannot be asked for them."""
    # Databricks does not filter by run: what the run lists is asked for one by one.
    return no_such_call(lambda: _search_pages(client, experiment_ids, run_ids)) or []


def _search_pages(client: MlflowClient, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> list[Any]:
    quoted = ", ".join(f"'{run_id}'" for run_id in run_ids)
    wanted = f"source_run_id={quoted}" if len(run_ids) == 1 else f"source_run_id IN ({quoted})"
    found: list[Any] = []
    token: str | None = None
    while True:
        page = client.search_logged_models(list(experiment_ids), filter_string=wanted, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def children_of(client: MlflowClient, run: Any, *, most: int, filter_string: str | None = None) -> list[Any]:
    """Return the runs that name this one as their parent, first started first; at most ``most``."""
    wanted = f"tags.`{PARENT_TAG}` = '{run.info.run_id}'" + (f" AND {filter_string}" if filter_string else "")
    return search_runs(client, [run.info.experiment_id], wanted, most=most)


def search_runs(client: MlflowClient, experiment_ids: Sequence[str], wanted: str, *, most: int) -> list[Any]:
    """Return the active runs that a filter finds, first started first; at most ``most``."""
    found: list[Any] = []
    token: str | None = None
    while len(found) < most:
        page = client.search_runs(
            list(experiment_ids),
            filter_string=wanted,
            max_results=min(_RUNS_A_REQUEST, most - len(found)),
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    return found
