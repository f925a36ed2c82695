from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest

from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.blob_source import BytesSource
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.signing.keys import LocalSigner, generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"


class CountingRepository:
    """A repository that remembers what was asked of it: one call is one request to a registry."""

    def __init__(self, inner: Repository) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.fetched: list[str] = []

    def __getattr__(self, name: str):
        found = getattr(self.inner, name)
        if name in {"resolve", "fetch_manifest", "fetch_blob", "referrers", "tags"}:
            self.calls[name] += 1
        return found

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        self.calls["fetch_blob"] += 1
        self.fetched.append(descriptor.media_type)
        return self.inner.fetch_blob(descriptor, offset=offset)


def put_modelkit(repository: LayoutRepository, tag: str, content: bytes = b"weights") -> Descriptor:
    """A manifest that looks like a ModelKit's: a config and one layer."""
    blobs = [(b'{"manifestVersion":"1.0.0"}', CONFIG), (content, LAYER)]
    config, layer = [Descriptor(kind, Digest.of(data), len(data)) for data, kind in blobs]
    for descriptor, (data, _) in zip((config, layer), blobs, strict=True):
        repository.push_blob(descriptor, BytesSource(data))
    manifest = Manifest.build(config=config, layers=[layer], annotations={media_types.ANNOTATION_TITLE: tag})
    return repository.push_manifest(manifest, tag=tag)


@pytest.fixture
def repository(tmp_path: Path) -> CountingRepository:
    return CountingRepository(LayoutRepository(Reference.parse(f"{folder_registry(tmp_path)}/team/iris")))


@pytest.fixture
def put():
    return put_modelkit


@pytest.fixture(scope="session")
def ada() -> LocalSigner:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture(scope="session")
def mallory() -> LocalSigner:
    return generate_key_pair(key_format="pkcs8").signer


@pytest.fixture
def trust(ada: LocalSigner) -> TrustPolicy:
    return TrustPolicy.for_key(ada.public_key)
