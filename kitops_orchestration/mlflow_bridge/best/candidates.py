"""Which models could be the best one, and the number of each, in few requests: see :mod:`.choice`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.best.choice import BestChoice, BestQuery, Candidate
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.metric_points import read_evidence
from kitops_orchestration.mlflow_bridge.runs.metrics import by_key, metrics_of
from kitops_orchestration.mlflow_bridge.runs.record import MetricRecord
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.run_models import (
    children_of,
    listed_models,
    mlflow_2_paths,
    or_none,
    search_models,
    search_runs,
    side_by_side,
)
from kitops_orchestration.mlflow_bridge.runs.session import quoted
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient

_VERSIONS_A_REQUEST = 1000
_RUNS_OF_A_SEARCH = 50
"""Whose models are asked for in one request."""
_MOST = 10_000
"""Runs or versions that are compared; more are narrowed by a filter."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What could be chosen."""

    candidates: tuple[Candidate, ...] = ()
    not_ready: int = 0
    metrics: Mapping[str, int] = field(default_factory=dict)
    """Metrics that the candidates have, and how many of them."""


def choose_best(
    query: BestQuery, client: MlflowClient, *, require_finished: bool = True, concurrency: int = 4
) -> BestChoice:
    """Ask MLflow for the candidates and return the best of them.

    Raises:
        RunExportError: nothing is there, or no candidate has a number that decides.
    """
    read = read_candidates(query, client, require_finished=require_finished, concurrency=concurrency)
    sign = 1 if query.direction == "min" else -1
    able = [item for item in read.candidates if isinstance(item.value, float) and item.doubt is None]
    if not able:
        raise _nothing_decides(query, read.candidates, read.not_ready, read.metrics)
    able.sort(key=lambda item: (sign * float(item.value or 0.0), item.made))
    rest = [item for item in read.candidates if item not in able]
    return BestChoice(query, able[0], (*able[1:], *rest), read.not_ready)


def _nothing_decides(
    query: BestQuery, candidates: Sequence[Candidate], not_ready: int, metrics: Mapping[str, int]
) -> RunExportError:
    where = clean_value(query.among) + (f" with {clean_value(query.filter)}" if query.filter else "")
    if not candidates:
        more = f"; {not_ready} runs or models have not ended well" if not_ready else ""
        return RunExportError(
            f"{where} has no model to choose from{more}",
            advice="log one with mlflow.<flavour>.log_model(...) in the runs that are compared",
        )
    name = query.metric + (f" on {query.dataset}" if query.dataset else "")
    reasons = sorted({item.doubt for item in candidates if item.doubt})
    known = ", ".join(sorted(metrics, key=lambda key: (-metrics[key], key))[:20])
    return RunExportError(
        f"none of the {len(candidates)} models of {where} can be compared by {name}: {'; '.join(reasons)}",
        advice=f"choose one of the metrics that they have: {known}" if known else "log the metric for each model",
    )


def read_candidates(query: BestQuery, client: MlflowClient, *, require_finished: bool, concurrency: int) -> Candidates:
    """Return every model that the query is about, with its number or the reason why it has none.

    Raises:
        RunExportError: MLflow does not know what is searched, or there are more than ten thousand.
    """
    with translated("search", query.among):
        if query.registered_model is not None:
            return _of_versions(query, query.registered_model, client, require_finished, concurrency)
        if query.experiment is not None:
            runs = _of_experiment(query, query.experiment, client)
        else:
            runs = _of_search(query, client)
    with translated("compare the models of", query.among):
        return _of_runs(query, runs, client, require_finished, concurrency)


def _of_experiment(query: BestQuery, name: str, client: MlflowClient) -> list[Any]:
    experiment = client.get_experiment_by_name(name)
    if experiment is None and name.isdigit():
        experiment = or_none(lambda: client.get_experiment(name))
    if experiment is None:
        raise RunExportError(
            f"there is no experiment {clean_value(name)!r}", advice="check its name and the tracking URI"
        )
    return _bounded(query, search_runs(client, [experiment.experiment_id], query.filter or "", most=_MOST + 1))


def _of_search(query: BestQuery, client: MlflowClient) -> list[Any]:
    """Return a run and the runs that it is the parent of; the filter is about those."""
    source = query.source
    parent = client.get_run(source.run_id if source else None)
    children = children_of(client, parent, most=_MOST + 1, filter_string=query.filter)
    has_ended = parent.info.status == "FINISHED" or bool(listed_models(parent))
    return _bounded(query, [*([parent] if has_ended and not query.filter else []), *children])


def _bounded(query: BestQuery, found: list[Any]) -> list[Any]:
    if len(found) > _MOST:
        raise RunExportError(
            f"{clean_value(query.among)} has more than {_MOST} to compare", advice="narrow them with a filter"
        )
    return found


def _of_runs(
    query: BestQuery, runs: Sequence[Any], client: MlflowClient, require_finished: bool, concurrency: int
) -> Candidates:
    ended = [run for run in runs if run.info.status == "FINISHED" or not require_finished]
    models: dict[str, list[Any]] = defaultdict(list)
    batches = [ended[start : start + _RUNS_OF_A_SEARCH] for start in range(0, len(ended), _RUNS_OF_A_SEARCH)]

    def search(batch: Sequence[Any]) -> list[Any]:
        experiments = sorted({run.info.experiment_id for run in batch})
        return search_models(client, experiments, [run.info.run_id for run in batch])

    for found in side_by_side(search, batches, concurrency):
        for model in found:
            models[model.source_run_id].append(model)

    def judge(run: Any) -> Candidates:
        return _of_run(query, run, models[run.info.run_id], client, require_finished)

    read = side_by_side(judge, ended, concurrency)
    counts: Counter[str] = Counter()
    for item in read:
        counts.update(item.metrics)
    return Candidates(
        tuple(candidate for item in read for candidate in item.candidates),
        len(runs) - len(ended) + sum(item.not_ready for item in read),
        counts,
    )


def _of_run(
    query: BestQuery, run: Any, models: Sequence[Any], client: MlflowClient, require_finished: bool
) -> Candidates:
    """Return the models of one run: each logged model, or what MLflow 2 keeps among the artifacts."""
    known = {model.model_id: model for model in models}
    for model_id, step in listed_models(run).items():
        # A server that does not search by run, or a model that another run is the source of.
        if step is not None and model_id not in known:
            model = or_none(lambda model_id=model_id: client.get_logged_model(model_id))  # type: ignore[misc]  # mypy sees no type in a default
            if model is not None:
                known[model_id] = model
    paths = [] if known else mlflow_2_paths(run)
    keys = dict.fromkeys(run.data.metrics, 1)
    if not known:
        found = [
            _candidate(query, client, run, None, models, f"runs:/{run.info.run_id}/{path}", len(paths) - 1)
            for path in paths
        ]
        return Candidates(tuple(found), 0, keys if paths else {})
    ready = [model for model in known.values() if str(model.status) == "READY" or not require_finished]
    found = [_candidate(query, client, run, model, models, f"models:/{model.model_id}") for model in ready]
    return Candidates(tuple(found), len(known) - len(ready), keys)


def _candidate(
    query: BestQuery,
    client: MlflowClient,
    run: Any,
    model: Any,
    models: Sequence[Any] | None,
    source: str,
    more: int = 0,
) -> Candidate:
    """Return one model with its number, asked for as an export would, of this metric alone."""
    evidence = read_evidence(client, run, model, unlisted_models=more, concurrency=1, key=query.metric, models=models)
    made = int(model.creation_timestamp if model is not None else run.info.start_time or 0)
    candidate = Candidate(
        source,
        run_id=run.info.run_id if run is not None else None,
        run_name=run.info.run_name if run is not None else None,
        made=(made, source),
    )
    number = _number(query, metrics_of(evidence))
    if number is None:
        has_other = any(item.key == query.metric for item in metrics_of(evidence))
        what = f"no {query.metric} on {query.dataset}" if has_other and query.dataset else f"no {query.metric}"
        return replace(candidate, doubt=what)
    doubt = number.doubt
    if doubt is None and not isinstance(number.last, float):
        doubt = f"{query.metric} is {number.last}"
    return replace(candidate, value=number.last, step=number.step, doubt=doubt)


def _number(query: BestQuery, metrics: Sequence[MetricRecord]) -> MetricRecord | None:
    if query.dataset is None:
        return by_key(metrics).get(query.metric)
    name, _, digest = query.dataset.partition("@")
    fitting = [
        item
        for item in metrics
        if item.key == query.metric and item.dataset == name and digest in ("", item.dataset_digest)
    ]
    return by_key(fitting).get(query.metric) if fitting else None


def _of_versions(
    query: BestQuery, name: str, client: MlflowClient, require_finished: bool, concurrency: int
) -> Candidates:
    wanted = f"name={quoted(name)}" + (f" AND {query.filter}" if query.filter else "")
    versions: list[Any] = []
    token: str | None = None
    while len(versions) <= _MOST:
        page = client.search_model_versions(wanted, max_results=_VERSIONS_A_REQUEST, page_token=token)
        versions += page
        token = page.token
        if not token:
            break
    if not versions and or_none(lambda: client.get_registered_model(name)) is None:
        raise RunExportError(
            f"there is no registered model {clean_value(name)!r}", advice="check its name and the registry"
        )
    run_ids = sorted({version.run_id for version in _bounded(query, versions) if version.run_id})
    read = side_by_side(lambda run_id: or_none(lambda: client.get_run(run_id)), run_ids, concurrency)
    runs = dict(zip(run_ids, read, strict=True))

    def judge(version: Any) -> Candidate | None:
        return _of_version(query, version, runs, client, require_finished)

    found = side_by_side(judge, versions, concurrency)
    ready = tuple(item for item in found if item is not None)
    keys = Counter(key for run in runs.values() if run is not None for key in run.data.metrics)
    return Candidates(ready, len(found) - len(ready), keys)


def _of_version(
    query: BestQuery, version: Any, runs: Mapping[str, Any], client: MlflowClient, require_finished: bool
) -> Candidate | None:
    """Return one version with its number; ``None`` for one that is not ready."""
    source = f"models:/{version.name}/{version.version}"
    made = (int(version.creation_timestamp or 0), source)
    resolved = resolve(parse_source(source), client)
    if resolved.modelkit_uri is not None:
        return Candidate(source, doubt="it is a ModelKit by reference, of which MLflow has no numbers", made=made)
    run_id = resolved.run_id
    run = (runs[run_id] if run_id in runs else or_none(lambda: client.get_run(run_id))) if run_id else None
    model = or_none(lambda: client.get_logged_model(resolved.model_id)) if resolved.model_id else None
    is_ended = run is None or run.info.status == "FINISHED"
    if require_finished and not (is_ended and str(version.status) == "READY"):
        return None
    if run is None and model is None:
        return Candidate(source, doubt="neither its run nor its model is there any more", made=made)
    more = len(mlflow_2_paths(run)) - 1 if model is None and run is not None else 0
    return replace(_candidate(query, client, run, model, None, source, max(more, 0)), made=made)
