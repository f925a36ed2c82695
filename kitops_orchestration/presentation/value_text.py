"""Values and sizes as text for people."""

from __future__ import annotations

import json
from typing import Any


def value_text(value: Any) -> str:
    """Return a Kitfile value as text for people; ``-`` is absent."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def size_text(size_bytes: float | None) -> str:
    """Return a size in binary units with one decimal, floored, as the Kit CLI does (``5.7 KiB``); ``-`` is absent."""
    if size_bytes is None:
        return "-"
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{int(amount)} B" if unit == "B" else f"{int(amount * 10) / 10} {unit}"
        amount /= 1024
    return f"{int(amount * 10) / 10} TiB"


def counted(amount: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 version``, ``2 versions``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"
