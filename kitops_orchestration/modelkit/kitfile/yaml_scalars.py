"""What a plain YAML scalar means: the core of Go's yaml.v3, which is YAML 1.2 with a few 1.1 habits.

``yes`` and ``1:30`` are text, ``012`` is octal, ``1_000`` is an integer, ``2024-01-02`` is a timestamp.
Checked against yaml.v3 v3.0.1 (``resolve.go``).
"""

from __future__ import annotations

import base64
import binascii
import calendar
import math
import re
from typing import Any

STR = "!!str"
INT = "!!int"
FLOAT = "!!float"
BOOL = "!!bool"
NULL = "!!null"
TIMESTAMP = "!!timestamp"
MERGE = "!!merge"
BINARY = "!!binary"

_WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("true", "True", "TRUE"), (BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (FLOAT, math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (FLOAT, math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (FLOAT, -math.inf)),
    "<<": (MERGE, "<<"),
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_RADIX = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:(?P<mark>[Tt ])(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2})"
    r"(?:[.,](?P<fraction>[0-9]+))?(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_OLD_BOOLS = frozenset(  # YAML 1.1 readers take these for booleans
    ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"]
)


class Timestamp(str):
    """An RFC 3339 text that stood unquoted in YAML: a timestamp there, a string in JSON."""

    __slots__ = ()


def resolve(text: str, tag: str = "") -> tuple[str, Any]:
    """Return tag and value of a plain scalar; ``tag`` is the short explicit tag, if there was one.

    Raises:
        ValueError: the text is not of the explicit tag.
    """
    if tag in (STR, BINARY):
        return tag, _binary(text) if tag == BINARY else text
    found, value = _resolve_plain(text)
    if tag in ("", found) or tag not in (INT, FLOAT, BOOL, NULL, TIMESTAMP, MERGE):
        return found, value
    if tag == FLOAT and found == INT:
        return FLOAT, float(value)
    raise ValueError(f"cannot read {text!r} as {tag}")


def is_plain_text(text: str) -> bool:
    """Tell whether unquoted ``text`` would be read back as the same text, also by YAML 1.1 readers."""
    return _resolve_plain(text)[0] == STR and not _BASE_60.fullmatch(text) and text not in _OLD_BOOLS


def format_float(number: float) -> str:
    """Return a float as yaml.v3 writes it: Go's ``%g`` with the shortest digits."""
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    sign, digits, exponent = _shortest(number)
    if exponent < -4 or exponent >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, exponent)


def _shortest(number: float) -> tuple[str, str, int]:
    sign = "-" if math.copysign(1, number) < 0 else ""
    mantissa, _, power = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1 - (len(whole + fraction) - len(digits) if digits else 0)
    return sign, digits.rstrip("0") or "0", exponent if digits else 0


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


def _resolve_plain(text: str) -> tuple[str, Any]:
    word = _WORDS.get(text)
    if word is not None:
        return word
    first = text[0]
    if first == ".":
        return _float(text)
    if first not in "+-0123456789":
        return STR, text
    stamp = _timestamp(text)
    if stamp is not None:
        return TIMESTAMP, stamp
    return _number(text)


def _number(text: str) -> tuple[str, Any]:
    plain = text.replace("_", "")
    match = _INTEGER.fullmatch(plain)
    if match:
        kind = match.lastgroup or "dec"
        value = int(match[kind], _RADIX[kind]) * (-1 if match["sign"] == "-" else 1)
        # Go has an unsigned reading only for numbers without a sign.
        if -(2**63) <= value < (2**63 if match["sign"] else 2**64):
            return INT, value
    found, value = _float(plain)
    return (found, value) if found == FLOAT else (STR, text)


def _float(text: str) -> tuple[str, Any]:
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return FLOAT, value
    return STR, text


def _timestamp(text: str) -> Timestamp | None:
    match = _TIMESTAMP.fullmatch(text)
    if match is None or not _zone_fits(match["mark"], match["zone"]):
        return None
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    if not 1 <= month <= 12 or not 1 <= day <= _days(year, month) or hour > 23 or minute > 59 or second > 59:
        return None
    fraction = (match["fraction"] or "")[:9].rstrip("0")
    zone = match["zone"] or "Z"
    return Timestamp(
        f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
        f"{'.' + fraction if fraction else ''}{'Z' if zone in ('+00:00', '-00:00') else zone}"
    )


def _zone_fits(mark: str | None, zone: str | None) -> bool:
    if mark in ("T", "t"):
        return zone is not None and (zone == "Z" or (int(zone[1:3]) <= 24 and int(zone[4:]) <= 60))
    return zone is None


def _days(year: int, month: int) -> int:
    return 29 if month == 2 and calendar.isleap(year) else (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month]


def _binary(text: str) -> str:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("!!binary value is not base64") from error
    return data.decode("utf-8", "surrogateescape")
