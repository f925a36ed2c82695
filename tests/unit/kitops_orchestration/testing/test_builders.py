"""Builders: small, reproducible, and shaped like the real thing."""

from __future__ import annotations

from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.testing.builders import KITFILE, make_context_dir, push_random_modelkit, random_bytes


def test_random_content_is_the_same_for_the_same_seed():
    assert random_bytes(100, seed=1) == random_bytes(100, seed=1) != random_bytes(100, seed=2)


def test_a_random_modelkit_is_complete(tmp_path):
    repository = LayoutRepository(Reference(folder_registry(tmp_path), "team/iris"))
    built = push_random_modelkit(repository, tag="v1", layers=3, annotations={"a": "b"})
    manifest = repository.fetch_manifest("v1")
    assert manifest == built.manifest
    assert manifest.annotations == {"a": "b"}
    assert len(manifest.layers) == 3
    assert all(repository.blob_path(digest).read_bytes() == content for digest, content in built.contents.items())


def test_a_context_directory_holds_what_its_kitfile_names(tmp_path):
    path = make_context_dir(tmp_path / "kit", name="iris")
    assert (path / "Kitfile").read_text() == KITFILE.format(name="iris")
    for name in ("model.bin", "data/train.csv", "code/train.py", "README.md"):
        assert (path / name).is_file()
