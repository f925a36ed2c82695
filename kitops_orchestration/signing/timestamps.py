"""Times in statements and policies: RFC 3339, UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from kitops_orchestration.errors import SignatureError

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may differ; what is dated later than that is dated in the future."""


def format_timestamp(moment: datetime | str) -> str:
    """Return ``2026-01-31T12:00:00Z``; a time without a zone is taken as UTC."""
    # Not strftime, which writes the year 1 as "1".
    return parse_timestamp(moment).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_timestamp(value: Any) -> datetime:
    """Read a time in UTC from RFC 3339 text, a datetime, or a date (its first second).

    Raises:
        SignatureError: it is none of these.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise SignatureError(
                f"not a time: {value[:40]!r}", advice="write it as 2026-01-31T12:00:00Z (RFC 3339)"
            ) from error
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        raise SignatureError(f"not a time: {str(value)[:40]!r}", advice="write it as 2026-01-31T12:00:00Z (RFC 3339)")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise SignatureError(f"not a time in UTC: {value}", advice="give a year from 1 to 9999") from error


def timestamp_or_none(text: str | None) -> str | None:
    """Return a foreign text as :func:`format_timestamp` writes it; ``None`` for what is no time."""
    try:
        return format_timestamp(text) if text else None
    except SignatureError:
        return None


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)
