"""A thousand versions: the first page stays small, full pages stay as they are, and none is lost."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.pages import ASSETS, site_files
from kitops_orchestration.lineage.answers.facts import PastVersion
from kitops_orchestration.oci.descriptor import Digest

MOST_BYTES = 300_000
COUNT = 1000


def grown(model, count: int):
    """The model with many versions, made from its last."""
    last = model.releases[-1]
    digests = [Digest("sha256:" + hashlib.sha256(str(number).encode()).hexdigest()) for number in range(count)]
    past = tuple(
        PastVersion(f"2.{number}.0", digest, last.time, {"auc": 0.5 + number / (2 * count), "recall": 0.6})
        for number, digest in enumerate(digests)
    )
    releases = []
    for number, digest in enumerate(digests):
        kit = replace(last.passport.version.kit, digest=digest, reference=model.reference.with_digest(digest))
        passport = replace(last.passport, version=replace(last.passport.version, kit=kit), history=past)
        releases.append(replace(last, passport=passport, name=f"2.{number}.0", tags=(f"2.{number}.0",)))
    return replace(model, releases=tuple(releases))


@pytest.fixture(scope="module")
def files(sample):
    (first, *others) = sample.catalog.models
    site = replace(sample.catalog, models=(grown(first, COUNT), *others))
    wanted = ("index.html", "m/risk/churn-risk/index.html", "search-index.js", *ASSETS)
    return {
        path: content
        for path, content in site_files(site)
        if path in wanted or path.startswith("m/risk/churn-risk/-/p/") or path.endswith("versions.csv")
    }


def test_the_first_page_and_all_it_loads_is_small(files) -> None:
    for page in ("index.html", "m/risk/churn-risk/index.html"):
        assert sum(len(files[name]) for name in (page, *ASSETS)) <= MOST_BYTES
    assert len(files["search-index.js"]) <= MOST_BYTES  # comes when somebody begins to search


def test_every_version_is_on_one_page_in_the_table_and_in_the_search(files) -> None:
    pages = [content.decode() for path, content in files.items() if path.startswith("m/risk/churn-risk/")]
    named = [name for page in pages for name in re.findall(r'aria-label="Compare from (2\.\d+\.0)"', page)]
    assert sorted(named) == sorted(f"2.{number}.0" for number in range(COUNT))
    assert files[addresses.versions_csv("risk/churn-risk")].count(b"\n") == COUNT + 1
    assert files["search-index.js"].decode().count('["version","risk/churn-risk') == COUNT


def test_a_page_that_is_full_does_not_change_with_the_next_version(sample, files) -> None:
    (first, *others) = sample.catalog.models
    more = replace(sample.catalog, models=(grown(first, COUNT + 1), *others))
    page = "m/risk/churn-risk/-/p/1.html"
    after = next(content for path, content in site_files(more) if path == page).decode()
    rows = [re.findall(r"<tr><th scope=.row.>.*?</tr>", text, re.DOTALL) for text in (files[page].decode(), after)]
    # What stands beside the table (the newest version, the charts) may change; the rows of a full page do not.
    assert len(rows[0]) >= 50
    assert [row for row in rows[0] if "Compare from" in row] == [row for row in rows[1] if "Compare from" in row]
