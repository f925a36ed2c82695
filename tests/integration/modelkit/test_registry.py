"""Packing straight into a registry and unpacking straight from it, faults included."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import IntegrityError, KitOpsError, TransferCancelledError
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.progress import ProgressEvent
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.registry import EmbeddedRegistry
from kitops_orchestration.testing.registry.faults import Fault

KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model}\ndocs: [{path: README.md}]\n"
WEIGHTS = os.urandom(3_000_000)


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as running:
        yield running


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "context"
    (folder / "model").mkdir(parents=True)
    (folder / "model/weights.bin").write_bytes(WEIGHTS)
    (folder / "README.md").write_text("hello")
    (folder / "Kitfile").write_text(KITFILE)
    return folder


def remote(registry: EmbeddedRegistry, **limits: float) -> RemoteRepository:
    return RemoteRepository(registry.reference("team/iris"), limits=Limits(**limits))


def test_folder_and_registry_get_the_same_digest(registry: EmbeddedRegistry, context: Path, tmp_path: Path) -> None:
    here = LayoutRepository(Reference(folder_registry(tmp_path / "folder"), "team/iris"))

    assert pack(context, remote(registry), tag="v1").digest == pack(context, here, tag="v1").digest


def test_packing_again_sends_nothing(registry: EmbeddedRegistry, context: Path) -> None:
    pack(context, remote(registry), tag="v1")
    registry.clear_requests()

    assert pack(context, remote(registry), tag="v2").uploaded_layers == 0
    assert registry.blob_bodies == 0


def test_uncompressed_layers_are_never_spooled(registry: EmbeddedRegistry, context: Path, tmp_path: Path) -> None:
    pack(context, remote(registry), tag="v1")

    assert not (tmp_path / "cache/spool").exists()


def test_unpacking_fetches_only_what_is_asked_for(registry: EmbeddedRegistry, context: Path, tmp_path: Path) -> None:
    pack(context, remote(registry), tag="v1")
    registry.clear_requests()

    unpack(remote(registry), "v1", tmp_path / "out", filters=["docs"])

    assert (tmp_path / "out/README.md").read_text() == "hello"
    assert registry.blob_bodies == 2  # the config and one layer


def test_a_lost_connection_is_resumed_while_unpacking(
    registry: EmbeddedRegistry, context: Path, tmp_path: Path
) -> None:
    layer = pack(context, remote(registry), tag="v1").layers[0].digest
    for after in (1_000_000, 500_000):
        registry.add_fault(Fault("GET", layer, after_bytes=after, drops=True))

    unpack(remote(registry), "v1", tmp_path / "out")

    assert (tmp_path / "out/model/weights.bin").read_bytes() == WEIGHTS


def test_a_lost_connection_is_sent_again_while_packing(
    registry: EmbeddedRegistry, context: Path, tmp_path: Path
) -> None:
    registry.add_fault(Fault("PUT", "/blobs/uploads/", after_bytes=1_000_000, drops=True))

    pack(context, remote(registry), tag="v1")
    unpack(remote(registry), "v1", tmp_path / "out")

    assert (tmp_path / "out/model/weights.bin").read_bytes() == WEIGHTS


def test_a_corrupted_layer_leaves_nothing(registry: EmbeddedRegistry, context: Path, tmp_path: Path) -> None:
    layer = pack(context, remote(registry), tag="v1").layers[0].digest
    registry.add_fault(Fault("GET", layer, times=20, after_bytes=2_000_000, corrupts=True))

    with pytest.raises(IntegrityError):
        unpack(remote(registry), "v1", tmp_path / "work/out")
    assert not (tmp_path / "work").exists()


def test_a_failed_pack_sets_no_tag(registry: EmbeddedRegistry, context: Path) -> None:
    registry.fail_next(method="PUT", path_contains="/manifests/", status=403, times=50)

    with pytest.raises(KitOpsError):
        pack(context, remote(registry), tag="v1")
    assert tags_if_there(remote(registry)) == []


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_cancelling_ends_a_stalled_transfer(
    verb: str, registry: EmbeddedRegistry, context: Path, tmp_path: Path
) -> None:
    method = "PUT" if verb == "pack" else "GET"
    stop = threading.Event()
    if verb == "unpack":
        pack(context, remote(registry), tag="v1")
    registry.add_fault(Fault(method, "/blobs/", times=50, after_bytes=2_500_000, stall_seconds=60))

    def listen(event: ProgressEvent) -> None:
        if event.verb != "hash" and event.state == "moved" and event.bytes_done > 500_000:
            threading.Timer(0.2, stop.set).start()

    options: dict[str, Any] = {"cancel": stop, "progress": listen}
    runs: dict[str, Callable[[], object]] = {
        "pack": lambda: pack(context, remote(registry), tag="v1", **options),
        "unpack": lambda: unpack(remote(registry), "v1", tmp_path / "work/out", **options),
    }

    start = time.monotonic()
    with pytest.raises(TransferCancelledError):
        runs[verb]()
    assert time.monotonic() - start < 30
    assert not (tmp_path / "work").exists()


def test_parents_are_pulled_and_found_beside_their_child(
    registry: EmbeddedRegistry, context: Path, tmp_path: Path
) -> None:
    client = KitClient(registry.host)
    client.pack(context, "team/base:v1")
    (context / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage: {{name: child}}\nmodel: {{path: '{registry.host}/team/base:v1'}}\n"
    )
    client.pack(context, "team/child:v1")
    near = f"{folder_registry(tmp_path / 'near')}/child:v1"

    client.pull("team/child:v1", near)
    registry.clear_requests()
    client.unpack(near, tmp_path / "out")

    assert registry.requests == []
    assert (tmp_path / "out/model/weights.bin").read_bytes() == WEIGHTS
