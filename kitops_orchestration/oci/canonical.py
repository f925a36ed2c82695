"""JSON exactly as Go's ``encoding/json`` marshals it, because digests are taken over those bytes.

Differences from :mod:`json`: ``<``, ``>``, ``&``, U+2028 and U+2029 are escaped; floats print in plain
notation from 1e-6 to below 1e21 and without ``.0``; NaN and infinity are errors.  Dictionaries keep their
order here: sort where Go has a map (``sort_keys`` is the caller's choice per object).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from kitops_orchestration.errors import ModelKitError

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def encode(value: Any) -> bytes:
    """Return the bytes of ``value``; raises :class:`ModelKitError` for what JSON cannot hold."""
    return _encode(value).encode("utf-8")


def decode(data: bytes, *, parse_int: Callable[[str], Any] = int) -> Any:
    """Return the value of JSON as Go reads it: what is no UTF-8, and half a surrogate pair, becomes U+FFFD.

    Raises:
        ValueError: not JSON.
        RecursionError: nested deeper than anything that is meant well.
    """
    text = data.decode("utf-8", "replace")
    value = json.loads(text, parse_int=parse_int)
    return _mended(value) if _SURROGATE_ESCAPE.search(text) else value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def _encode(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_string(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return encode_float(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}:{_encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_encode, value)) + "]"
    raise ModelKitError(f"JSON cannot hold a {type(value).__name__}: {value!r}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ModelKitError(f"JSON object keys are strings, got {key!r}", advice="quote the key")
    return encode_string(key)


def encode_string(text: str) -> str:
    """Return one JSON string; lone surrogates (invalid UTF-8 on disk) become U+FFFD as in Go."""
    try:
        clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # half of a pair, which no file name is
        clean = _SURROGATE.sub("\ufffd", text)
    return json.dumps(clean, ensure_ascii=False).translate(_ESCAPES)


def encode_float(number: float) -> str:
    """Return a float in Go's shortest form: ``1200``, ``1e+21``, ``1e-7``, ``-0``."""
    if not math.isfinite(number):
        raise ModelKitError(f"JSON cannot hold {number}", advice="write it as a string")
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    mantissa, _, exponent_text = f"{number!r}".partition("e")
    if 1e-6 <= abs(number) < 1e21:
        return _plain(mantissa, int(exponent_text or 0))
    exponent = int(exponent_text)
    return f"{mantissa.removesuffix('.0')}e{'-' if exponent < 0 else '+'}{abs(exponent)}"


def _plain(mantissa: str, exponent: int) -> str:
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + exponent
    digits = whole + fraction
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"
