"""skopeo reads the folders that we pack into, and gives ModelKits back with their digest."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model}\ndocs: [{path: README.md}]\n"


def skopeo(*arguments: str) -> bytes:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout


def repository_at(folder: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(folder), "team/iris"))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "model").mkdir(parents=True)
    (folder / "model/weights.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "README.md").write_text("hello")
    (folder / "Kitfile").write_text(KITFILE)
    return folder


@pytest.mark.parametrize("profile", ["reproducible", "kit", "kit-1.7"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_skopeo_reads_our_folders(profile: Any, compression: Any, context: Path, tmp_path: Path) -> None:
    repository = repository_at(tmp_path / "registry")
    packed = pack(context, repository, tag="v1", profile=profile, compression=compression, use_cache=False)

    raw = skopeo("inspect", "--raw", f"oci:{repository.directory}:v1")

    assert raw == packed.manifest.content
    assert json.loads(raw)["layers"][0]["digest"] == packed.layers[0].digest


@pytest.mark.parametrize("model_pack", [False, True])
def test_skopeo_copies_there_and_back_with_the_same_digest(model_pack: bool, context: Path, tmp_path: Path) -> None:
    first, second = repository_at(tmp_path / "first"), repository_at(tmp_path / "second")
    packed = pack(context, first, tag="v1", model_pack=model_pack, use_cache=False)
    second.directory.parent.mkdir(parents=True)

    skopeo("copy", "--preserve-digests", f"oci:{first.directory}:v1", f"dir:{tmp_path}/plain")
    skopeo("copy", "--preserve-digests", f"dir:{tmp_path}/plain", f"oci:{second.directory}:v2")

    assert second.resolve("v2").digest == packed.digest
    assert inspect(second, "v2").kitfile == packed.kitfile
    unpack(second, "v2", tmp_path / "out")
    assert (tmp_path / "out/model/weights.bin").read_bytes() == (context / "model/weights.bin").read_bytes()
