"""Contexts on disk and repositories to pack them into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.transfer.source import BytesSource

DATA = Path(__file__).parents[3] / "data"
VECTORS = {case["name"]: case for case in json.loads((DATA / "modelkits.json").read_text())["cases"]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep caches of tests out of the user's folder, and the clock of builds unset."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(cache))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return cache


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    """Return an empty folder repository."""
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "team/iris"))


def filler(path: str, size: int) -> bytes:
    """Return the content that the shared vectors define for a path."""
    data = b""
    counter = 0
    while len(data) < size:
        data += hashlib.sha256(f"{path}:{counter}".encode()).digest()
        counter += 1
    return data[:size]


def write_tree(root: Path, files: Mapping[str, bytes | str | None]) -> Path:
    """Write files below ``root``, mode 0644 in directories of 0755; ``None`` makes an empty directory."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    for name, content in files.items():
        path = root / name
        folder = path if content is None else path.parent
        _make(folder, root)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o644)
    return root


def _make(folder: Path, root: Path) -> None:
    if folder != root and not folder.exists():
        _make(folder.parent, root)
        folder.mkdir()
        folder.chmod(0o755)


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a context directory."""

    def make(files: Mapping[str, bytes | str | None], name: str = "context") -> Path:
        return write_tree(tmp_path / name, files)

    return make


@pytest.fixture
def make_vector(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes the context of a shared vector."""

    def make(name: str) -> Path:
        case = VECTORS[name]
        files: dict[str, bytes | str | None] = {
            item["path"]: filler(item["path"], item["size"]) for item in case["files"]
        }
        files |= dict.fromkeys(case["dirs"])
        files["Kitfile"] = case["kitfile"]
        if "kitignore" in case:
            files[".kitignore"] = case["kitignore"]
        root = write_tree(tmp_path / name, files)
        for item in case["files"]:
            (root / item["path"]).chmod(int(item["mode"], 8))
        return root

    return make


class HandMadeKit:
    """Pushes ModelKits that no packer would write: any layer bytes, any manifest."""

    def __init__(self, repository: LayoutRepository) -> None:
        self.repository = repository

    def blob(self, data: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """Store a blob and return its descriptor."""
        descriptor = Descriptor(media_type, Digest.of(data), len(data), dict(annotations or {}))
        self.repository.push_blob(descriptor, BytesSource(data))
        return descriptor

    def push(
        self,
        layers: Sequence[Descriptor],
        *,
        config: bytes = b'{"manifestVersion":"1.0.0","package":{},"model":{"path":"m"}}',
        config_type: str = "application/vnd.kitops.modelkit.config.v1+json",
        artifact_type: str | None = None,
        annotations: Mapping[str, str] | None = None,
        tag: str = "v1",
    ) -> str:
        """Store the manifest and return its tag."""
        manifest = Manifest.build(
            config=self.blob(config, config_type),
            layers=layers,
            artifact_type=artifact_type,
            annotations=annotations or {},
            with_media_type=False,
        )
        self.repository.push_manifest(manifest, tag=tag)
        return tag


@pytest.fixture
def hand_made(repository: LayoutRepository) -> HandMadeKit:
    """Return a maker of odd ModelKits."""
    return HandMadeKit(repository)
