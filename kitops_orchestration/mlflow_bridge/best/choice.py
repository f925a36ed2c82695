"""``best:`` as a source: of an experiment, a registered model or a search, the model whose number is best.

The number of each candidate is the one that an export would write of it, by the rules of
:mod:`kitops_orchestration.mlflow_bridge.runs.metrics`.  MLflow's own search is not asked to compare: its filter on a
metric matches any point of a model, not the last.  A number in doubt, NaN and infinity decide nothing; the answer says
which candidates took no part, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.record import Number
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.source import MlflowSource, parse_source

if TYPE_CHECKING:
    pass

Direction = Literal["min", "max"]

_LOWER_IS_BETTER = ("loss", "error", "err", "rmse", "mse", "mae", "mape", "wer", "cer", "perplexity", "latency")
"""Parts of names where nobody means the greatest; without a direction these are not guessed at."""
_MOST_LISTED = 100
BEST_PARAMETER = "mlflow.best"
"""Where the provenance says what was chosen among what."""
_ADVICE = (
    "write best:experiments:/<name>?metric=<name>:max, best:models:/<name>?…, best:runs:/<run id>?…, and filter=… "
    "with MLflow's own search text; or give the part before the question mark, with best='<metric>:max'"
)


@dataclass(frozen=True, slots=True)
class BestQuery:
    """What is searched, and by which number."""

    among: str
    """``experiments:/<name or id>``, ``models:/<registered model>`` or a run, whose child runs are meant as well."""
    metric: str
    direction: Direction
    dataset: str | None = None
    """Name of the dataset that the metric was measured on, or ``<name>@<MLflow's digest>``."""
    filter: str | None = None
    """MLflow's search text: over runs, or over versions of a registered model."""

    @property
    def source(self) -> MlflowSource | None:
        """The run that is searched, ``None`` for an experiment or a registered model."""
        return None if self.experiment is not None or self.registered_model is not None else parse_source(self.among)

    @property
    def experiment(self) -> str | None:
        """Name or id of the experiment."""
        return self.among.removeprefix("experiments:/") if self.among.startswith("experiments:/") else None

    @property
    def registered_model(self) -> str | None:
        """Name of the registered model."""
        return self.among.removeprefix("models:/") if self.among.startswith("models:/") else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could be the best one."""

    source: str
    """What :func:`parse_source` reads: ``models:/m-…``, ``models:/<name>/<version>`` or ``runs:/<id>/<path>``."""
    value: Number | None = None
    """Its number as the record has it; ``None`` where it has none."""
    step: int | None = None
    doubt: str | None = None
    """Why it takes no part."""
    run_id: str | None = None
    run_name: str | None = None
    made: tuple[int, str] = (0, "")
    """When it was made, and its id: of two equal numbers the first that was made is taken."""

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known."""
        value = {
            "source": self.source,
            "value": self.value,
            "step": self.step,
            "leftOut": self.doubt,
            "runId": self.run_id,
            "runName": clean_value(self.run_name) if self.run_name else None,
        }
        return {key: item for key, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class BestChoice:
    """The model that was chosen, and among which."""

    query: BestQuery
    chosen: Candidate
    others: tuple[Candidate, ...] = ()
    """Best first, then those that took no part."""
    not_ready: int = 0
    """Runs and models that have not ended well: no candidates."""

    @property
    def text(self) -> str:
        """The answer for people: ``rmse 0.12 is the least of 30``."""
        word = "least" if self.query.direction == "min" else "greatest"
        return f"{self.query.metric} {self.chosen.value} is the {word} of {len(self.others) + 1}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the choice."""
        reasons: dict[str, int] = {}
        for item in self.others:
            if item.doubt:
                reasons[item.doubt] = reasons.get(item.doubt, 0) + 1
        said = [f"{count} of {len(self.others) + 1} models took no part: {why}" for why, count in reasons.items()]
        if self.not_ready:
            said.append(f"{self.not_ready} runs or models took no part: they have not ended well")
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Return what was asked, the answer, and the first hundred others."""
        value = {
            "among": clean_value(self.query.among),
            "metric": self.query.metric,
            "direction": self.query.direction,
            "dataset": self.query.dataset,
            "filter": clean_value(self.query.filter) if self.query.filter else None,
            "candidates": len(self.others) + 1,
            "notReady": self.not_ready or None,
            "chosen": self.chosen.to_json(),
            "others": [item.to_json() for item in self.others[:_MOST_LISTED]],
        }
        return {key: item for key, item in value.items() if item is not None}


def best_query(source: str, best: str | None = None, best_filter: str | None = None) -> BestQuery | None:
    """Read a ``best:`` text, or a source with ``best`` (``METRIC[@DATASET][:min|max]``) beside it.

    Returns ``None`` for a source that names one model.

    Raises:
        RunExportError: it is neither, or the metric's name does not tell whether the least or the greatest is best.
    """
    text = source.strip() if isinstance(source, str) else ""
    if not text.startswith("best:"):
        if best is None and best_filter is None:
            _refuse_unchosen(text)
            return None
        if best is None:
            raise RunExportError("a filter without a metric chooses no model", advice=_ADVICE)
        return _checked(text, best, best_filter)
    if best is not None or best_filter is not None:
        raise RunExportError(f"{clean_value(text)!r} says already what is best", advice=_ADVICE)
    among, mark, asked = text.removeprefix("best:").partition("?")
    options = dict(parse_qsl(asked, keep_blank_values=True))
    unknown = sorted(set(options) - {"metric", "direction", "dataset", "filter"})
    if not mark or unknown or not options.get("metric"):
        what = f"does not know {', '.join(unknown)}" if unknown else "names no metric"
        raise RunExportError(f"{clean_value(text)!r} {what}", advice=_ADVICE)
    if options.get("direction", "max") not in ("min", "max"):
        raise RunExportError(
            f"{clean_value(text)!r} says neither least nor greatest", advice="write direction=min or max"
        )
    metric = options["metric"] + (f"@{options['dataset']}" if options.get("dataset") else "")
    metric += f":{options['direction']}" if "direction" in options else ""
    return _checked(unquote(among), metric, options.get("filter") or None)


def _refuse_unchosen(text: str) -> None:
    if text.startswith("experiments:/"):
        raise RunExportError(f"{clean_value(text)!r} is an experiment, not one model", advice=_ADVICE)


def _checked(among: str, best: str, best_filter: str | None) -> BestQuery:
    if among.startswith(("runs:/", "mlflow://")) or "/" not in among:
        run = parse_source(among)
        if run.path is not None:
            raise RunExportError(f"{clean_value(among)!r} names one model already", advice=_ADVICE)
    elif among.startswith("models:/") and any(sign in among.removeprefix("models:/") for sign in "/@"):
        raise RunExportError(f"{clean_value(among)!r} names one version already", advice=_ADVICE)
    elif not among.startswith(("experiments:/", "models:/")) or not among.partition(":/")[2]:
        raise RunExportError(f"nothing to choose from: {clean_value(among)!r}", advice=_ADVICE)
    rest, colon, word = best.rpartition(":")
    name, direction = (rest, word) if colon and word in ("min", "max") else (best, None)
    metric, _, dataset = name.partition("@")  # MLflow takes no @ in the name of a metric
    if not metric:
        raise RunExportError(f"no metric in {clean_value(best)!r}", advice=_ADVICE)
    if direction is None:
        direction = _usual_direction(metric)
    return BestQuery(among, metric, "min" if direction == "min" else "max", dataset or None, best_filter)


def _usual_direction(metric: str) -> Direction:
    words = metric.lower().replace("/", "_").replace("-", "_").replace(".", "_").replace(" ", "_").split("_")
    if any(word.endswith(ending) for word in words for ending in _LOWER_IS_BETTER):
        raise RunExportError(
            f"is the least or the greatest {metric!r} the best?", advice=f"say {metric}:min or {metric}:max"
        )
    return "max"
