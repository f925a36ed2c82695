"""Whether JSON has the shape of a run record or of a packed prompt: a ModelKit may say anything, and MLflow takes it.

What is wrong is found before anything is made of it, and named by its place: ``run.startTime``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kitops_orchestration.errors import RunExportError

Check = Callable[[Any, str], None]

_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity", "ambiguous")
_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_MOST = 2**63 - 1
"""MLflow's databases hold steps and times in 64 bits."""


def check_record(value: Any) -> None:
    """Refuse what is no record.

    Raises:
        RunExportError: the place, and what should be there.
    """
    _RECORD(value, "the record")


def check_prompt(value: Any) -> None:
    """Refuse what is no packed prompt; see :func:`check_record`."""
    _PROMPT(value, "the prompt")


def check_series(value: Any) -> None:
    """Refuse what is not ``{metric: [[step, value, timestamp], …]}``; see :func:`check_record`."""
    _each(_list(_point))(value, "the series")


def _refuse(place: str, wanted: str) -> None:
    raise RunExportError(f"not a run record: {place} is not {wanted}", advice="export the run again")


def _text(value: Any, place: str) -> None:
    if not isinstance(value, str):
        _refuse(place, "a text")


def _whole(value: Any, place: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not -_MOST <= value <= _MOST:
        _refuse(place, "a whole number")


def _whole_or_none(value: Any, place: str) -> None:
    if value is not None:
        _whole(value, place)


def _number(value: Any, place: str) -> None:
    """Take what ``encode_number`` wrote: a whole number without end would be no float."""
    if isinstance(value, str) and value in _NOT_NUMBERS:
        return
    try:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        is_number = False
    if not is_number:
        _refuse(place, 'a number, nor "NaN", "Infinity", "-Infinity" or "ambiguous"')


def _status(value: Any, place: str) -> None:
    if value not in _STATUSES:
        _refuse(place, f"one of {', '.join(_STATUSES)}")


def _flag(value: Any, place: str) -> None:
    if not isinstance(value, bool):
        _refuse(place, "true or false")


def _anything(_value: Any, _place: str) -> None:
    """Take it: it is handed on as JSON."""


def _point(value: Any, place: str) -> None:
    if not isinstance(value, list) or len(value) != 3:
        _refuse(place, "[step, value, timestamp]")
    for check, item in zip((_whole, _number, _whole), value, strict=True):
        check(item, place)


def _text_or_messages(value: Any, place: str) -> None:
    if not isinstance(value, str):
        _list(_mapping)(value, place)


def _mapping(value: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        _refuse(place, "an object")


def _list(check: Check) -> Check:
    def look(value: Any, place: str) -> None:
        if not isinstance(value, list | tuple):
            _refuse(place, "a list")
        for number, item in enumerate(value):
            check(item, f"{place}[{number}]")

    return look


def _each(check: Check) -> Check:
    """Check every value of an object."""

    def look(value: Any, place: str) -> None:
        _mapping(value, place)
        for key, item in value.items():
            _text(key, f"a name in {place}")
            check(item, f"{place}.{key}")

    return look


def _object(members: Mapping[str, Check], needed: Sequence[str] = ()) -> Check:
    """Check the members that are there; others are not looked at, as they are only shown."""

    def look(value: Any, place: str) -> None:
        _mapping(value, place)
        for key in needed:
            if key not in value:
                _refuse(place, f"complete: {key} is missing")
        for key, check in members.items():
            if key in value:
                check(value[key], f"{place}.{key}")

    return look


def _texts(*names: str) -> dict[str, Check]:
    return dict.fromkeys(names, _text)


_TAGS = _each(_text)
_METRIC_MEMBERS: dict[str, Check] = {
    **_texts("key", "basis", "doubt", "runId", "dataset", "datasetDigest"),
    **dict.fromkeys(("last", "min", "max"), _number),
    **dict.fromkeys(("step", "timestamp", "count"), _whole),
}
_METRICS = _each(_object(_METRIC_MEMBERS, ("last",)))
_DATASET = _object(
    {
        **_texts("name", "digest", "sourceType", "context", "sha256", "uri", "path", "notCopied"),
        "source": _mapping,
        "sizeBytes": _whole,
        "tags": _TAGS,
    },
    ("name", "digest", "sourceType", "source"),
)
_MODEL = _object(
    {
        **_texts("id", "name", "type"),
        "flavors": _mapping,
        "requirements": _list(_text),
        "params": _TAGS,
        "tags": _TAGS,
        "metrics": _list(_object(_METRIC_MEMBERS, ("key", "last"))),
        "prompts": _list(_text),
        "hasInputExample": _flag,
    }
)
_RUN = _object(
    {
        **_texts("id", "name", "user", "parentRunId", "description"),
        **dict.fromkeys(("startTime", "endTime"), _whole),
        "status": _status,
        "source": _mapping,
    }
)
_PROMPT_REFERENCE = _object(_texts("name", "version", "uri", "sha256"), ("name", "version"))
_RECORD = _object(
    {
        "trackingUri": _text,
        "run": _RUN,
        "experiment": _object(_texts("id", "name")),
        "params": _TAGS,
        "runParams": _TAGS,
        "metrics": _METRICS,
        "runMetrics": _METRICS,
        "tags": _TAGS,
        "inputs": _list(_DATASET),
        "modelInputs": _list(_text),
        "outputs": _list(_object({"modelId": _text, "step": _whole_or_none})),
        "model": _MODEL,
        "registered": _object({**_texts("name", "version", "description"), "tags": _TAGS}),
        "children": _list(_mapping),
        "traces": _mapping,
        "tables": _list(_mapping),
        "prompts": _list(_PROMPT_REFERENCE),
        "artifacts": _list(_mapping),
        "redacted": _list(_text),
    },
    ("schemaVersion", "trackingUri"),
)
_PROMPT = _object(
    {
        **_texts("name", "version", "uri", "commitMessage"),
        "template": _text_or_messages,
        "tags": _TAGS,
        "responseFormat": _mapping,
        "modelConfig": _mapping,
    },
    ("name",),
)
