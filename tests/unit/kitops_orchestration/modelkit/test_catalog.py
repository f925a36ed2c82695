"""Listing, tagging, removing and pruning."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import NotFoundError, RegistryError
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


def blobs(repository: LayoutRepository) -> int:
    return sum(1 for _ in (repository.directory / "blobs/sha256").iterdir())


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


def test_pruning_removes_what_no_tag_leads_to(
    packed: Callable[[str, str], Digest], repository: LayoutRepository, tmp_path: Path
) -> None:
    old, new = packed("v1", "one"), packed("v1", "two")
    before = blobs(repository)

    planned = prune(repository, dry_run=True, grace_seconds=0)
    assert (blobs(repository), planned.is_dry_run) == (before, True)
    done = prune(repository, grace_seconds=0)

    assert (planned.manifests, planned.blobs, planned.bytes_freed) == (done.manifests, done.blobs, done.bytes_freed)
    assert [found.digest for found in done.manifests] == [old]
    assert len(done.blobs) == 3
    assert blobs(repository) == before - 3
    with pytest.raises(NotFoundError):
        repository.resolve(old)
    unpack(repository, new, tmp_path / "out")
    assert prune(repository, grace_seconds=0).blobs == ()


def test_young_blobs_stay_because_a_push_may_still_run(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    packed("v1", "one")
    remove_modelkit(repository, "v1")

    result = prune(repository)

    assert len(result.manifests) == 1
    assert result.blobs == ()
    assert blobs(repository) == 3


def test_evidence_lives_as_long_as_its_subject(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    kept, gone = packed("v1", "one"), packed("v2", "two")
    for digest in (kept, gone):
        attach(repository, repository.resolve(digest), artifact_type="a/b", layers=[(digest.encode(), "a/b")])
    legacy = kept.replace(":", "-") + ".sig"
    repository.push_manifest(Index.build([]), tag=legacy)
    remove_modelkit(repository, "v2")

    prune(repository, grace_seconds=0)

    assert len(repository.referrers(kept)) == 1
    assert repository.referrers(gone) == []
    assert repository.resolve(legacy)


def test_children_of_a_tagged_index_stay(
    packed: Callable[[str, str], Digest], repository: LayoutRepository, tmp_path: Path
) -> None:
    digest = packed("v1", "one")
    repository.push_manifest(Index.build([repository.resolve("v1")]), tag="index")
    remove_modelkit(repository, "v1")

    assert prune(repository, grace_seconds=0).blobs == ()
    unpack(repository, digest, tmp_path / "out")


def test_an_unreadable_tagged_manifest_stops_pruning(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    path = repository.blob_path(packed("v1", "one"))
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)

    with pytest.raises(RegistryError, match="nothing was removed"):
        prune(repository, grace_seconds=0)
    assert blobs(repository) == 3


def test_leftovers_of_dead_writers_are_removed_and_foreign_files_are_not(
    packed: Callable[[str, str], Digest], repository: LayoutRepository
) -> None:
    packed("v1", "one")
    old, young, foreign = (
        repository.directory / ".uploads/1-dead",
        repository.directory / ".uploads/2-live",
        repository.directory / "blobs/sha256/README",
    )
    for path in (old, young, foreign):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    past = time.time() - 30 * 24 * 3600
    os.utime(old, (past, past))

    prune(repository, grace_seconds=0)

    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_pruning_nothing_is_fine(repository: LayoutRepository) -> None:
    assert prune(repository).blobs == ()
