"""What a statement says of when it was made: its author's word, which no clock and no authority stands behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.statement import Statement
from kitops_orchestration.signing.timestamps import parse_timestamp

# Where the types of ours, and those we know, say when they were made.  Provenance is not among them: its times
# are the run's, and a run may be older than the key that vouches for it.
_CLAIMED_TIMES = ("createdOn", "timestamp", "deployedOn", "timeCreated")


def claimed_time(statement: Statement) -> datetime | None:
    """Return when a statement says that it was made, where it has a member for that."""
    return _first_time(statement.predicate.get(member) for member in _CLAIMED_TIMES)


def run_time(statement: Statement) -> datetime | None:
    """Return when the run of a provenance ended, or began where that is all it says."""
    try:
        metadata = statement.predicate["runDetails"]["metadata"]
        return _first_time([metadata.get("finishedOn"), metadata.get("startedOn")])
    except (KeyError, TypeError, AttributeError):
        return None


def _first_time(values: Iterable[Any]) -> datetime | None:
    for value in values:
        if isinstance(value, str):
            try:
                return parse_timestamp(value)
            except SignatureError:
                return None
    return None
