"""The order of tags as people count: v9 before v10."""

from __future__ import annotations

import re


def natural_order(tag: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``v9`` before ``v10``, and names before numbers."""
    parts = re.findall(r"\d+|\D+", tag)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
