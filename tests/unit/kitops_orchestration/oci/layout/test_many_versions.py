"""What a folder's repository is read for does not grow with the versions that nobody asked about."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout import index as layout_index
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.promotion.records.history import history
from kitops_orchestration.promotion.records.lost_promotions import with_lost_promotions
from kitops_orchestration.testing.builders import push_random_modelkit

from .many_versions import write_versions

POLICY = "version: 1\nstages:\n  production:\n    checks: []\n"
COUNTED = """
import json, sys
from kitops_orchestration.client import KitClient
from kitops_orchestration.promotion.records import history, lost_promotions
from kitops_orchestration.promotion.retention.retain import RetentionRule
from kitops_orchestration.promotion.rules.policy import PromotionPolicy

name, policy = sys.argv[1], PromotionPolicy.parse(sys.argv[2])
client = KitClient()
opened = []
sys.addaudithook(lambda event, told: opened.append(str(told[0])) if event == "open" else None)
CALLS = {
    "inspect": lambda: client.inspect(f"{name}:1.0.7"),
    "lineage": lambda: client.lineage(f"{name}:1.0.7"),
    "status": lambda: client.status(name, policy=policy),
    "list": lambda: client.list(name),
    "unlisted": lambda: client.repository(name).unlisted(),
    "status --all": lambda: client.status(name, policy=policy, is_complete=True),
    "retain": lambda: client.retain(name, RetentionRule("*", keep_last=1), dry_run=True),
}
found = {}
for verb, call in CALLS.items():
    call()  # imports
    opened.clear()
    call()
    found[verb] = [sum("/blobs/" in path for path in opened), sum(path.endswith("/index.json") for path in opened)]
print(json.dumps(found))
"""
OF_EACH = {"list": 2, "status --all": 8, "retain": 10}
"""Times that a file is read for each version and its two statements, by verbs that are about every version."""


@pytest.fixture(scope="module")
def counts(tmp_path_factory) -> dict[int, dict[str, list[int]]]:
    """Files that each verb opens (blobs, indexes), by the number of versions; counted in a process of its own."""
    pytest.importorskip("cryptography")
    found = {}
    for count in (20, 60):
        folder = tmp_path_factory.mktemp(f"versions{count}")
        where = write_versions(folder, count, None)
        os.utime(where.layout_dir / "index.json", (1e9, 1e9))  # what was written a moment ago is not remembered
        command = [sys.executable, "-c", COUNTED, str(where), POLICY]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
        found[count] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("verb", ["inspect", "lineage", "status", "unlisted"])
def test_what_is_read_does_not_grow_with_the_versions(counts, verb):
    assert counts[20][verb] == counts[60][verb]
    assert counts[20][verb][0] <= 12
    assert counts[20][verb][1] == 1, "the index is read once"


@pytest.mark.parametrize("verb", ["list", "status --all", "retain"])
def test_what_is_about_every_version_reads_each_as_often_as_needed(counts, verb):
    more = counts[60][verb][0] - counts[20][verb][0]
    assert more == 40 * OF_EACH[verb]
    assert counts[60][verb][1] == 1


def test_a_chain_longer_than_the_walk_is_not_lost(tmp_path):
    where = write_versions(tmp_path, 6, None)
    repository = LayoutRepository(where)
    (found,) = with_lost_promotions(repository, [history(repository, "production", limit=2)])
    assert found.gaps == ("4 older promotions are recorded, and not shown",)


# --- Marks --------------------------------------------------------------------------------------------------


@pytest.fixture
def attached(tmp_path):
    """A repository with a subject and one referrer, without the fallback tag that would list it as well."""
    layout = LayoutRepository(KitClient(f"file://{tmp_path}").reference("team/iris"))
    subject = push_random_modelkit(layout, tag="v1").descriptor
    added = attach(layout, subject, artifact_type="a/b", layers=[(b"x", "a/b")]).descriptor
    layout.delete_tag(fallback_tag(subject.digest))
    rewrite(layout, lambda entry: entry)
    return layout, subject, added


def rewrite(layout, change) -> None:
    path = layout.directory / "index.json"
    document = json.loads(path.read_text())
    document["manifests"] = [change(entry) for entry in document["manifests"]]
    path.write_text(json.dumps(document))


def with_mark(mark):
    def changed(entry):
        others = {key: value for key, value in entry["annotations"].items() if key != layout_index.SUBJECT}
        return {**entry, "annotations": {**others, **({} if mark is None else {layout_index.SUBJECT: mark})}}

    return changed


@pytest.mark.parametrize("mark", [None, "", "nonsense", "sha256:"], ids=repr)
def test_an_entry_that_says_nothing_is_read(attached, mark):
    layout, subject, added = attached
    rewrite(layout, with_mark(mark))
    assert [item.digest for item in LayoutRepository(layout.reference).referrers(subject.digest)] == [added.digest]


def test_a_mark_that_is_wrong_makes_no_referrer(attached):
    layout, subject, added = attached
    rewrite(layout, with_mark(str(subject.digest)))
    assert [item.digest for item in LayoutRepository(layout.reference).referrers(subject.digest)] == [added.digest]


def test_tags_that_come_and_go_keep_the_mark(attached):
    layout, subject, added = attached
    for descriptor in (subject, added):
        layout.set_tag("x", descriptor)
        layout.set_tag("y", descriptor)
        layout.delete_tag("x")
        layout.delete_tag("y")
    marks = {
        entry["digest"]: entry["annotations"][layout_index.SUBJECT]
        for entry in json.loads((layout.directory / "index.json").read_text())["manifests"]
    }
    assert (marks[subject.digest], marks[added.digest]) == ("none", subject.digest)


def test_a_tag_on_what_another_tool_listed_says_nothing_that_nobody_knows(attached):
    layout, subject, added = attached
    rewrite(layout, with_mark(None))
    layout.set_tag("x", added)
    assert [item.digest for item in LayoutRepository(layout.reference).referrers(subject.digest)] == [added.digest]
