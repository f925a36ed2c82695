"""How values look: times, sizes, numbers and verdicts, the same on every page and in no reader's own locale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.presentation.text import printable
from kitops_orchestration.presentation.value_text import value_text

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence

MAX_TEXT = 20_000
"""Letters of one text that a page shows; whoever wrote more cannot make a page too large to open."""
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_DIGITS = 4

Look = Literal["good", "bad", "warn", "lock", "none", "open"]
"""Which shape and colour a word stands beside: disc with tick, octagon, clock, lock, ring with bar, dashed ring."""

State = Literal["holds", "red", "unknown", "not judged", "empty"]
"""What is said of a stage: today's verdict, or that nobody gave a policy and a trust policy to judge by."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict: shape, word, and why."""

    look: Look
    word: str
    reason: str = ""


_STATES: dict[State, Mark] = {
    "holds": Mark("good", "Holds"),
    "red": Mark("bad", "Red"),
    "unknown": Mark("warn", "Not known"),
    "not judged": Mark("open", "Not judged"),
    "empty": Mark("none", "Empty"),
}


def state_mark(state: State) -> Mark:
    """Return the mark of a stage."""
    return _STATES[state]


def evidence_mark(evidence: Evidence, *, is_checked: bool) -> Mark:
    """Return whether a statement counts: signed is not verified, and not checked is neither."""
    if evidence.is_verified:
        return Mark("good", "Counts")
    return Mark("none", "Does not count", evidence.reason) if is_checked else Mark("open", "Not checked")


def clean(text: Any) -> str:
    """Return any text as a page may show it: nothing invisible in it, and not endless."""
    found = printable(text)
    return found if len(found) <= MAX_TEXT else f"{found[:MAX_TEXT]}… ({len(found):,} letters, cut here)"


def moment(time: str | None) -> str:
    """Return ``2026-11-29 12:00`` of an RFC 3339 time in UTC."""
    return time[:16].replace("T", " ") if time else "no time stated"


def day(time: str | None) -> str:
    """Return ``2026-11-29``."""
    return time[:10] if time else "no time stated"


def short(digest: str) -> str:
    """Return twelve digits of a digest; of what is none, its beginning."""
    return digest.partition(":")[2][:12] if digest.startswith(("sha256:", "sha512:")) else digest[:24]


def size(size_bytes: int) -> str:
    """Return a size in decimal units: ``46.1 MB``."""
    amount = float(size_bytes)
    if amount < 1000:
        return f"{int(amount)} B"
    for unit in _UNITS:
        amount /= 1000
        if amount < 999.95 or unit == _UNITS[-1]:
            break
    return f"{amount:.1f} {unit}"


def as_number(value: Any) -> float | None:
    """Return a value as a number, where it is a finite one."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def number(value: Any) -> str:
    """Return a metric with at most four digits that count; what is no number as it is."""
    found = as_number(value)
    if found is None:
        return clean(value_text(value))
    if found.is_integer() and abs(found) < 1e15:
        return f"{int(found):,}".replace("-", "−")
    return f"{found:.{_DIGITS}g}".replace("-", "−")


def change(difference: float | None) -> str:
    """Return the difference of two numbers with its sign: a true minus, as in print."""
    return "" if difference is None else f"{difference:+.{_DIGITS}g}".replace("-", "−")


def csv_cell(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return str(value)
    text = clean("" if value is None else value).replace("\n", " ")
    # A spreadsheet may drop the spaces before a sign, and some of them were tabs and line ends.
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
