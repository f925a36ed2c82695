"""What the rules yield, and what all of them take for a placeholder."""

from __future__ import annotations

import re

Hit = tuple[int, int, str, str, bool]
"""Start and end of the value, rule, kind in words for people, and whether it is sure."""

_EIGHT_EQUAL = re.compile(r"(.)\1{7}")


def is_masked(value: str) -> bool:
    """Tell whether a token stands for one: ``hf_xxxxxxxx``, ``AKIAIOSFODNN7EXAMPLE``, ``ghp_your_token_here``."""
    return bool(
        _EIGHT_EQUAL.search(value[:400]) or "EXAMPLE" in value or "_here" in value or "your_" in value or "***" in value
    )
