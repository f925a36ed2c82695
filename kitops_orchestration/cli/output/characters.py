"""What a terminal's character set has no sign for: an escape for people, and nothing of it in what programs read."""

from __future__ import annotations

import io
import json
import sys
from typing import Any


def escape_what_has_no_sign() -> None:
    """Let standard output write ``\\u2192`` where its character set has no arrow, as standard error does anyway."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with its letters as they are, or in ASCII where standard output is not Unicode.

    JSON is UTF-8 for whoever reads it, whatever the locale is; ASCII is that, too.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_unicode = encoding.lower().startswith("utf")
    return json.dumps(value, indent=indent, ensure_ascii=not is_unicode, default=str)
