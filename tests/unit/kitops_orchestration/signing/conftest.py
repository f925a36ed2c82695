from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.signing.keys import LocalSigner, generate_key_pair, load_private_key

DATA = Path(__file__).resolve().parents[3] / "data"


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """Signatures that other implementations accepted; the key is public on purpose."""
    return json.loads((DATA / "signing.json").read_text())


@pytest.fixture(scope="session")
def vector_signer(vectors) -> LocalSigner:
    return load_private_key(vectors["private_key_pkcs8_pem"])


@pytest.fixture(scope="session")
def people() -> SimpleNamespace:
    """One key for each."""
    return SimpleNamespace(
        **{name: generate_key_pair(key_format="pkcs8").signer for name in ("ada", "ben", "mallory", "ada2")}
    )


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference.parse(f"{folder_registry(tmp_path / 'registry')}/team/iris"))


@pytest.fixture
def put():
    def put_modelkit(repository: LayoutRepository, tag: str, content: bytes = b"weights") -> Descriptor:
        blobs = [
            (b'{"manifestVersion":"1.0.0"}', "application/vnd.kitops.modelkit.config.v1+json"),
            (content, "application/vnd.kitops.modelkit.model.v1.tar"),
        ]
        config, layer = [Descriptor(kind, Digest.of(data), len(data)) for data, kind in blobs]
        for descriptor, (data, _) in zip((config, layer), blobs, strict=True):
            repository.push_blob(descriptor, BytesSource(data))
        return repository.push_manifest(Manifest.build(config=config, layers=[layer]), tag=tag)

    return put_modelkit


@pytest.fixture
def write_policy(tmp_path: Path, people):
    """Write ``trust.yaml`` beside the public keys, as a team would keep them."""
    for name, signer in vars(people).items():
        (tmp_path / f"{name}.pub").write_text(signer.public_key.pem)

    def write(text: str) -> Path:
        path = tmp_path / "trust.yaml"
        path.write_text(text)
        return path

    return write
