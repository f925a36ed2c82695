"""YAML that is read with PyYAML's tags is bounded, and whatever is wrong with it is one kind of error."""

from __future__ import annotations

import pytest

from kitops_orchestration.modelkit.kitfile.foreign_yaml import load_bounded


def test_values_are_those_of_yaml() -> None:
    assert load_bounded("a: &a [1, x]\nb: *a\n", 100) == {"a": [1, "x"], "b": [1, "x"]}
    assert load_bounded("", 0) is None


def test_a_large_document_without_aliases_is_within_any_bound() -> None:
    text = "a: [" + ",".join(["x"] * 5000) + "]\n? \n"

    assert len(load_bounded(text, 0)["a"]) == 5000


@pytest.mark.parametrize(
    "text",
    [
        "!!bool x",
        "!!int ''",
        "!!int _",
        "!!float _",
        "!!timestamp x",
        "!!timestamp {=: x}",
        "2026-02-30",
        "? [a]\n: b",
        "[a",
        '"\\UFFFFFFFF"',
        '"\\U00110000"',
        "1" + ":1" * 200 + ".5",
    ],
)
def test_what_has_no_value_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not YAML|does not fit"):
        load_bounded(text, 1000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a " + "x" * 500 + "\nb: [" + ",".join(["*a"] * 50) + "]", "add more than 1000"),
        ("a: &a [*a]", "without end"),
        ("[" * 5000, "nested too deeply"),
        ("a:\n- 1" + ":1" * 2048, "line 2: a number of 4097 letters"),
    ],
)
def test_what_grows_without_bound_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load_bounded(text, 1000)
