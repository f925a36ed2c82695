"""Garbage collection of a folder: what a tag leads to stays, and nothing else."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.prune import PruneResult, prune
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit


@pytest.fixture
def layout(tmp_path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path), "team/iris"))


def note(layout, subject, text):
    return attach(layout, subject, artifact_type="application/x", layers=[(text.encode(), "text/plain")]).descriptor


def blob_names(layout):
    return {path.name for path in (layout.directory / "blobs" / "sha256").iterdir()}


def test_a_folder_that_does_not_exist_has_nothing_to_prune(layout):
    assert prune(layout) == PruneResult((), (), 0, 0)
    assert not layout.directory.exists()


def test_what_a_tag_leads_to_stays(layout):
    push_random_modelkit(layout, tag="v1")
    before = blob_names(layout)
    assert prune(layout, grace_seconds=-1) == PruneResult((), (), 0, 0)
    assert blob_names(layout) == before


def test_a_manifest_without_a_tag_goes_with_the_blobs_only_it_uses(layout):
    old = push_random_modelkit(layout, tag="v1", seed=1, layers=1)
    new = push_random_modelkit(layout, tag="v1", seed=2, layers=1)
    result = prune(layout, grace_seconds=-1)
    assert result.manifests == (old.descriptor.digest,)
    assert set(result.blobs) == {old.descriptor.digest, *(blob.digest for blob in old.manifest.blobs)}
    assert result.size_bytes == old.descriptor.size + sum(blob.size for blob in old.manifest.blobs)
    assert blob_names(layout) == {new.descriptor.digest.hex, *(blob.digest.hex for blob in new.manifest.blobs)}


def test_a_dry_run_removes_nothing_and_says_the_same(layout):
    push_random_modelkit(layout, tag="v1", seed=1)
    push_random_modelkit(layout, tag="v1", seed=2)
    before = blob_names(layout)
    planned = prune(layout, dry_run=True, grace_seconds=-1)
    assert blob_names(layout) == before
    assert prune(layout, grace_seconds=-1) == planned


def test_evidence_stays_as_long_as_its_subject(layout):
    subject = push_random_modelkit(layout, tag="v1").descriptor
    signature = note(layout, subject, "signature")
    note(layout, signature, "signature of the signature")
    push_random_modelkit(layout, tag=fallback_tag(subject.digest) + ".sig", seed=7)
    assert prune(layout, grace_seconds=-1).manifests == ()
    assert len(layout.referrers(subject.digest)) == 1
    layout.delete_tag("v1")
    assert len(prune(layout, grace_seconds=-1).manifests) == 6  # two of them fallback indexes
    assert blob_names(layout) == set()
    assert list(layout.tags()) == []


def test_children_of_a_tagged_index_stay(layout):
    children = [push_random_modelkit(layout, seed=seed).descriptor for seed in (1, 2)]
    layout.push_manifest(Index.build(children), tag="all")
    signature = note(layout, children[0], "of a child")
    assert prune(layout, grace_seconds=-1).manifests == ()
    assert layout.referrers(children[0].digest)[0].digest == signature.digest


def test_a_push_in_progress_is_left_alone(layout):
    push_random_modelkit(layout, tag="v1", seed=1)
    blob = push_bytes(layout, b"its manifest comes in a moment")
    untagged = push_random_modelkit(layout, seed=2)
    assert prune(layout) == PruneResult((), (), 0, 0)
    assert layout.has_blob(blob)
    assert all(layout.has_blob(item) for item in untagged.manifest.blobs)


def test_a_damaged_manifest_with_a_tag_stops_everything(layout):
    broken = push_random_modelkit(layout, tag="v1", seed=1)
    push_random_modelkit(layout, seed=2)
    layout.blob_path(broken.descriptor.digest).write_bytes(b"{}")
    before = blob_names(layout)
    with pytest.raises(KitOpsError):
        prune(layout, grace_seconds=-1)
    assert blob_names(layout) == before


def test_files_of_other_tools_below_blobs_stay(layout):
    push_random_modelkit(layout, tag="v1")
    (layout.directory / "blobs" / "sha256" / "notes.txt").write_text("mine")
    assert prune(layout, grace_seconds=-1).blobs == ()
    assert (layout.directory / "blobs" / "sha256" / "notes.txt").exists()
