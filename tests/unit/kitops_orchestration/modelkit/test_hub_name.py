"""One model of the Hub, however its address is written."""

from __future__ import annotations

from itertools import product

import pytest

from kitops_orchestration.modelkit.sources.hugging_face import hub_name

BEFORE = (
    "",
    "hf://",
    "hf.co/",
    "huggingface.co/",
    "https://hf.co/",
    "https://huggingface.co/",
    "http://www.huggingface.co/",
)
KINDS = {"": None, "models/": "model", "datasets/": "dataset", "spaces/": "space"}


@pytest.mark.parametrize(("before", "kind"), list(product(BEFORE[1:], KINDS)))
def test_the_hubs_names_are_one(before: str, kind: str) -> None:
    assert hub_name(f"{before}{kind}org/name") == ("org/name", KINDS[kind])


@pytest.mark.parametrize(
    "source",
    ["org/name", "datasets/name", "https://git.example/org/name.git", "git@hf.co:org/name", "hf/name", "./hf.co/a"],
)
def test_other_addresses_stay_as_they_are(source: str) -> None:
    assert hub_name(source) == (source, None)
