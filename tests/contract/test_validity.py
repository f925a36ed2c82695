"""On every medium a ModelKit is valid after each verb that writes one, and what somebody breaks is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.validate import validate
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.promotion.air_gap import load, save
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.testing import assert_valid, make_context_dir


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return make_context_dir(tmp_path / "context")


@pytest.fixture
def elsewhere(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'elsewhere')}/team/iris"))


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "attach_files": True}, {"layer_format": "raw"}])
def test_what_was_packed_is_valid(repository: Repository, context: Path, options: dict[str, object]) -> None:
    pack(context, repository, tag="v1", **options)
    assert_valid(repository, "v1")
    assert validate(repository, "v1", reads_layers=False).is_valid


def test_what_was_copied_promoted_or_brought_in_an_archive_is_valid(
    repository: Repository, elsewhere: LayoutRepository, context: Path, tmp_path: Path
) -> None:
    pack(context, repository, tag="v1", attach_files=True)
    copy(repository, "v1", elsewhere, tag="v1", referrers=True)
    assert_valid(elsewhere, "v1")
    promote(elsewhere, "v1", repository, stage="production")
    assert_valid(repository, "production")
    save([(repository, "v1")], tmp_path / "kits.tar")
    third = LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'third')}/team/iris"))
    load(tmp_path / "kits.tar", lambda _: third)
    found = assert_valid(third, "v1")
    assert [each.what for each in found.findings if each.name == "file-list"] == ["1 attached, and agree"]


def test_a_manifest_without_one_of_its_layers_is_found(repository: Repository, context: Path) -> None:
    pack(context, repository, tag="v1")
    manifest = repository.fetch_manifest("v1")
    assert isinstance(manifest, Manifest)
    repository.push_manifest(
        Manifest.build(
            config=manifest.config,
            layers=manifest.layers[1:],
            artifact_type=manifest.artifact_type,
            annotations=manifest.annotations,
        ),
        tag="v1",
    )
    with pytest.raises(AssertionError, match="layers: the Kitfile's model has no layer"):
        assert_valid(repository, "v1")
