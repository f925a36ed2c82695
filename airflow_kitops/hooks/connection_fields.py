"""Reading the fields of a connection.

Airflow hands a connection to a worker's test as a URI, where a boolean and a number arrive as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kitops_orchestration.errors import KitOpsError


class StoredConnection(Protocol):
    """The fields of Airflow's connection that are read here."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None
    schema: str | None
    """What a connection's URI has as its path."""


def text_field(extra: Mapping[str, Any], name: str) -> str | None:
    """Return a text field of ``extra``; ``None`` where it is empty."""
    value = extra.get(name)
    if value is None or isinstance(value, str):
        return value or None
    # The value is not shown: the field may be a secret.
    raise KitOpsError(f"connection field {name} is not text but {type(value).__name__}", advice="put it in quotes")


def boolean_field(extra: Mapping[str, Any], name: str) -> bool | None:
    """Return a field that says yes or no; ``None`` for ``auto`` and nothing."""
    value = extra.get(name)
    text = str("" if value is None else value).lower()
    if text in ("", "auto"):
        return None
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise KitOpsError(f"connection field {name} is {value!r}", advice="use true or false")


def number_field(extra: Mapping[str, Any], name: str, default: int, *, minimum: int = 1) -> int:
    """Return a field that is a whole number of at least ``minimum``."""
    value = extra.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(str(value))  # of its text: 3.7 must not become 3, and true is no number
    except ValueError as error:
        raise KitOpsError(f"connection field {name} is {value!r}", advice="use a whole number") from error
    if number < minimum:
        raise KitOpsError(f"connection field {name} is {number}", advice=f"use a number of at least {minimum}")
    return number
