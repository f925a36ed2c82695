"""Promotion inside one registry: a ModelKit of ten gigabytes arrives, and not one byte of a layer travels."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from kitops_orchestration import KitClient
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.transfer.source import BytesSource

TEN_GIB = 10 * 1024**3
PLANTED = Digest("sha256:732377e7f4a2abdc13ddfa1eb4c9c497fd2a2b294674d056cf51581b47dd586d")
"""A name for the planted blob. Nobody reads its content, which is the point, so nobody can check it either."""
LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
KITFILE = b'{"manifestVersion":"1.0.0","package":{"name":"huge"},"model":{"path":"model.bin"}}'


def plant(storage: Path, repository: str, digest: Digest, size: int) -> None:
    """Put a sparse blob into the registry's storage, as if somebody had pushed it."""
    root = storage / "docker" / "registry" / "v2"
    blob = root / "blobs" / "sha256" / digest.hex[:2] / digest.hex / "data"
    blob.parent.mkdir(parents=True, exist_ok=True)
    with blob.open("wb") as stream:
        os.truncate(stream.fileno(), size)
    link = root / "repositories" / repository / "_layers" / "sha256" / digest.hex / "link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.write_text(digest)


@contextmanager
def counting_proxy(host: str) -> Iterator[tuple[str, list[tuple[str, str, int, int]]]]:
    """Pass requests on to ``host`` and note method, path and body sizes in both directions."""
    log: list[tuple[str, str, int, int]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None: ...

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            headers["Host"] = self.headers["Host"]
            answer = requests.request(
                self.command, f"http://{host}{self.path}", data=body, headers=headers, allow_redirects=False, timeout=30
            )
            log.append((self.command, self.path, len(body), len(answer.content)))
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in {"connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = pass_on

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", log
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def huge(docker_registry, repository_name) -> Iterator[tuple[KitClient, str, Digest, list]]:
    plant(docker_registry.storage_dir, f"{repository_name}/dev", PLANTED, TEN_GIB)
    with counting_proxy(docker_registry.host) as (host, log):
        client = KitClient(host, credentials=StaticCredentials({}))
        repository = client.repository(f"{repository_name}/dev")
        config = Descriptor(CONFIG, Digest.of(KITFILE), len(KITFILE))
        repository.push_blob(config, BytesSource(KITFILE))
        manifest = Manifest.build(config=config, layers=[Descriptor(LAYER, PLANTED, TEN_GIB)], with_media_type=False)
        repository.push_manifest(manifest, tag="v1")
        log.clear()
        yield client, repository_name, manifest.digest, log


def test_ten_gibibytes_are_promoted_without_moving_a_layer_byte(huge):
    client, name, digest, log = huge

    result = client.promote(f"{name}/dev:v1", stage="production", destination=f"{name}/prod")

    assert client.resolve(f"{name}/prod:production").digest == digest == result.digest
    assert client.repository(f"{name}/prod").has_blob(Descriptor(LAYER, PLANTED, TEN_GIB))
    assert result.copy.bytes_moved == 0
    assert result.copy.blobs_mounted == 2
    layer_bodies = [
        entry for entry in log if PLANTED.hex in entry[1] and (entry[2] or (entry[0] == "GET" and entry[3]))
    ]
    assert layer_bodies == []
    sent, received = sum(entry[2] for entry in log), sum(entry[3] for entry in log if entry[0] != "HEAD")
    assert sent + received < 100_000, f"{sent} bytes sent and {received} received in {len(log)} requests"
