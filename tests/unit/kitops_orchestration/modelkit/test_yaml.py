"""Scalars are read, and YAML is written, as Go's yaml.v3 does."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import KitfileError
from kitops_orchestration.modelkit.kitfile import key_order, yaml_reader, yaml_scalars, yaml_writer
from kitops_orchestration.modelkit.kitfile.yaml_reader import Place, ValueReader
from kitops_orchestration.oci import canonical

DATA = Path(__file__).parents[3] / "data"
GOLDEN = json.loads((DATA / "yaml_golden.json").read_text())


def read(text: str) -> Any:
    return ValueReader().read(yaml_reader.compose(text, Place()), Place())


def floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_scalars_are_read_as_in_go() -> None:
    for case in GOLDEN["read"]:
        assert canonical.encode(key_order.sort_maps(read(case["yaml"]))).decode() == case["json"], case["yaml"]


def test_yaml_is_written_as_in_go() -> None:
    for case in GOLDEN["write"]:
        assert yaml_writer.dump(key_order.sort_naturally(floats(case["json"]))) == case["yaml"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (21.5, "21.5"),
        (1e100, "1e+100"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
    ],
)
def test_floats_are_written_as_in_go(number: float, text: str) -> None:
    assert yaml_scalars.format_float(number) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {<<: {x: 1, y: 2}, x: 3}", {"a": {"x": 3, "y": 2}}),
        ("a: &b {x: 1}\nc:\n  <<: [*b, {x: 9, z: 2}]\n", {"a": {"x": 1}, "c": {"x": 1, "z": 2}}),
        ("a: &b 1\nc: &b 2\nd: *b\n", {"a": 1, "c": 2, "d": 2}),
        ("a: !!str 12", {"a": "12"}),
        ("a: !!float 12", {"a": 12.0}),
        ("a: !!binary aGk=", {"a": "hi"}),
        ("a: !custom 12", {"a": "12"}),
        ("a: 2024-01-02T03:04:05.600+01:30", {"a": "2024-01-02T03:04:05.6+01:30"}),
        ("a: 2024-02-30", {"a": "2024-02-30"}),
        ("--- 1\n--- 2\n", 1),
    ],
)
def test_structure_is_read_as_in_go(text: str, value: Any) -> None:
    assert read(text) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(yaml_writer.dump({"v": value})) == {"v": value}


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(KitfileError):
        read(text)
