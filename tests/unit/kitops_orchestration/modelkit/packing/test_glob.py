"""Both ways to ask a path answer alike, and the one that goes step by step ends soon whatever is asked."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.packing.glob import _Places, steps
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules

PIECES = st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "[ab]", "[^a]", "\\*", "é", ".", "***"])


@given(st.lists(PIECES, min_size=1, max_size=7), st.text("ab/é.*", max_size=10))
def test_the_steps_decide_as_the_regular_expression_does(pieces, path) -> None:
    found = steps("".join(pieces))
    regex = re.compile("".join(step.regex for step in found) + r"\Z", re.DOTALL)

    assert _Places(found).fits(path) == bool(regex.match(path))


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("*a" * 24 + "*b", "a" * 200, False),
        ("*a" * 24 + "*b", "a" * 200 + "b", True),
        ("**/a/" * 30 + "b", "/".join("a" * 400), False),
        ("**/a/" * 30 + "b", "/".join("a" * 400) + "/b", True),
        ("**/*a*a*/**/*b*b*/**/c", "aaa/" * 20 + "bbb/" * 20 + "c", True),
    ],
)
def test_many_stars_end(pattern: str, path: str, ignored: bool) -> None:
    """With a regular expression the first would go on for longer than this machine will exist."""
    assert IgnoreRules([pattern]).ignores(path) is ignored


def test_a_pattern_that_is_longer_than_any_path_is_refused_with_its_line(tmp_path) -> None:
    """The places of each letter in it would take memory that grows with the square of its length."""
    (tmp_path / ".kitignore").write_text("*.log\n" + "*a" * 2049 + "\n")

    with pytest.raises(ModelKitError, match=r"\.kitignore:2: a pattern of 4,098 letters") as refused:
        IgnoreRules.load(tmp_path)
    assert "several patterns" in str(refused.value.advice)
    with pytest.raises(ModelKitError, match="a pattern of 4,097 letters"):
        IgnoreRules(["a" * 4097])
    assert IgnoreRules(["*a" * 2048]).ignores("a" * 2048)


def test_the_places_of_a_pattern_take_memory_that_grows_with_it_alone() -> None:
    def most(count: int) -> int:
        tracemalloc.start()
        try:
            assert _Places(steps("*a" * count)).fits("a" * 40) is False
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(100)  # what is made once and kept
    assert most(8000) < 12 * most(1000)


def test_a_pattern_with_a_bad_set_and_many_stars_is_refused() -> None:
    with pytest.raises(ModelKitError, match="pattern"):
        IgnoreRules(["*a*b*c*[z-a]"])
