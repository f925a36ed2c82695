"""A ModelKit with its evidence goes from medium to medium and comes back the same."""

from __future__ import annotations

import pytest

from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.builders import push_random_modelkit
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def folder(folder_registry) -> Repository:
    return open_repository(Reference(folder_registry, "team/iris"))


def test_a_round_trip_through_a_registry_changes_nothing(folder, open_named, repository_name, tmp_path):
    built = push_random_modelkit(folder, tag="v1", layers=3, layer_bytes=200_000)
    signed = attach(folder, built.descriptor, artifact_type="application/x", layers=[(b"signature", "text/plain")])
    attach(folder, signed.descriptor, artifact_type="application/y", layers=[(b"countersigned", "text/plain")])
    there = open_named(repository_name)
    pushed = copy(folder, "v1", there, tag="v1", referrers=True)
    back = open_repository(Reference(f"file://{tmp_path}/back", "team/iris"))
    pulled = copy(there, "v1", back, tag="v1", referrers=True)
    assert pushed.descriptor == pulled.descriptor == built.descriptor
    assert pushed.referrers_copied == pulled.referrers_copied == 2
    assert back.fetch_manifest("v1").content == built.manifest.content
    for digest in (built.descriptor.digest, signed.descriptor.digest):
        assert back.referrers(digest) == there.referrers(digest) == folder.referrers(digest)
    for blob in built.manifest.blobs:
        with back.fetch_blob(blob) as stream:
            assert stream.read() == built.contents[blob.digest]


def test_a_kit_moves_between_two_registries_without_a_local_file(open_named, repository_name, monkeypatch, tmp_path):
    source = open_named(repository_name)
    built = push_random_modelkit(source, tag="v1", layer_bytes=300_000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    with EmbeddedRegistry() as other:
        destination = open_repository(other.reference("team/prod"))
        assert copy(source, "v1", destination, tag="v1").blobs_copied == 3
        assert destination.resolve("v1") == built.descriptor
    assert set(tmp_path.rglob("*")) == before
