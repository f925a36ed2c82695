"""A model card from a run record, for models that nobody described. Sections follow Mitchell et al. 2019."""

from __future__ import annotations

from collections.abc import Iterable

from kitops_orchestration.mlflow_bridge.runs.record import MetricRecord, RunRecord

CARD_NAMES = ("readme.md", "model_card.md", "modelcard.md")
"""Files that are a card; one at the root of the model keeps us from writing another."""
_MAX_ROWS = 100


def model_card(record: RunRecord, *, name: str) -> str:
    """Return Markdown: only what the record says, and plainly what it does not say."""
    parts = [f"# {name}", *_about(record), *_details(record)]
    parts += _table("Parameters", ("parameter", "value"), record.params.items())
    parts += _metrics(record)
    parts += _data(record)
    parts += [
        "## Limits",
        "Written from the tracking server's record. Intended use, limits and risks were not recorded.",
    ]
    return "\n\n".join(parts) + "\n"


def _about(record: RunRecord) -> list[str]:
    text = record.registered.get("description") or record.run.get("description")
    return [str(text)] if text else []


def _details(record: RunRecord) -> list[str]:
    model = record.model
    facts = {
        "framework": model.framework,
        "serialization": model.serialization_format,
        "model id": model.model_id,
        "registered as": " ".join(filter(None, (record.registered.get("name"), record.registered.get("version")))),
        "run": record.uri,
        "trained by": record.run.get("user"),
        "git commit": record.git_commit,
        "Python": model.python_version,
        "MLflow": model.mlflow_version,
    }
    return _table("Details", ("", ""), ((key, str(value)) for key, value in facts.items() if value))


def _metrics(record: RunRecord) -> list[str]:
    """Return the model's numbers; one that may be another model's says so, and why."""
    rows = [(key, _value(metric), metric.doubt or "") for key, metric in record.metrics.items()]
    rows += [
        (f"{item.key} on {item.dataset}", _value(item), item.doubt or "")
        for item in record.model.metrics
        if item.dataset is not None and record.metrics.get(item.key) != item
    ]
    if any(doubt for *_, doubt in rows):
        return _table("Metrics", ("metric", "last value", "not certain, because"), rows)
    return _table("Metrics", ("metric", "last value"), (row[:2] for row in rows))


def _value(metric: MetricRecord) -> str:
    return f"{metric.text} on {metric.dataset}" if metric.dataset else metric.text


def _data(record: RunRecord) -> list[str]:
    if not record.inputs:
        return ["## Data", "The run recorded no dataset."]
    rows = (
        (item.name, item.context or "", item.uri or item.source_type, item.sha256 or "not readable")
        for item in record.inputs
    )
    return _table("Data", ("dataset", "context", "source", "sha256"), rows)


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    if not cells:
        return []
    rest = [f"\n…and {len(cells) - _MAX_ROWS} more in mlflow/run.json"] if len(cells) > _MAX_ROWS else []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *cells[:_MAX_ROWS], *rest]
    return [f"## {title}", "\n".join(lines)]


def _cell(text: str) -> str:
    """Keep a value inside its cell: MLflow's params and tags are free text."""
    clean = " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
    return clean if len(clean) <= 200 else clean[:199] + "…"
