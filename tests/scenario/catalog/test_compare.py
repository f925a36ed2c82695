"""What the comparison compares: whole values, however short they are shown."""

from __future__ import annotations

import json

import pytest

from kitops_orchestration.catalog import addresses
from tests.scenario.catalog.nearly import DIFFERENT, SAME, fill


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nearly")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITOPS_ORCHESTRATION_CACHE", str(folder / "cache"))
        client, digests = fill(folder)
        client.catalog(str(client.registry), into=folder / "site")
    texts = [(folder / "site" / addresses.version_data("wine", digest)).read_text("ascii") for digest in digests]
    facts = [json.loads(text.partition(",")[2].rpartition(")")[0]) for text in texts]
    return client.diff(f"wine@{digests[0]}", f"wine@{digests[1]}"), facts


def whole(names) -> set[str]:
    """The names of values of which the items of a list were named."""
    return {name.partition("[")[0] for name in names}


@pytest.mark.parametrize("member", ["metrics", "parameters"])
def test_facts_differ_where_diff_says_so_however_little(compared, member) -> None:
    told, facts = compared
    left, right = (dict(item[member]) for item in facts)
    differing = {name for name in {*left, *right} if left.get(name) != right.get(name)}
    told_names = (
        [item.name for item in told.metrics] if member == "metrics" else [item.field for item in told.kit.parameters]
    )
    assert whole(differing) == whole(told_names) == DIFFERENT.keys()
    assert differing.isdisjoint(SAME)


def test_every_value_is_text_because_a_browser_has_no_whole_numbers_above_2_to_the_53(compared) -> None:
    _, facts = compared
    for item in facts:
        for member in ("metrics", "parameters", "fields", "layers", "files", "data"):
            for name, value in item[member]:
                assert all(isinstance(part, str) for part in (name, *([value] if isinstance(value, str) else value)))


def test_a_metric_is_rounded_for_show_and_whole_to_compare(compared) -> None:
    _, (facts, _) = compared
    metrics = dict(facts["metrics"])
    assert metrics["rounded"] == ["0.9123", "0.91231"]
    assert metrics["large"] == ["9.007e+15", "9007199254740992"]
    assert metrics["typed"] == "1"
