"""JSON bytes against values that Go's encoder wrote."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.canonical import encode


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e22, "1.5e+22"),
        (1e-6, "0.000001"),
        (9.9e-7, "9.9e-7"),
        (1 / 3, "0.3333333333333333"),
        (5e-324, "5e-324"),
        (1200.0, "1200"),
        (-0.0, "-0"),
        (12345678901234567890, "12345678901234567890"),
        ("a<b>&", '"a\\u003cb\\u003e\\u0026"'),
        ("\u2028\u2029/é", '"\\u2028\\u2029/é"'),
        ('\b\f\n\r\t"\\\x01', '"\\b\\f\\n\\r\\t\\"\\\\\\u0001"'),
        ("\x7f", '"\x7f"'),
        (b"ok\xff".decode("utf-8", "surrogateescape"), '"ok\ufffd"'),
        ({"b": [True, None], "a": {}}, '{"b":[true,null],"a":{}}'),
    ],
)
def test_values_are_written_as_go_writes_them(value, text):
    assert encode(value).decode() == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {1: 2}, object(), b"bytes"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ModelKitError):
        encode({"x": value})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(number):
    assert float(encode(number)) == number


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_the_bytes_are_json_of_the_same_value(value):
    assert json.loads(encode(value)) == json.loads(json.dumps(value).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'["\\ud800x", {"\\udfff": 1}]', ["\ufffdx", {"\ufffd": 1}]),
        (b'"\xff\xed\xa0\x80"', "\ufffd" * 4),
        (b'"\\\\ud800"', "\\ud800"),
    ],
)
def test_what_is_not_unicode_becomes_the_replacement_character_as_in_go(data: bytes, expected: object) -> None:
    assert canonical.decode(data) == expected


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_is_written_as_the_replacement_character(text: str) -> None:
    assert "\ufffd" in encode(text).decode()
