"""What a policy asks of the checkpoints of its repositories.

::

    checkpoint: {maxAgeHours: 24, witnesses: 1, minVersion: 40, listed: true}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kitops_orchestration.promotion.rules.check_words import known, mapping, wrong

_WORDS = {"maxAgeHours", "witnesses", "minVersion", "listed"}
MOST_HOURS = 100_000
_MOST_WITNESSES = 100


@dataclass(frozen=True, slots=True)
class CheckpointRule:
    """A checkpoint has to be there, this young, and what it lists has to be there as well."""

    max_age_hours: float
    witnesses: int = 1
    """How many distinct identities' checkpoints are needed."""
    min_version: int = 0
    """The lowest number that counts: for a client that remembers nothing."""
    is_listed: bool = False
    """True where a version has to be listed itself: what is younger than the checkpoint is red."""


def read_rule(value: Any) -> CheckpointRule:
    """Read the member ``checkpoint`` of a policy; raises :class:`PromotionError` with the place of what is wrong."""
    body = mapping(value, "checkpoint")
    known(body, _WORDS, "checkpoint")
    if "maxAgeHours" not in body:
        raise wrong("checkpoint.maxAgeHours", "is missing")
    hours = _number(body["maxAgeHours"], (int, float), "maxAgeHours")
    if not 0 < hours <= MOST_HOURS:
        raise wrong("checkpoint.maxAgeHours", f"must be more than 0 and at most {MOST_HOURS}, not {hours}")
    witnesses = _number(body.get("witnesses", 1), int, "witnesses")
    if not 1 <= witnesses <= _MOST_WITNESSES:
        raise wrong("checkpoint.witnesses", f"must be from 1 to {_MOST_WITNESSES}, not {witnesses}")
    least = _number(body.get("minVersion", 0), int, "minVersion")
    if least < 0:
        raise wrong("checkpoint.minVersion", f"must not be negative: {least}")
    listed = body.get("listed", False)
    if not isinstance(listed, bool):
        raise wrong("checkpoint.listed", f"must be true or false, not {listed!r}")
    return CheckpointRule(float(hours), witnesses, least, listed)


def _number(value: Any, kind: type | tuple[type, ...], word: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise wrong(f"checkpoint.{word}", f"has the wrong type: {value!r}")
    return value
