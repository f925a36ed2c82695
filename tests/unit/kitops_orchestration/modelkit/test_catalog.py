"""Listing, tagging, removing and pruning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.modelkit.catalog import list_folder, list_modelkits, remove_modelkit, tag_modelkit
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.prune import prune
from kitops_orchestration.oci.referrers import attach

MakeContext = Callable[..., Path]


@pytest.fixture
def packed(make_context: MakeContext, repository: LayoutRepository) -> Callable[[str, str], Digest]:
    def make(tag: str, content: str) -> Digest:
        kitfile = "manifestVersion: 1.0.0\npackage: {name: pkg, authors: [Ada]}\nmodel: {name: iris, path: m}\n"
        return pack(make_context({"Kitfile": kitfile, "m": content}), repository, tag=tag, use_cache=False).digest

    return make


def test_the_list_has_every_modelkit_once_with_its_tags(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    one = packed("v1", "one")
    tag_modelkit(repository, "v1", ["latest", "prod"])
    two = packed("v2", "two")

    listed = list_modelkits(repository)

    assert [(kit.tags, kit.digest, kit.name, kit.authors, kit.size_bytes) for kit in listed] == [
        (("latest", "prod", "v1"), one, "iris", ("Ada",), 2048),
        (("v2",), two, "iris", ("Ada",), 2048),
    ]


def test_other_artifacts_are_not_listed(packed: Callable[[str, str], Digest], repository: LayoutRepository) -> None:
    packed("v1", "one")
    repository.push_manifest(Index.build([repository.resolve("v1")]), tag="index")

    assert [kit.tags for kit in list_modelkits(repository)] == [("v1",)]


def test_a_folder_lists_its_repositories(
    packed: Callable[[str, str], Digest], repository: LayoutRepository, tmp_path: Path
) -> None:
    packed("v1", "one")

    assert [str(found) for found in list_folder(tmp_path / "registry")] == [str(repository.reference)]
    assert list(list_folder(tmp_path / "missing")) == []


def test_removing_takes_tags_away_and_leaves_content(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    digest = packed("v1", "one")
    tag_modelkit(repository, "v1", ["latest", "prod"])

    assert remove_modelkit(repository, "latest") == ("latest",)
    assert remove_modelkit(repository, digest) == ("prod", "v1")
    assert repository.resolve(digest).digest == digest
    with pytest.raises(NotFoundError):
        remove_modelkit(repository, digest)
    with pytest.raises(NotFoundError):
        remove_modelkit(repository, "v1")


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
