"""Importing from a small Hugging Face Hub that this test serves."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from kitops_orchestration.errors import (
    AuthenticationError,
    DigestMismatchError,
    GateRefusedError,
    ModelKitError,
    NotFoundError,
    RegistryUnavailableError,
)
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.packing.gate import GateRules
from kitops_orchestration.modelkit.sources.hugging_face import import_hugging_face
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.resolve import tags_if_there

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = "---\nlicense: mit\nlibrary_name: transformers\n---\n# Tiny\n\nA tiny model.\n"
FILES = {
    "README.md": CARD.encode(),
    "config.json": b'{"model_type": "tiny", "architectures": ["Tiny"]}',
    "model.safetensors": b"weights" * 1000,
    "sub dir/é.txt": b"odd name",
    ".gitattributes": b"*.safetensors filter=lfs",
}


@dataclass
class Hub:
    """What the server serves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    lfs: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    requests: list[str] = field(default_factory=list)
    failing: int = 0
    url: str = ""

    def entry(self, name: str) -> dict[str, Any]:
        """Return how the API lists a file."""
        found: dict[str, Any] = {"size": len(self.files[name]), "oid": hashlib.sha1(self.files[name]).hexdigest()}
        if name.endswith(".safetensors"):
            digest = self.lfs.get(name) or hashlib.sha256(self.files[name]).hexdigest()
            found["lfs"] = {"oid": digest, "sha256": digest, "size": found["size"], "pointerSize": 130}
        return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif "/org/tiny" not in path:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith("/api/models/org/tiny/tree/"):
            listed = [{"type": "file", "path": name, **hub.entry(name)} for name in hub.files]
            self.answer(200, json.dumps(listed).encode())
        elif path.startswith("/api/models/org/tiny"):
            self.info(path.partition("/revision/")[2])
        else:
            self.file(path.partition(f"/resolve/{COMMIT}/")[2])

    def info(self, revision: str) -> None:
        if revision not in ("", "main", COMMIT):
            return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name, **self.hub.entry(name)} for name in self.hub.files]
        return self.answer(200, json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": siblings}).encode())

    def file(self, name: str) -> None:
        if self.hub.failing and self.command == "GET":
            self.hub.failing -= 1
            return self.answer(404, b"")
        if name not in self.hub.files:
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = self.hub.files[name]
        etag = hashlib.sha256(data).hexdigest()
        return self.answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    served = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ServedHub", (Handler,), {"hub": served}))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "org/tiny"))


def test_a_model_is_imported_with_its_source(hub: Hub, repository: LayoutRepository, tmp_path: Path) -> None:
    result = import_hugging_face("org/tiny", repository, tag="v1", endpoint=hub.url)

    kit = inspect(repository, "v1")
    assert kit.manifest.annotations["org.opencontainers.image.source"] == f"{hub.url}/org/tiny"
    assert kit.manifest.annotations["org.opencontainers.image.revision"] == result.revision == COMMIT
    assert kit.kitfile.model is not None
    assert (kit.kitfile.model.name, kit.kitfile.model.license) == ("tiny", "MIT")
    unpack(repository, "v1", tmp_path / "out")
    unpacked = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert unpacked == {"Kitfile", *FILES} - {".gitattributes"}
    assert (tmp_path / "out/model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert [path.suffix for path in (tmp_path / "cache/imports").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("settings.yaml", b"db_password: Tr41n-on-nights!\n", "settings.yaml:1"),
        (".env", b"A=1\n", "a dotenv file"),
        ("id_rsa", b"x", "a private SSH key"),
        ("pytorch_model.bin", b"", "empty"),
        ("model.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", "a Git LFS pointer"),
        ("other.safetensors", b"<!DOCTYPE html>", "an error page"),
    ],
)
def test_what_a_pack_refuses_is_not_imported(
    hub: Hub, repository: LayoutRepository, name: str, content: bytes, words: str
) -> None:
    hub.files[name] = content

    with pytest.raises(GateRefusedError) as raised:
        import_hugging_face("org/tiny", repository, endpoint=hub.url)

    assert words in str(raised.value)
    assert "Tr41n-on-nights" not in str(raised.value)
    assert not repository.directory.exists()
    allowed = GateRules(allow_secret=("*=a test",), allow_content=("*=a test",))
    import_hugging_face("org/tiny", repository, endpoint=hub.url, gate_rules=allowed)


def test_the_endpoint_comes_from_the_environment(
    hub: Hub, repository: LayoutRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url + "/")

    assert import_hugging_face("org/tiny", repository).source == f"{hub.url}/org/tiny"


def test_importing_again_gives_the_same_digest(hub: Hub, repository: LayoutRepository) -> None:
    first = import_hugging_face("org/tiny", repository, endpoint=hub.url)
    again = import_hugging_face("org/tiny", repository, endpoint=hub.url)

    assert first.pack.digest == again.pack.digest
    assert again.pack.uploaded_layers == 0


def test_patterns_choose_files(hub: Hub, repository: LayoutRepository) -> None:
    import_hugging_face("org/tiny", repository, tag="v1", endpoint=hub.url, ignore_patterns=["*.txt", "*.json"])

    assert {layer.path for layer in inspect(repository, "v1").layers} == {".", "README.md", "model.safetensors"} - {"."}
    assert not any("é" in request for request in hub.requests)


def test_a_private_repository_needs_its_token(hub: Hub, repository: LayoutRepository) -> None:
    hub.token = "hf_secret"

    with pytest.raises((AuthenticationError, NotFoundError)) as caught:
        import_hugging_face("org/tiny", repository, endpoint=hub.url, token="wrong")
    assert "wrong" not in str(caught.value)
    assert import_hugging_face("org/tiny", repository, endpoint=hub.url, token="hf_secret").revision == COMMIT


@pytest.mark.parametrize(("name", "revision"), [("org/missing", "main"), ("org/tiny", "nope")])
def test_what_is_not_there_is_not_found(name: str, revision: str, hub: Hub, repository: LayoutRepository) -> None:
    with pytest.raises(NotFoundError):
        import_hugging_face(name, repository, revision=revision, endpoint=hub.url)


def test_a_bad_name_is_an_error(hub: Hub, repository: LayoutRepository) -> None:
    with pytest.raises(ModelKitError, match="not a Hub repository"):
        import_hugging_face("a/b/c", repository, endpoint=hub.url)


def test_a_hub_that_does_not_answer_is_unavailable(repository: LayoutRepository, tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(RegistryUnavailableError):
        import_hugging_face("org/tiny", repository, endpoint="http://127.0.0.1:9")


def test_content_that_is_not_what_the_hub_lists_is_refused(hub: Hub, repository: LayoutRepository) -> None:
    hub.lfs["model.safetensors"] = "0" * 64

    with pytest.raises(DigestMismatchError, match=r"model\.safetensors"):
        import_hugging_face("org/tiny", repository, tag="v1", endpoint=hub.url)
    assert tags_if_there(repository) == []


def test_an_attempt_after_a_failure_fetches_only_what_is_missing(hub: Hub, repository: LayoutRepository) -> None:
    del hub.files["sub dir/é.txt"]
    hub.failing = 1
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one depends on the library's release
        import_hugging_face("org/tiny", repository, endpoint=hub.url)
    fetched = [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]
    hub.requests.clear()

    import_hugging_face("org/tiny", repository, endpoint=hub.url)

    again = [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]
    assert len(again) <= len(hub.files)
    assert len(again) < len(fetched) + len(hub.files)
