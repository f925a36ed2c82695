"""Thirty-two writers on one repository at once: nothing is lost, and no tag is without its content."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.source import NewBytes
from kitops_orchestration.testing.builders import push_bytes

WRITERS = 32
SHARED = 8
"""Versions that were there before; each gets reports and promotions of several writers."""
REPORT = "https://example.org/report/v1"


@pytest.fixture(params=["folder", "docker-registry"])
def client(request, tmp_path: Path) -> KitClient:
    if request.param == "folder":
        return KitClient(folder_registry(tmp_path / "registry"))
    return KitClient(request.getfixturevalue("docker_registry").host, credentials=StaticCredentials({}))


def test_a_manifest_is_stored_while_others_write_the_same_blob_again(docker_registry, repository_name):
    """Signers of one version have a payload in common, and all of evidence has the same empty configuration."""

    def opened() -> RemoteRepository:
        return RemoteRepository(docker_registry.reference(repository_name), credentials=StaticCredentials({}))

    content, ended, refused = b"said by all", threading.Event(), []
    shared = Descriptor("text/plain", Digest.of(content), len(content))
    repository = opened()
    config = push_bytes(repository, b"{}")
    repository.push_blob(shared, NewBytes(content))

    def writes() -> None:
        place = opened()
        while not ended.is_set():
            place.push_blob(shared, NewBytes(content))

    with ThreadPoolExecutor(max_workers=4) as pool:
        others = [pool.submit(writes) for _ in range(4)]
        try:
            for number in range(60):
                manifest = Manifest.build(config=config, layers=[shared], annotations={"number": str(number)})
                try:
                    repository.push_manifest(manifest)
                except KitOpsError as error:
                    refused.append(str(error))
        finally:
            ended.set()
        for other in others:
            other.result(60)
    assert refused == []


def pack(client: KitClient, folder: Path, name: str, tag: str) -> str:
    context = folder / f"context-{tag}"
    context.mkdir()
    (context / "weights.bin").write_text(f"weights {tag}")
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: iris, path: weights.bin}\n")
    return str(client.pack(context, f"{name}:{tag}", gate_rules=GateRules(on_content="warn")).digest)


def test_nothing_is_lost_between_writers(client, repository_name, tmp_path):
    there = [pack(client, tmp_path, repository_name, f"shared{number}") for number in range(SHARED)]

    def writes(number: int) -> Callable[[], object]:
        shared = f"{repository_name}:shared{number % SHARED}"
        if number % 3 == 0:
            return lambda: pack(client, tmp_path, repository_name, f"v{number}")
        if number % 3 == 1:
            return lambda: client.attest(shared, REPORT, {"number": number})
        return lambda: client.promote(shared, stage=f"stage{number}")

    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        answers = [pool.submit(writes(number)) for number in range(WRITERS)]
        for answer in answers:
            answer.result(250)

    numbers = range(WRITERS)
    tags = set(client.tags(repository_name))
    assert {f"v{number}" for number in numbers if number % 3 == 0} <= tags
    assert {f"stage{number}" for number in numbers if number % 3 == 2} <= tags
    repository = client.repository(repository_name)
    for tag in tags:
        node = repository.fetch_manifest(tag)
        assert isinstance(node, Manifest)
        assert all(repository.has_blob(blob) for blob in node.blobs), tag
    found = [client.lineage(f"{repository_name}@{digest}") for digest in there]
    reported = [
        item.statement.predicate["number"] for told in found for item in told.reports if item.predicate_type == REPORT
    ]
    promoted = [item.predicate.to_stage for told in found for item in told.promotions]
    assert sorted(reported) == [number for number in numbers if number % 3 == 1]
    assert sorted(promoted) == sorted(f"stage{number}" for number in numbers if number % 3 == 2)
