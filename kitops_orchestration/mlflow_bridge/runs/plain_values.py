"""Values as they come, out of YAML and JSON that others wrote, as values that every JSON writer takes.

Infinity and NaN become the words that the record writes for a metric; dates their ISO text; keys texts.  Secrets are
taken out on the way: what is read here goes into the record.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.redaction import REDACTED, clean_value, is_secret_key

_DEEPEST = 100


def read_json(text: str) -> Any:
    """Return JSON as plain values; raises :class:`ValueError` for what is none."""
    return json.loads(text, parse_constant=str, parse_float=lambda digits: plain(float(digits)))


def plain(value: Any, *, depth: int = 0) -> Any:
    """Return a value of texts, finite numbers, booleans, ``None``, lists and mappings with texts as keys.

    Raises:
        RunExportError: it is nested without end (YAML can refer to itself).
    """
    if depth > _DEEPEST:
        raise RunExportError(
            "values are nested without end", advice="write the file again, without references to itself"
        )
    if isinstance(value, Mapping):
        return {_key(key): _member(_key(key), item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth=depth + 1) for item in value]
    return _scalar(value)


def _member(key: str, item: Any, depth: int) -> Any:
    return REDACTED if isinstance(item, str) and is_secret_key(key, item) else plain(item, depth=depth + 1)


def _key(key: Any) -> str:
    return (
        key if isinstance(key, str) else json.dumps(key) if key is None or isinstance(key, bool) else str(_scalar(key))
    )


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return clean_value(value.isoformat() if isinstance(value, date | time) else str(value))
