"""Times: RFC 3339 in UTC, what is written can be read, and what is none is one clear error."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.timestamps import format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.999+02:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_as_it_can_be_read(text, written) -> None:
    assert format_timestamp(text) == written
    assert format_timestamp(parse_timestamp(written)) == written


@pytest.mark.parametrize(
    "value", ["soon", "", "2026-02-30", "0001-01-01T00:00:00+05:00", 5, None, "9999-12-31T23:59:59-05:00"]
)
def test_what_is_no_time_is_refused(value) -> None:
    with pytest.raises(SignatureError, match="not a time"):
        parse_timestamp(value)
