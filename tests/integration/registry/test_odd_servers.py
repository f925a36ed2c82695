"""What no registry ought to answer, byte for byte: early, interim, malformed and endless answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from kitops_orchestration.oci.blob_source import BytesSource, FileSource
from kitops_orchestration.oci.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.remote import RemoteRepository
from kitops_orchestration.settings import MIB, Limits

CONTENT = b"weights!" * (3 * MIB)  # more than the system keeps on its way
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))
UPLOAD = "/v2/team/iris/blobs/uploads/one"


def answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} Odd", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def uploads(method):
    """Answer as a registry does that takes a blob."""
    if method == "POST":
        return answer(202, Location=UPLOAD)
    return answer({"HEAD": 404, "PUT": 201, "GET": 404}.get(method, 204))


class OddServer:
    """Serves each connection by ``serve(server, stream)``; ``seen`` holds the method, target and headers of requests."""

    def __init__(self, serve):
        self.seen = []
        self._serve = serve
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client):
        with contextlib.suppress(OSError, EOFError), client, client.makefile("rwb", buffering=0) as raw:
            self._serve(self, raw)

    def request(self, stream):
        """Read the header of a request; return the method and how long its body is."""
        lines = iter(lambda: _line(stream), b"")
        method, target, _ = next(lines).decode("latin-1").split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)}
        self.seen.append((method, target, headers))
        return method, int(headers.get("content-length", 0))

    def close(self):
        self._server.close()


def _line(stream):
    line = bytearray()
    while not line.endswith(b"\r\n"):
        byte = stream.read(1)
        if not byte:
            raise EOFError
        line += byte
    return bytes(line[:-2])


def discard(stream, count):
    """Read ``count`` bytes of a body."""
    while count:
        data = stream.read(min(count, 65536))
        if not data:
            raise EOFError
        count -= len(data)


@pytest.fixture
def serve() -> Iterator[object]:
    servers = []

    def start(function):
        servers.append(OddServer(function))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def opened(server, *, credentials=None, **limits):
    found = StaticCredentials({server.host: credentials} if credentials else {})
    given = Limits(**{"retries": 1, "silence_timeout_seconds": 3.0, **limits})
    return RemoteRepository(Reference(server.host, "team/iris"), credentials=found, limits=given)


def content_source(kind, tmp_path):
    if kind == "memory":
        return BytesSource(CONTENT)
    (tmp_path / "content").write_bytes(CONTENT)
    return FileSource(tmp_path / "content")


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("status", [401, 503])
def test_a_connection_with_half_a_body_on_it_carries_no_other_request(serve, tmp_path, status, kind):
    taken_for_body = []

    def refuses_early(server, stream):
        while True:
            method, size = server.request(stream)
            puts = [seen for seen in server.seen if seen[0] == "PUT"]
            if method == "PUT" and len(puts) == 1:
                stream.write(answer(status, WWW_Authenticate='Basic realm="odd"', Retry_After="0"))
                # As nginx does it: the rest of the body is read, and the connection goes on.
                taken = b""
                while len(taken) < size and (data := stream.read(65536)):
                    taken += data
                taken_for_body.append(taken)
                return
            discard(stream, size)
            stream.write(uploads(method))

    server = serve(refuses_early)
    repository = opened(server, credentials=Credential("ada", "hunter2"))
    assert repository.push_blob(BLOB, content_source(kind, tmp_path))
    assert len([seen for seen in server.seen if seen[0] == "PUT"]) == 2
    assert b"HTTP/1.1" not in b"".join(taken_for_body)


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_what_a_server_says_before_its_answer_stops_no_upload(serve, tmp_path, interim, kind):
    def says_first(server, stream):
        while True:
            method, size = server.request(stream)
            stream.write(f"HTTP/1.1 {interim}\r\nLink: </odd>\r\n\r\n".encode())
            discard(stream, size)
            stream.write(f"HTTP/1.1 {interim}\r\n\r\n".encode() + uploads(method))

    assert opened(serve(says_first)).push_blob(BLOB, content_source(kind, tmp_path))
