"""What MLflow keeps beside a model and its run: child runs, traces, tables, prompts, and the state of the registry.

All of it is bounded and cleaned as the rest of the record is.  What moves on its own after a training (aliases, the
description and tags of a registered model) is no part of the record: it is told as of the moment, in the provenance.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from statistics import median
from typing import TYPE_CHECKING, Any

from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.plain_values import plain
from kitops_orchestration.mlflow_bridge.runs.record import encode_number
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_content, clean_value, redact
from kitops_orchestration.mlflow_bridge.runs.run_models import children_of, members, no_such_call, or_none
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource

if TYPE_CHECKING:
    from mlflow import MlflowClient

MOST_CHILDREN = 10_000
"""Child runs that are told; a search with more says so."""
_MOST_TRACES = 5_000
_TRACES_A_REQUEST = 500
_TOKENS = "mlflow.trace.tokenUsage"
_PROMPTS_TAG = "mlflow.linkedPrompts"
_TABLES_TAG = "mlflow.loggedArtifacts"
_INTERNAL_TAGS = ("mlflow.prompt.", "_mlflow_prompt", "PromptVersionRunIds", "PromptExperimentIds")
PROMPT_FORM = ("template", "commitMessage", "tags", "responseFormat", "modelConfig")
"""What a version of a prompt says: two that agree in it are the same."""
REGISTRY_PARAMETER = "mlflow.registry"
"""Where the provenance tells the state of the registry as of the export."""


def child_runs(client: MlflowClient, run: Any, patterns: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Return one row for each run that a search started below this one: ``id, name, status, params, metrics, models``.

    Metrics are the runs' own last values.
    """
    if run is None:
        return ()
    found = children_of(client, run, most=MOST_CHILDREN)
    return tuple(_child(child, patterns) for child in found)


def _child(child: Any, patterns: Sequence[str]) -> dict[str, Any]:
    value = {
        "id": child.info.run_id,
        "name": clean_value(child.info.run_name or ""),
        "status": child.info.status,
        "params": redact(child.data.params, patterns=patterns)[0],
        "metrics": {key: encode_number(last) for key, last in sorted(child.data.metrics.items())},
        "models": sorted(item.model_id for item in members(child, "outputs", "model_outputs")),
    }
    return {key: item for key, item in value.items() if item}


def trace_summary(client: MlflowClient, model: Any, run: Any) -> dict[str, Any]:
    """Return counts, times (milliseconds), tokens and assessments of the model's traces, and none of their content.

    Only those that began before the run's end count: a model in use gets more every day, and its record stays the same.
    """
    if model is None or run is None or run.info.end_time is None:
        return {}
    # MLflow takes either its own model_id= or a filter.
    wanted = f"request_metadata.`mlflow.modelId` = '{model.model_id}' AND timestamp_ms <= {int(run.info.end_time)}"
    # The first releases of MLflow 3 know the older word alone, which later ones warn of.
    word = "locations" if "locations" in signature(client.search_traces).parameters else "experiment_ids"
    place: dict[str, Any] = {word: [str(model.experiment_id)]}
    found: list[Any] = []
    token: str | None = None
    while len(found) < _MOST_TRACES:
        page = no_such_call(
            lambda token=token: client.search_traces(  # type: ignore[misc]  # mypy sees no type in a default
                **place,
                filter_string=wanted,
                include_spans=False,
                max_results=_TRACES_A_REQUEST,
                order_by=["timestamp_ms ASC"],
                page_token=token,
            )
        )
        if page is None:
            return {}
        found += page
        token = page.token
        if not token:
            break
    return _summary([trace.info for trace in found], has_more=bool(token))


def _summary(infos: Sequence[Any], *, has_more: bool) -> dict[str, Any]:
    if not infos:
        return {}
    times = [info.execution_duration for info in infos if info.execution_duration is not None]
    tokens: Counter[str] = Counter()
    for info in infos:
        tokens.update(_tokens(info.trace_metadata.get(_TOKENS)))
    value = {
        "count": len(infos),
        "hasMore": has_more or None,
        "states": dict(sorted(Counter(str(info.state.value) for info in infos).items())),
        "milliseconds": {"min": min(times), "median": median(times), "max": max(times)} if times else None,
        "tokens": dict(sorted(tokens.items())),
        "assessments": _assessments(item for info in infos for item in info.assessments or ()),
    }
    return {key: item for key, item in value.items() if item}


def _tokens(text: str | None) -> dict[str, int]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(key): item for key, item in value.items() if isinstance(item, int)} if isinstance(value, dict) else {}


def _assessments(items: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Return how often each was given, and the mean of numbers and yes or no."""
    counts: Counter[str] = Counter()
    values: dict[str, list[float]] = defaultdict(list)
    for item in items:
        name = clean_value(str(item.name))
        counts[name] += 1
        given = getattr(item, "value", None)
        if isinstance(given, bool | int | float) or given in ("yes", "no"):
            values[name].append(float(given == "yes" if isinstance(given, str) else given))
    return {
        name: {"count": count, **({"mean": sum(values[name]) / len(values[name])} if values[name] else {})}
        for name, count in sorted(counts.items())
    }


def logged_tables(tags: Mapping[str, str]) -> list[str]:
    """Return the paths of the run's artifacts that ``log_table`` and evaluations wrote, as its tag lists them."""
    try:
        noted = json.loads(tags.get(_TABLES_TAG) or "[]")
        paths = {str(item["path"]) for item in noted if item.get("type") == "table"}
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return sorted(path for path in paths if path and not path.startswith("/") and ".." not in path.split("/"))


def linked_prompts(
    client: MlflowClient, run_id: str | None, names: Iterable[str] = (), model_tags: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the prompts that the run or the model used, or that ``names`` (``prompts:/name/version``) list, with text.

    Their aliases are not among it: see :func:`registry_state`.
    """
    wanted = [tuple(name.removeprefix("prompts:/").rsplit("/", 1)) for name in names]
    wanted += _linked(model_tags or {})
    with translated("read the prompts of", run_id or "the model"):
        if run_id is not None:
            wanted += _linked(client.get_run(run_id).data.tags)
        found = [client.get_prompt_version(*pair) for pair in sorted(set(wanted)) if len(pair) == 2]
    return [packed_prompt(prompt) for prompt in found if prompt is not None]


def _linked(tags: Mapping[str, str]) -> list[tuple[str, ...]]:
    try:
        return [(str(item["name"]), str(item["version"])) for item in json.loads(tags.get(_PROMPTS_TAG) or "[]")]
    except (ValueError, TypeError, KeyError):
        return []


def packed_prompt(prompt: Any) -> dict[str, Any]:
    """Return a version of a prompt as it is packed: text or messages and what belongs to them, without its aliases."""
    tags = {key: str(item) for key, item in (prompt.tags or {}).items() if not key.startswith(_INTERNAL_TAGS)}
    value = {
        "name": prompt.name,
        "version": str(prompt.version),
        "uri": f"prompts:/{prompt.name}/{prompt.version}",
        "template": _without_secrets(plain(prompt.template)),
        "commitMessage": clean_value(prompt.commit_message or ""),
        "tags": redact(tags)[0],
        "responseFormat": plain(getattr(prompt, "response_format", None)),
        "modelConfig": plain(getattr(prompt, "model_config", None)),
    }
    return {key: item for key, item in value.items() if item not in (None, "", {})}


def _without_secrets(value: Any) -> Any:
    """Take what surely is a secret out of a template; the rest of it is the prompt, word for word."""
    if isinstance(value, str):
        return clean_content(value)
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return {key: _without_secrets(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def registry_state(
    client: MlflowClient, resolved: ResolvedSource, prompts: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return aliases of the registered version and of the prompts, and the registered model's own texts, as of now."""
    value: dict[str, Any] = {}
    if resolved.registered_name is not None and resolved.registered_version is not None:
        name, version = resolved.registered_name, resolved.registered_version
        with translated("read the registered model", name):
            model = or_none(lambda: client.get_registered_model(name))
        if model is not None:
            aliases = sorted(str(alias) for alias, number in dict(model.aliases).items() if str(number) == version)
            facts = {
                "name": name,
                "version": version,
                "aliases": aliases,
                "description": clean_value(model.description or ""),
                "tags": redact(_own_tags(model.tags or {}))[0],
            }
            value["model"] = {key: item for key, item in facts.items() if item}
    named = {}
    for prompt in prompts:
        with translated("read the prompt", str(prompt["uri"])):
            found = client.get_prompt_version(prompt["name"], prompt["version"])
        if found is not None and found.aliases:
            named[str(prompt["uri"])] = sorted(map(str, found.aliases))
    return {**value, "promptAliases": named} if named else value


def _own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(("kitops.", "mlflow."))}
