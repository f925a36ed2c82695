"""What no registry ought to answer, byte for byte: early, interim, malformed and endless answers."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kitops_orchestration.errors import (
    AuthenticationError,
    KitOpsError,
    RegistryError,
    RegistryResponseError,
    RegistryUnavailableError,
    TransferCancelledError,
)
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
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
    """Serves each connection by ``serve(server, stream)``; ``seen`` holds requests as (method, target, headers)."""

    def __init__(self, serve):
        self.seen = []
        self.released = threading.Event()
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
        self.released.set()
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


def always(status, body=b"", **headers):
    """Serve one answer to every request."""

    def serve_it(server, stream):
        while True:
            method, size = server.request(stream)
            discard(stream, size)
            stream.write(answer(status, b"" if method == "HEAD" else body, **headers))

    return serve_it


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


NOWHERE = ["http://[::1/x", "http://a..b/", f"http://{'a' * 64}.localhost/"]


@pytest.mark.parametrize("location", NOWHERE)
def test_a_redirect_to_what_is_no_host_is_an_error_of_the_registry(serve, location):
    with pytest.raises(RegistryError):
        opened(serve(always(307, Location=location)), retries=0).has_blob(BLOB)


@pytest.mark.parametrize("location", NOWHERE)
def test_a_list_that_goes_on_at_what_is_no_host_is_an_error_of_the_registry(serve, location):
    page = always(200, b'{"tags": ["v1"]}', Link=f'<{location}>; rel="next"')
    with pytest.raises(RegistryError):
        list(opened(serve(page), retries=0).tags())


@pytest.mark.parametrize("realm", [*(text.replace("http:", "https:") for text in NOWHERE), "https://["])
def test_a_token_service_at_what_is_no_host_is_an_error_of_the_registry(serve, realm):
    with pytest.raises(RegistryError):
        opened(serve(always(401, WWW_Authenticate=f'Bearer realm="{realm}"')), retries=0).has_blob(BLOB)


def test_a_redirect_in_bytes_beyond_ascii_is_followed(serve):
    def moved(server, stream):
        while True:
            server.request(stream)
            is_first = len(server.seen) == 1
            # UTF-8 as it stands, which answer() writes as latin-1
            location = "/v2/gemälde alt".encode().decode("latin-1")
            stream.write(answer(307, Location=location) if is_first else answer(200))

    server = serve(moved)
    opened(server).has_blob(BLOB)
    assert server.seen[1][1] == "/v2/gem%C3%A4lde%20alt"


@pytest.mark.parametrize("date", ["\xb2", "Fri, 31 Dec 1999 23:59:59 +99999999999999999999", "9" * 5000])
def test_a_retry_after_that_is_neither_number_nor_date_asks_for_nothing(serve, date):
    with pytest.raises(RegistryError, match="HTTP 503"):
        opened(serve(always(503, Retry_After=date)), retries=0).has_blob(BLOB)


def test_a_clock_that_cannot_be_read_is_no_clock(serve):
    page = always(200, Date="Fri, 31 Dec 1999 23:59:59 +99999999999999999999")
    assert opened(serve(page)).server_time() is None


@pytest.mark.parametrize("said", ["md5:0123", "SHA256:" + "A" * 64, "nonsense"])
def test_a_digest_of_another_form_is_computed_from_the_content(serve, said):
    manifest = b'{"schemaVersion": 2, "manifests": []}'
    kind = {"Content_Type": "application/vnd.oci.image.index.v1+json", "Docker_Content_Digest": said}
    repository = opened(serve(always(200, manifest, **kind)))
    assert repository.resolve("v1").digest == Digest.of(manifest)


@pytest.mark.parametrize("body", [b'{"tags": 5}', b'{"repositories": {"a": 1}, "tags": "v1"}'])
def test_a_list_that_is_none_is_told_with_its_place(serve, body):
    repository = opened(serve(always(200, body)))
    with pytest.raises(RegistryResponseError, match=r"team/iris.*'tags' is not a list"):
        list(repository.tags())


@pytest.mark.parametrize("entry", [b"5", b'{"mediaType": "a", "digest": "b", "size": 1}'])
def test_referrers_that_are_none_are_told_with_their_place(serve, entry):
    repository = opened(serve(always(200, b'{"manifests": [%s]}' % entry)))
    with pytest.raises(RegistryResponseError, match="team/iris"):
        repository.referrers(BLOB.digest)


def test_a_registry_that_sends_every_tag_at_once_is_read(serve):
    names = [f"{number:064}" for number in range(70_000)]  # more than a manifest may have
    body = ('{"tags": ["' + '", "'.join(names) + '"]}').encode()
    assert list(opened(serve(always(200, body))).tags()) == names


def test_spaces_without_end_in_a_challenge_are_read_in_no_time(serve):
    challenge = 'Bearer realm="https://[",' + " " * 60_000 + "!"
    repository = opened(serve(always(401, WWW_Authenticate=challenge)), retries=0)
    start = time.monotonic()
    with pytest.raises(AuthenticationError):
        repository.has_blob(BLOB)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "token",
    [b'"\\u65e5\\u672c"', b'"t", "expires_in": 1' + b"0" * 400, b"[" * 100_000],
    ids=["letters", "time", "depth"],
)
def test_a_token_that_is_none_is_an_error_of_the_token_service(serve, token):
    def service(server, stream):
        while True:
            server.request(stream)
            realm = f'Bearer realm="http://{server.host}/token"'
            is_token = server.seen[-1][1].startswith("/token")
            stream.write(answer(200, b'{"token": ' + token + b"}") if is_token else answer(401, WWW_Authenticate=realm))

    with pytest.raises(AuthenticationError, match="token"):
        opened(serve(service)).has_blob(BLOB)


@pytest.mark.parametrize("ending", ["\n", "\u65e5"])
def test_an_access_token_that_no_header_takes_is_refused_and_not_shown(serve, ending):
    repository = opened(serve(always(200)), credentials=Credential(access_token="hunter2" + ending))
    with pytest.raises(KitOpsError) as caught:
        repository.has_blob(BLOB)
    assert "hunter2" not in f"{caught.value} {caught.value.advice} {caught.value.__cause__}"


# Waits that end when the caller asks for it


def uploads_but_never_answers(server, stream):
    while True:
        method, _ = server.request(stream)
        if method in ("PUT", "PATCH", "DELETE"):
            server.released.wait(20)
            return
        stream.write(uploads(method))


@pytest.mark.parametrize(
    "push",
    [
        lambda repository: repository.push_blob(BLOB, BytesSource(CONTENT)),
        lambda repository: repository.push_content(BytesSource(CONTENT * 2), BLOB.media_type),
    ],
    ids=["blob", "content"],
)
def test_an_upload_that_hangs_is_cancelled_although_taking_it_back_hangs_too(serve, stop_within, push):
    cancel = threading.Event()
    repository = opened(serve(uploads_but_never_answers), silence_timeout_seconds=15.0).stopped_by(cancel)
    with stop_within(1.5, cancel, after=0.7), pytest.raises(TransferCancelledError):
        push(repository)


def test_whoever_waits_for_its_turn_to_pull_is_cancelled(serve, stop_within, tmp_path):
    repository = opened(serve(always(200, CONTENT)), concurrency=1)
    cancel = threading.Event()
    with repository.pull_slot(), stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        download_blob(repository, BLOB, tmp_path / "blob", cancel=cancel)


def test_whoever_waits_for_its_turn_to_push_is_cancelled(serve, stop_within):
    server = serve(uploads_but_never_answers)
    repository, cancel = opened(server, concurrency=1), threading.Event()
    first = threading.Thread(target=lambda: quietly(lambda: repository.push_blob(BLOB, BytesSource(CONTENT))))
    first.start()
    while "PUT" not in asked(server):
        time.sleep(0.01)
    other = BytesSource(b"other")
    descriptor = Descriptor(BLOB.media_type, Digest.of(b"other"), 5)
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        repository.stopped_by(cancel).push_blob(descriptor, other)
    server.released.set()
    first.join()


class SlowSource:
    """Content that takes long to read."""

    size = 64 * MIB

    def open(self):
        return SlowReader(bytes(self.size))


class SlowReader(io.BytesIO):
    def readinto(self, buffer):
        time.sleep(0.05)
        return super().readinto(memoryview(buffer)[:65536])


@pytest.mark.parametrize("status", [404, 200])
def test_hashing_is_cancelled_where_the_registry_took_no_upload(serve, stop_within, status):
    cancel = threading.Event()
    repository = opened(serve(always(status))).stopped_by(cancel)
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        repository.push_content(SlowSource(), BLOB.media_type)


def test_a_copy_is_cancelled_while_it_waits_as_long_as_the_source_asked(serve, tmp_path):
    layer = Descriptor(BLOB.media_type, Digest.of(b"layer"), 5)
    manifest = Manifest.build(config=layer, layers=[])

    def busy(server, stream):
        while True:
            server.request(stream)
            is_manifest = "/manifests/" in server.seen[-1][1]
            kind = {"Content_Type": manifest.media_type}
            stream.write(answer(200, manifest.content, **kind) if is_manifest else answer(503, Retry_After="15"))

    destination = LayoutRepository(Reference(folder_registry(tmp_path), "iris"))
    cancel, server = threading.Event(), serve(busy)
    stopped_at = cancel_when(cancel, lambda: any("/blobs/" in seen[1] for seen in server.seen), after=0.3)
    with pytest.raises(TransferCancelledError):
        copy(opened(server), "v1", destination, cancel=cancel)
    assert time.monotonic() - stopped_at[0] < 5.0


def test_an_attachment_is_cancelled_while_it_looks_whether_its_entry_stays(serve):
    kept = {}

    def slow(server, stream):
        while True:
            method, size = server.request(stream)
            target = server.seen[-1][1]
            if method == "PUT":
                kept[target] = b"".join(stream.read(1) for _ in range(size))
            time.sleep(0.4)
            is_there = method != "PUT" and target in kept
            stream.write(answer(200, kept[target]) if is_there else answer(201 if method == "PUT" else 404))

    subject = Descriptor("application/vnd.oci.image.manifest.v1+json", BLOB.digest, 5)
    config = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
    cancel = threading.Event()
    server = serve(slow)

    # The pause is three times as long as reading and writing took.
    stopped_at = cancel_when(cancel, lambda: asked(server).count("PUT") == 2, after=1.0)
    with pytest.raises(TransferCancelledError):
        opened(server).stopped_by(cancel).push_manifest(Manifest.build(config=config, layers=[], subject=subject))
    assert time.monotonic() - stopped_at[0] < 2.0  # the rest of the pause is longer


# Attempts


def test_a_part_that_brings_no_byte_is_no_progress(serve):
    def cuts(server, stream):
        server.request(stream)
        rest = f"bytes 1000-{BLOB.size - 1}/{BLOB.size}"
        stream.write(answer(206, Content_Range=rest).replace(b"Length: 0", b"Length: %d" % (BLOB.size - 1000)))

    server = serve(cuts)
    with pytest.raises(RegistryUnavailableError):
        opened(server, retries=2, retry_budget_seconds=8.0).fetch_blob(BLOB, offset=1000).read(10)
    assert len(server.seen) == 3


def test_a_server_without_ranges_may_be_cut_again_before_it_comes_to_what_is_missing(serve):
    def cuts(server, stream):
        server.request(stream)
        whole = answer(200, CONTENT)
        stream.write(whole[: {1: 9 * MIB, 2: MIB}.get(len(server.seen), len(whole))])

    with opened(serve(cuts), retries=2).fetch_blob(BLOB) as stream:
        assert b"".join(iter(lambda: stream.read(MIB), b"")) == CONTENT


# Ranges


def serves_parts(part):
    """Answer ``part(start, end)`` to a range, and the whole to whoever asks for no range."""

    def serve(server, stream):
        while True:
            server.request(stream)
            asked_for = re.fullmatch(r"bytes=(\d+)-(\d+)", server.seen[-1][2].get("range", ""))
            stream.write(part(int(asked_for[1]), int(asked_for[2]) + 1) if asked_for else answer(200, CONTENT))

    return serve


def content_range(start, end):
    return answer(206, CONTENT[start:end], Content_Range=f"bytes {start}-{end - 1}/{BLOB.size}")


ODD_PARTS = {
    "less than was asked for": lambda start, end: content_range(start, min(end, start + 5 * MIB)),
    "another place": lambda start, end: content_range(start - 1, end),
    "more than was asked for": lambda start, end: content_range(start, BLOB.size),
    "no Content-Range": lambda start, end: answer(206, CONTENT[start:end]),
    "not satisfiable": lambda start, end: answer(416, Content_Range=f"bytes */{BLOB.size}"),
}


@pytest.mark.parametrize("part", ODD_PARTS)
@pytest.mark.parametrize("kept", [1, 9 * MIB + 5])
def test_what_is_there_already_is_completed_whatever_ranges_a_server_sends(serve, tmp_path, kept, part):
    left = tmp_path / f".blob.{BLOB.digest.hex[:16]}.partial"
    left.write_bytes(CONTENT[:kept])
    download_blob(opened(serve(serves_parts(ODD_PARTS[part]))), BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.parametrize("part", ODD_PARTS)
def test_a_part_is_whole_or_refused_before_it_is_read(serve, part):
    stream = opened(serve(serves_parts(ODD_PARTS[part]))).fetch_range(BLOB, MIB, 7 * MIB)
    assert (stream is None) == (part != "less than was asked for")
    if stream is not None:
        with stream:
            assert b"".join(iter(lambda: stream.read(MIB), b"")) == CONTENT[MIB : 8 * MIB]


def test_a_server_may_stop_serving_ranges_while_one_is_read(serve):
    def cuts_then_sends_all(server, stream):
        server.request(stream)
        stream.write(answer(200, CONTENT) if len(server.seen) > 1 else content_range(MIB, 8 * MIB)[: 3 * MIB])

    with opened(serve(cuts_then_sends_all)).fetch_range(BLOB, MIB, 7 * MIB) as stream:
        assert b"".join(iter(lambda: stream.read(MIB), b"")) == CONTENT[MIB : 8 * MIB]


# Processes


def test_a_forked_child_does_not_wait_for_the_transfers_of_its_parent(serve, tmp_path):
    server, done = serve(always(200, CONTENT)), tmp_path / "done"
    repository = opened(server, concurrency=1)

    def pulls():
        download_blob(repository, BLOB, tmp_path / "blob")
        done.touch()

    with repository.pull_slot():
        child = multiprocessing.get_context("fork").Process(target=pulls, daemon=True)
        child.start()
        child.join(20)
        child.kill()
    assert done.exists()


# Proxies and addresses


@pytest.mark.parametrize("plain_http", [True, False])
@pytest.mark.parametrize(("user", "said"), [("ada:hunter2@", "given"), ("", "nobody without")])
def test_a_proxy_that_wants_other_credentials_is_named_and_asked_once(serve, plain_http, user, said):
    proxy = serve(always(407))
    address = Reference("[2001:db8::1]:5000", "team/iris")
    repository = RemoteRepository(address, plain_http=plain_http, proxy=f"http://{user}{proxy.host}")
    with pytest.raises(AuthenticationError, match=rf"proxy {proxy.host} .*{said}") as caught:
        repository.has_blob(BLOB)
    assert "hunter2" not in f"{caught.value} {caught.value.advice}"
    [(method, target, _)] = proxy.seen
    assert plain_http or (method, target) == ("CONNECT", "[2001:db8::1]:5000")


def test_an_address_of_a_kind_that_the_machine_does_not_speak_is_passed_over(serve, monkeypatch):
    found = socket.getaddrinfo
    unspoken = (12345, socket.SOCK_STREAM, 0, "", ("", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [unspoken, *found(*args, **kwargs)])
    opened(serve(always(200)), retries=0).ping()


def asked(server):
    return [method for method, *_ in server.seen]


def cancel_when(cancel, is_time, *, after):
    """Set ``cancel`` a while after something has happened; the list that is returned then holds the moment."""
    moment = []

    def watch():
        while not is_time():
            time.sleep(0.01)
        time.sleep(after)
        moment.append(time.monotonic())
        cancel.set()

    threading.Thread(target=watch, daemon=True).start()
    return moment


def quietly(action):
    with contextlib.suppress(KitOpsError):
        action()
