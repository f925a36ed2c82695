from __future__ import annotations

import pytest

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.tag_selector import TagSelector

SPECIFIED_ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
    "2.0.0",
]


@pytest.mark.parametrize(
    ("selector", "tag", "is_match"),
    [
        ("prod", "prod", True),
        ("prod", "production", False),
        ("v*", "v1.2.0", True),
        ("v*", "1.2.0", False),
        ("release-?", "release-a", True),
        (">=1.2,<2", "v1.2.0", True),
        (">=1.2,<2", "1.10.3", True),
        (">=1.2,<2", "2.0.0", False),
        (">=1.2,<2", "latest", False),
        (">=1.2,<2", "1.3.0-rc.1", False),
        (">=1.3.0-rc.1", "1.3.0-rc.2", True),
        ("==1.2.3", "v1.2.3", True),
        ("!=1.2.3", "1.2.3", False),
    ],
)
def test_a_selector_matches_the_tags_it_means(selector: str, tag: str, is_match: bool) -> None:
    assert TagSelector.parse(selector).matches(tag) is is_match


def test_versions_are_ordered_as_semantic_versioning_says() -> None:
    assert TagSelector.parse("*").select(reversed(SPECIFIED_ORDER)) == SPECIFIED_ORDER


def test_tags_that_are_no_versions_come_last_by_name() -> None:
    assert TagSelector.parse("*").select(["prod", "v1.0.0", "latest"]) == ["v1.0.0", "latest", "prod"]


@pytest.mark.parametrize(("selector", "is_exact"), [("prod", True), ("v*", False), (">1", False)])
def test_only_a_name_can_match_one_tag_at_most(selector: str, is_exact: bool) -> None:
    assert TagSelector.parse(selector).is_exact is is_exact


@pytest.mark.parametrize("text", ["", " ", ">=", ">=latest", ">=1.2,", ">=1.2;<2"])
def test_a_range_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        TagSelector.parse(text)
