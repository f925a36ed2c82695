"""In which order the keys of free-form maps are written: Go's for JSON, yaml.v3's for YAML."""

from __future__ import annotations

import functools
from typing import Any


def sort_maps(value: Any) -> Any:
    """Return ``value`` with every map sorted by the bytes of its keys, as Go marshals maps."""
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-8", "surrogateescape"))
        return {key: sort_maps(item) for key, item in pairs}
    if isinstance(value, (list, tuple)):
        return [sort_maps(item) for item in value]
    return value


def sort_naturally(value: Any) -> Any:
    """Return ``value`` with every map in yaml.v3's order of keys: numbers by value, letters after signs."""
    if isinstance(value, dict):
        keys = sorted(value, key=functools.cmp_to_key(_compare))
        return {key: sort_naturally(value[key]) for key in keys}
    if isinstance(value, (list, tuple)):
        return [sort_naturally(item) for item in value]
    return value


def _compare(left: str, right: str) -> int:
    if left == right:
        return 0
    return -1 if _is_less(left, right) else 1


def _is_less(left: str, right: str) -> bool:
    position = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if position is None:
        return len(left) < len(right)
    a, b = left[position], right[position]
    if a.isalpha() and b.isalpha():
        return a < b
    if a.isalpha() or b.isalpha():
        after_digit = position > 0 and left[position - 1].isdecimal()
        return a.isalpha() if after_digit else b.isalpha()
    return _digits_less(left, right, position)


def _digits_less(left: str, right: str, at: int) -> bool:
    # A zero where they part counts less after a run of digits: "10" comes after "1", "01" before it.
    prefix = 1 if "0" in (left[at], right[at]) and _follows_number(left, at) else 0
    a_run, b_run = _run(left, at), _run(right, at)
    a_value, b_value = (_value(run, prefix) for run in (a_run, b_run))
    if a_value != b_value:
        return a_value < b_value
    if len(a_run) != len(b_run):
        return len(a_run) < len(b_run)
    return left[at] < right[at]


def _follows_number(text: str, at: int) -> bool:
    while at > 0 and text[at - 1].isdecimal():
        at -= 1
        if text[at] != "0":
            return True
    return False


def _run(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[at:end]


def _value(run: str, prefix: int) -> int:
    return int(f"{prefix}{run}") if run else prefix
