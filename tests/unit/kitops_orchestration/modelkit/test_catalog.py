"""Listing, tagging, removing and pruning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.modelkit.catalog import list_folder, list_tags
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.prune import prune
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.referrers import attach

MakeContext = Callable[..., Path]


@pytest.fixture
def packed(make_context: MakeContext, repository: LayoutRepository) -> Callable[[str, str], Digest]:
    def make(tag: str, content: str) -> Digest:
        kitfile = "manifestVersion: 1.0.0\npackage: {name: pkg, authors: [Ada]}\nmodel: {name: iris, path: m}\n"
        return pack(make_context({"Kitfile": kitfile, "m": content}), repository, tag=tag, use_cache=False).digest

    return make


def test_the_list_has_every_tag_with_its_modelkit(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    one, two = packed("v1", "one"), packed("v2", "two")
    repository.set_tag("prod", repository.resolve("v1"))

    listed = list_tags([(repository, None)], concurrency=2)

    assert [(item.reference.tag, item.kit and item.kit.digest) for item in listed] == [
        ("prod", one),
        ("v1", one),
        ("v2", two),
    ]
    assert [item.reference.tag for item in list_tags([(repository, "v2")])] == ["v2"]


def test_an_artifact_of_another_kind_is_listed_as_no_modelkit_and_passes_no_filter(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    packed("v1", "one")
    repository.push_manifest(Index.build([repository.resolve("v1")]), tag="index")

    assert [(item.reference.tag, item.kit is None) for item in list_tags([(repository, None)])] == [
        ("index", True),
        ("v1", False),
    ]
    assert [item.reference.tag for item in list_tags([(repository, None)], filters=["model"])] == ["v1"]
    assert list_tags([(repository, None)], filters=["datasets"]) == []


def test_a_folder_lists_its_repositories(
    packed: Callable[[str, str], Digest], repository: LayoutRepository, tmp_path: Path
) -> None:
    packed("v1", "one")

    assert [str(found) for found in list_folder(tmp_path / "registry")] == [str(repository.reference)]
    assert list(list_folder(tmp_path / "missing")) == []


def test_pruning_keeps_what_is_tagged_whole_with_its_evidence(
    packed: Callable[[str, str], Digest], repository: LayoutRepository, tmp_path: Path
) -> None:
    old, new = packed("v1", "one"), packed("v1", "two")
    for digest in (old, new):
        attach(repository, repository.resolve(digest), artifact_type="a/b", layers=[(digest.encode(), "a/b")])

    assert old in prune(repository, dry_run=True, grace_seconds=0).manifests
    prune(repository, grace_seconds=0)

    with pytest.raises(NotFoundError):
        repository.resolve(old)
    assert len(repository.referrers(new)) == 1
    unpack(repository, new, tmp_path / "out")
