"""Registries that say odd numbers, refuse what is only an aid, or hide what they have: what is asked of us then."""

from __future__ import annotations

import base64
import email.utils
import gzip
import itertools
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard

from kitops_orchestration import KitClient
from kitops_orchestration.errors import (
    AuthenticationError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    RegistryUnavailableError,
)
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.auth.credentials import Credential, DockerConfig, StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.retry import retry_after
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import make_context_dir, push_random_modelkit, random_bytes
from kitops_orchestration.testing.registry import EmbeddedRegistry
from kitops_orchestration.testing.registry.exchange import Exchange

CONTENT = random_bytes(300_000)
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))
CHUNK = 64_000
NOBODY = StaticCredentials({})
QUICK = Limits(chunk_bytes=CHUNK, retries=1, retry_budget_seconds=3, silence_timeout_seconds=3)
Answer = Callable[[Exchange], bool]


class OddRegistry(EmbeddedRegistry):
    """The embedded registry, with a function that may answer a request itself, and one that may change an answer."""

    def __init__(self, *, answer: Answer | None = None, change: Callable[..., dict] | None = None, **options) -> None:
        super().__init__(**options)
        self.answer = answer
        self.change = change

    def serve(self, exchange: Exchange) -> None:
        if self.answer is not None and self.answer(exchange):
            return
        if self.change is not None:
            send = exchange.send

            def changed(status, **parts):
                send(status, **{**parts, **self.change(exchange, status, parts)})

            exchange.send = changed
        super().serve(exchange)


@pytest.fixture
def odd() -> Iterator[Callable[..., OddRegistry]]:
    """Start an odd registry that ends with the test."""
    started: list[OddRegistry] = []

    def start(**options) -> OddRegistry:
        started.append(OddRegistry(**options).start())
        return started[-1]

    yield start
    for registry in started:
        registry.stop()


def opened(registry: EmbeddedRegistry, name: str = "team/iris", **options) -> RemoteRepository:
    options = {"credentials": NOBODY, "limits": QUICK, **options}
    return RemoteRepository(registry.reference(name), **options)


# Chunks: the number that an accepted chunk is answered with


def last_chunk(offset: int, size: int) -> str:
    return f"0-{size - 1}"


RANGES: dict[str, Callable[[int, int], str | None]] = {
    "the last chunk's own size": last_chunk,
    "the last chunk's place": lambda offset, size: f"{offset}-{offset + size - 1}",
    "always the first byte": lambda offset, size: "0-0",
    "always the first chunk": lambda offset, size: f"0-{CHUNK - 1}",
    "one byte less than before": lambda offset, size: f"0-{max(offset - 2, 0)}",
    "what it had before": lambda offset, size: f"0-{max(offset - 1, 0)}",
    "more than it was sent": lambda offset, size: f"0-{offset + size + 10_000}",
    "more than there is": lambda offset, size: "0-99999999999",
    "a number that no machine has": lambda offset, size: "0-" + "9" * 40,
    "a negative one": lambda offset, size: "0--5",
    "the wrong way round": lambda offset, size: f"{offset + size}-0",
    "bytes": lambda offset, size: f"bytes=0-{offset + size - 1}",
    "nothing": lambda offset, size: "",
    "words": lambda offset, size: "all of it",
}


@pytest.mark.parametrize("what", RANGES)
def test_an_accepted_chunk_is_not_sent_for_ever_whatever_range_it_is_answered_with(odd, what):
    def change(exchange: Exchange, status: int, parts: dict) -> dict:
        if exchange.method != "PATCH" or status != 202:
            return {}
        offset = int(exchange.headers["Content-Range"].split("-")[0])
        return {"headers": {**parts["headers"], "Range": RANGES[what](offset, exchange.content_length)}}

    registry = odd(change=change)
    registry.behaviour.max_body_bytes = 100_000
    repository = opened(registry)
    assert repository.push_blob(BLOB, BytesSource(CONTENT))
    assert repository.has_blob(BLOB)
    assert registry.count(method="PATCH") <= 2 * len(CONTENT) / CHUNK


@pytest.mark.parametrize("kept", [1, 10, 900])
def test_a_registry_that_keeps_next_to_nothing_of_each_chunk_is_given_up(odd, kept):
    sizes: dict[str, int] = {}

    def answer(exchange: Exchange) -> bool:
        if exchange.method != "PATCH":
            return False
        exchange.read_body()
        sizes[exchange.path] = sizes.get(exchange.path, 0) + kept
        headers = {"Location": exchange.path, "Range": f"0-{sizes[exchange.path] - 1 or 1}"}
        exchange.send(202, headers=headers)
        return True

    registry = odd(answer=answer)
    registry.behaviour.max_body_bytes = 100_000
    with pytest.raises(KitOpsError):
        opened(registry).push_blob(BLOB, BytesSource(CONTENT))
    assert registry.count(method="PATCH") < 80


def test_a_registry_that_never_agrees_on_the_offset_is_given_up(odd):
    said = itertools.cycle([1000, 2000])

    def answer(exchange: Exchange) -> bool:
        if "/blobs/uploads/" not in exchange.path or exchange.method not in ("PATCH", "GET"):
            return False
        exchange.read_body()
        headers = {"Location": exchange.path, "Range": f"0-{next(said)}"}
        exchange.send(416 if exchange.method == "PATCH" else 204, headers=headers)
        return True

    registry = odd(answer=answer)
    registry.behaviour.max_body_bytes = 100_000
    with pytest.raises(RegistryError):
        opened(registry).push_blob(BLOB, BytesSource(CONTENT))
    assert registry.count(method="PATCH") < 80


# Lists: pages without end


def page_of(tags: Callable[[int], list[str]]) -> Answer:
    numbers = itertools.count(1)

    def answer(exchange: Exchange) -> bool:
        if not exchange.path.endswith("/tags/list"):
            return False
        number = next(numbers)
        link = {"Link": f'<{exchange.path}?n=1000&last={number}>; rel="next"'}
        exchange.send_json(200, {"name": "team/iris", "tags": tags(number)}, link)
        return True

    return answer


@pytest.mark.parametrize(
    "tags",
    [lambda number: ["v1"], lambda number: [], lambda number: None, lambda number: ["v1", "v2"][: number % 3]],
    ids=["the same", "none", "null", "some of the same"],
)
def test_pages_that_bring_nothing_new_come_to_an_end(odd, tags):
    registry = odd(answer=page_of(tags))
    with pytest.raises(RegistryResponseError, match="has not ended"):
        list(opened(registry).tags())
    assert registry.count(path_contains="/tags/list") < 60


def test_a_few_empty_pages_in_the_middle_of_a_list_are_no_end(odd):
    pages = [["a"], [], [], ["b"], []]

    def answer(exchange: Exchange) -> bool:
        if not exchange.path.endswith("/tags/list"):
            return False
        at = int(exchange.query.get("last", 0))
        link = {"Link": f'<{exchange.path}?last={at + 1}>; rel="next"'} if at + 1 < len(pages) else {}
        exchange.send_json(200, {"tags": pages[at]}, link)
        return True

    assert list(opened(odd(answer=answer)).tags()) == ["a", "b"]


# Dripping bytes


@pytest.mark.parametrize("size", [100_000, 3_000_000])  # a large blob goes into its file inside the kernel
@pytest.mark.parametrize("path", ["/manifests/", "/blobs/", "/tags/list"])
def test_bytes_that_drip_are_as_good_as_silence(odd, path, size, tmp_path):
    stopping = threading.Event()

    def drip() -> Iterator[bytes]:
        while not stopping.wait(0.05):
            yield b" "

    class Dripping:
        def __init__(self) -> None:
            self.pieces = drip()

        def read(self, _size: int) -> bytes:
            return next(self.pieces, b"")

    def answer(exchange: Exchange) -> bool:
        if exchange.method != "GET" or path not in exchange.path:
            return False
        exchange.send(200, headers={"Content-Type": media_types.MANIFEST}, body=Dripping(), length=size)
        return True

    limits = Limits(retries=1, retry_budget_seconds=5, silence_timeout_seconds=0.5, least_bytes_per_second=1000)
    repository = opened(odd(answer=answer), limits=limits)
    blob = Descriptor("application/octet-stream", Digest.of(b"x" * size), size)
    reads = {
        "/manifests/": lambda: repository.fetch_manifest("v1"),
        "/tags/list": lambda: list(repository.tags()),
        "/blobs/": lambda: download_blob(repository, blob, tmp_path / "blob", limits=limits),
    }
    started = time.monotonic()
    try:
        with pytest.raises(RegistryUnavailableError, match="less than 1000 bytes a second"):
            reads[path]()
        assert time.monotonic() - started < 20
    finally:
        stopping.set()


@pytest.mark.parametrize("is_file", [True, False], ids=["a file", "memory"])
def test_a_registry_that_takes_bytes_one_by_one_is_given_up(odd, tmp_path, is_file):
    content = random_bytes(24 * MIB)  # more than the system keeps on its way
    (tmp_path / "blob").write_bytes(content)
    limits = Limits(retries=1, retry_budget_seconds=5, silence_timeout_seconds=3, least_bytes_per_second=50_000_000)
    registry = odd()
    registry.behaviour.bytes_per_second = 2_000_000
    blob = Descriptor("application/octet-stream", Digest.of(content), len(content))
    source = FileSource(tmp_path / "blob") if is_file else BytesSource(content)
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError, match="bytes a second"):
        opened(registry, limits=limits).push_blob(blob, source)
    assert time.monotonic() - started < 30


def test_a_slow_reader_is_not_a_slow_registry(odd):
    registry = odd()
    limits = Limits(retries=0, silence_timeout_seconds=0.5, least_bytes_per_second=10_000_000)
    repository = opened(registry, limits=limits)
    repository.push_blob(BLOB, BytesSource(CONTENT))
    with repository.fetch_blob(BLOB) as stream:
        found = stream.read(1000)
        for _ in range(3):
            time.sleep(0.3)
            found += stream.read(1000)
    assert found == CONTENT[: len(found)]


def test_a_registry_that_thinks_before_it_answers_is_not_slow(odd):
    def answer(exchange: Exchange) -> bool:
        exchange.wait(1.2)
        return False

    limits = Limits(retries=0, silence_timeout_seconds=2, least_bytes_per_second=1_000_000)
    repository = opened(odd(answer=answer), limits=limits)
    assert tags_if_there(repository) == []


# Foreign numbers


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("1800000000", 0, 3600),
        ("999999999999999999", 0, 3600),
        ("86400", 3600, 3600),
        ("3600", 3600, 3600),
        ("7", 7, 7),
        ("0", 0, 0),
        pytest.param(str(int(time.time()) - 100), 0, 0, id="a moment that is over"),
        (email.utils.format_datetime(email.utils.parsedate_to_datetime("Fri, 01 Jan 2083 00:00:00 GMT")), 3600, 3600),
    ],
)
def test_nobody_is_told_to_wait_longer_than_an_hour(said, least, most):
    assert least <= retry_after(said) <= most


def test_a_moment_in_seconds_is_the_time_until_then():
    assert 90 < retry_after(str(int(time.time()) + 100)) <= 100


@pytest.mark.parametrize("said", ["-1", "-99999999", "1e9", "nan", "inf", "", " ", "9" * 400, "soon", "1.5"])
def test_a_retry_after_that_is_no_time_is_none(said):
    assert retry_after(said) is None


def test_the_error_of_a_busy_registry_asks_an_orchestrator_for_an_hour_at_most(odd):
    def answer(exchange: Exchange) -> bool:
        exchange.send_error(429, "TOOMANYREQUESTS", "slow down", {"Retry-After": "1800000000000"})
        return True

    with pytest.raises(RegistryUnavailableError) as caught:
        opened(odd(answer=answer), limits=Limits(retries=1)).resolve("v1")
    assert caught.value.retry_after_seconds is not None
    assert caught.value.retry_after_seconds <= 3600


@pytest.mark.parametrize("length", ["-1", "-5", "+10", "0x10", "1e3", "9" * 30, "ten", "10, 20"])
@pytest.mark.parametrize("path", ["/manifests/", "/tags/list"])
def test_a_body_whose_length_is_no_number_is_refused_and_not_waited_for(odd, length, path):
    def answer(exchange: Exchange) -> bool:
        if exchange.method != "GET" or path not in exchange.path:
            return False
        # the header as it is, past what the embedded registry counts itself
        exchange._handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode())
        exchange._status = 200
        return True

    repository = opened(odd(answer=answer), limits=Limits(retries=0, silence_timeout_seconds=30))
    started = time.monotonic()
    with pytest.raises(KitOpsError):
        list(repository.tags()) if path == "/tags/list" else repository.fetch_manifest("v1")
    assert time.monotonic() - started < 15


# Aids are no precondition


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 416, 429, 500, 501, 502, 503, 504, 200, 204])
def test_a_mount_that_is_refused_by_any_status_becomes_an_upload(odd, status):
    def answer(exchange: Exchange) -> bool:
        if "mount" not in exchange.query:
            return False
        exchange.send_error(status, "UNKNOWN", "no") if status != 204 else exchange.send(204)
        return True

    registry = odd(answer=answer)
    client = KitClient(registry.host, credentials=NOBODY, limits=Limits(retries=2, retry_budget_seconds=5))
    pushed = push_random_modelkit(client.repository("team/iris"), tag="v1", layers=6, layer_bytes=100)
    client.copy("team/iris:v1", "prod/iris:v1")
    assert client.repository("prod/iris").resolve("v1").digest == pushed.descriptor.digest
    assert registry.count(path_contains="/prod/iris/blobs/uploads/", status=status) <= 8  # each blob asks once


@pytest.mark.parametrize(
    ("status", "asked"), [(400, 1), (401, 1), (403, 1), (404, 1), (405, 1), (500, 1), (501, 1), (503, 7)]
)
def test_a_refused_mount_is_remembered_and_a_passing_failure_is_not(odd, status, asked):
    def answer(exchange: Exchange) -> bool:
        if "mount" not in exchange.query or exchange.query["from"] != "team/iris":
            return False
        exchange.send_error(status, "UNKNOWN", "no")
        return True

    registry = odd(answer=answer)
    client = KitClient(registry.host, credentials=NOBODY, limits=Limits(retries=2, concurrency=1))
    push_random_modelkit(client.repository("team/iris"), tag="v1", layers=6, layer_bytes=100)
    push_random_modelkit(client.repository("team/rose"), tag="v1", layers=2, layer_bytes=120)
    client.copy("team/iris:v1", "prod/iris:v1")

    def mounts(name: str) -> int:
        return sum("/prod/iris/" in item.path and f"from={name}" in item.query for item in registry.requests)

    assert mounts("team%2Firis") == asked
    assert client.copy("team/rose:v1", "prod/iris:v2").copy.blobs_mounted >= 2  # another source is asked


def test_a_mount_whose_connection_breaks_becomes_an_upload(odd):
    from kitops_orchestration.testing.registry.exchange import DroppedConnectionError

    def answer(exchange: Exchange) -> bool:
        if "mount" in exchange.query:
            raise DroppedConnectionError
        return False

    client = KitClient(odd(answer=answer).host, credentials=NOBODY, limits=Limits(retries=2))
    push_random_modelkit(client.repository("team/iris"), tag="v1", layers=2, layer_bytes=100)
    client.copy("team/iris:v1", "prod/iris:v1")
    assert client.tags("prod/iris") == ["v1"]


NO_INDEX: dict[str, tuple[int, bytes, str]] = {
    "a page": (200, b"<html>log in</html>", "text/html"),
    "nothing": (200, b"", "text/plain"),
    "no content": (204, b"", ""),
    "accepted": (202, b"{}", "application/json"),
    "an empty object": (200, b"{}", "application/json"),
    "an error": (200, b'{"errors": [{"code": "NOT_FOUND"}]}', "application/json"),
    "a list": (200, b"[]", "application/json"),
    "a word": (200, b'"ok"', "application/json"),
    "a manifest": (200, b'{"schemaVersion": 2, "config": {}, "layers": []}', "application/json"),
    "manifests that are no list": (200, b'{"schemaVersion": 2, "manifests": "none"}', "application/json"),
    "half an index": (200, b'{"schemaVersion": 2, "manifests": [', "application/json"),
}


def attach_one(repository: RemoteRepository) -> Descriptor:
    subject = push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10).descriptor
    return attach(repository, subject, artifact_type="a/b", layers=[(b"{}", "c/d")]).descriptor


@pytest.mark.parametrize("what", NO_INDEX)
def test_a_referrers_endpoint_that_answers_with_something_else_is_no_api(odd, what):
    status, body, media_type = NO_INDEX[what]

    def answer(exchange: Exchange) -> bool:
        if "/referrers/" not in exchange.path:
            return False
        exchange.send(status, headers={"Content-Type": media_type}, body=body)
        return True

    registry = odd(answer=answer)
    registry.behaviour.subject_header = False
    repository = opened(registry)
    added = attach_one(repository)
    assert [each.digest for each in repository.referrers(repository.resolve("v1").digest)] == [added.digest]


@pytest.mark.parametrize("status", [404, 400, 405, 501, 200])
def test_a_list_of_referrers_that_breaks_off_is_not_taken_for_all_of_it(odd, status):
    def answer(exchange: Exchange) -> bool:
        if "/referrers/" not in exchange.path or "from" not in exchange.query:
            return False
        exchange.send(status, body=b"<html>")
        return True

    registry = odd(answer=answer)
    repository = opened(registry)
    subject = push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10).descriptor
    for number in range(3):
        attach(repository, subject, artifact_type="a/b", layers=[(str(number).encode(), "c/d")])
    registry.behaviour.page_size = 1
    with pytest.raises(RegistryError):
        repository.referrers(subject.digest)


COMPRESSED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body)[2:-4],  # the bare stream, which some servers send
    "zstd": zstandard.compress,
    "gzip, zstd": lambda body: zstandard.compress(gzip.compress(body)),
    "identity, gzip": gzip.compress,
}


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("path", ["/manifests/", "/tags/list", "/referrers/"])
def test_an_answer_that_is_compressed_unasked_is_read(odd, encoding, path):
    def change(exchange: Exchange, status: int, parts: dict) -> dict:
        if exchange.method != "GET" or path not in exchange.path or status != 200:
            return {}
        return {
            "headers": {**parts["headers"], "Content-Encoding": encoding},
            "body": COMPRESSED[encoding](parts["body"]),
        }

    repository = opened(odd(change=change))
    added = attach_one(repository)
    assert repository.fetch_manifest("v1").digest == repository.resolve("v1").digest
    assert list(repository.tags()) == ["v1"]
    assert [each.digest for each in repository.referrers(repository.resolve("v1").digest)] == [added.digest]


@pytest.mark.parametrize("encoding", ["br", "gzip, br", "compress", "gzip, " * 5 + "gzip"])
@pytest.mark.parametrize("path", ["/manifests/", "/tags/list", "/referrers/"])
def test_a_coding_that_nobody_asked_for_and_nobody_knows_is_named(odd, encoding, path):
    def change(exchange: Exchange, status: int, parts: dict) -> dict:
        if exchange.method != "GET" or path not in exchange.path or status != 200:
            return {}
        return {"headers": {**parts["headers"], "Content-Encoding": encoding}, "body": b"\x0b\x02\x80{}\x03"}

    registry = odd()
    attach_one(opened(registry))
    registry.change = change
    repository = opened(registry)
    digest = repository.resolve("v1").digest
    asked = {
        "/manifests/": lambda: repository.fetch_manifest("v1"),
        "/tags/list": lambda: list(repository.tags()),
        "/referrers/": lambda: repository.referrers(digest),
    }
    with pytest.raises(RegistryError, match=f"the encoding '{encoding[:10]}.*not asked for") as caught:
        asked[path]()  # for referrers too: evidence that cannot be read is not evidence that is not there
    assert "identity" in (caught.value.advice or "")


def test_an_error_in_a_coding_that_nobody_knows_is_still_that_error(odd):
    def answer(exchange: Exchange) -> bool:
        exchange.send(404, headers={"Content-Encoding": "br"}, body=b"\x0b\x02\x80{}\x03")
        return True

    with pytest.raises(NotFoundError):
        opened(odd(answer=answer)).fetch_manifest("v1")


def test_what_is_compressed_small_and_is_large_is_not_unpacked_beyond_the_limit(odd):
    def answer(exchange: Exchange) -> bool:
        if exchange.method != "GET":
            return False
        bomb = gzip.compress(b" " * 50_000_000)
        exchange.send(200, headers={"Content-Type": media_types.MANIFEST, "Content-Encoding": "gzip"}, body=bomb)
        return True

    with pytest.raises(KitOpsError, match="more than"):
        opened(odd(answer=answer)).fetch_manifest("v1")


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_the_length_of_a_compressed_answer_is_not_the_manifests(odd, encoding):
    def change(exchange: Exchange, status: int, parts: dict) -> dict:
        if exchange.method != "HEAD" or "/manifests/" not in exchange.path or status != 200:
            return {}
        return {"headers": {**parts["headers"], "Content-Encoding": encoding}, "body": b"x" * 10}

    repository = opened(odd(change=change))
    pushed = push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10)
    assert repository.resolve("v1") == pushed.descriptor


# Credentials that cannot be looked up


def broken_config(folder, kind: str) -> DockerConfig:
    path = folder / "config.json"
    helper = folder / "docker-credential-broken"
    if kind == "store":
        path.write_text(json.dumps({"credsStore": "not-installed"}))
    elif kind == "helper":
        path.write_text(json.dumps({"credHelpers": {"127.0.0.1": "not-installed"}, "credsStore": "not-installed"}))
    elif kind == "failing":
        helper.write_text("#!/bin/sh\necho no keychain >&2\nexit 3\n")
        helper.chmod(0o755)
        path.write_text(json.dumps({"credsStore": "broken"}))
    elif kind == "talking nonsense":
        helper.write_text("#!/bin/sh\necho hello\n")
        helper.chmod(0o755)
        path.write_text(json.dumps({"credsStore": "broken"}))
    elif kind == "not startable":
        helper.write_text("nothing that runs")
        helper.chmod(0o755)
        path.write_text(json.dumps({"credsStore": "broken"}))
    elif kind == "bad name":
        path.write_text(json.dumps({"credsStore": "../../bin/sh"}))
    else:
        path.write_text("not json")
    return DockerConfig([path, folder / "auth.json"])


KINDS = ["store", "helper", "failing", "talking nonsense", "not startable", "bad name", "not json"]


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_helper_that_fails_stops_nobody_where_nobody_asks_for_credentials(odd, helpers, kind):
    repository = opened(odd(), credentials=broken_config(helpers, kind))
    push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10)
    assert list(repository.tags()) == ["v1"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_helper_that_fails_is_named_where_the_registry_wants_credentials(odd, helpers, kind, auth):
    repository = opened(odd(auth=auth), credentials=broken_config(helpers, kind))
    with pytest.raises(AuthenticationError, match="credential") as caught:
        repository.resolve("v1")
    assert caught.value.reference is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_file_has_the_credentials_that_a_failing_helper_has_not(odd, helpers, kind):
    registry = odd(auth="token")
    pair = f"{registry.username}:{registry.password}".encode()
    auth = base64.b64encode(pair).decode()
    (helpers / "auth.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    repository = opened(registry, credentials=broken_config(helpers, kind))
    push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10)
    assert list(repository.tags()) == ["v1"]


# Registries that hide


class HidingRegistry(OddRegistry):
    """Answers 404, with a challenge, where others answer 401."""

    def serve(self, exchange: Exchange) -> None:
        send = exchange.send

        def changed(status, **parts):
            send(404 if status == 401 and exchange.path.startswith("/v2/team") else status, **parts)

        exchange.send = changed
        super().serve(exchange)


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_404_with_a_challenge_gets_the_credentials_once(auth):
    with HidingRegistry(auth=auth) as registry:
        known = StaticCredentials({registry.host: Credential(registry.username, registry.password)})
        repository = opened(registry, credentials=known)
        push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10)
        fresh = opened(registry, credentials=StaticCredentials({registry.host: known.lookup(repository.reference)}))
        assert fresh.resolve("v1")
        registry.clear_requests()
        with pytest.raises(NotFoundError):
            opened(registry, "team/other", credentials=known).resolve("v1")
        assert registry.count(path_contains="/team/other/") <= 2


@pytest.mark.parametrize("auth", ["basic", "token"])
@pytest.mark.parametrize("credentials", [NOBODY, "wrong"])
def test_a_registry_that_hides_is_not_found_by_those_it_does_not_know(auth, credentials):
    with HidingRegistry(auth=auth) as registry:
        if credentials == "wrong":
            credentials = StaticCredentials({registry.host: Credential("ada", "wrong")})
        with pytest.raises((NotFoundError, AuthenticationError)):
            opened(registry, credentials=credentials).resolve("v1")
        assert registry.count(path_contains="/team/iris/") <= 3


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_a_repository_that_is_not_there_is_not_an_empty_one(odd, tmp_path, kind):
    client = KitClient(f"file://{tmp_path}" if kind == "folder" else odd().host, credentials=NOBODY)
    push_random_modelkit(client.repository("team/iris"), tag="v1", layers=1, layer_bytes=10)
    for ask in (client.tags, client.list):
        with pytest.raises(NotFoundError, match=r"no repository .*team/isir"):
            ask("team/isir")
        assert len(ask("team/iris")) == 1


@pytest.mark.parametrize("answered", [{"name": "team/iris", "tags": None}, {"name": "team/iris", "tags": []}, {}])
def test_a_repository_without_tags_is_an_empty_one(odd, answered):
    def answer(exchange: Exchange) -> bool:
        if not exchange.path.endswith("/tags/list"):
            return False
        exchange.send_json(200, answered)
        return True

    assert KitClient(odd(answer=answer).host, credentials=NOBODY).tags("team/iris") == []


# One way to write a tag


def immutable(status: int, code: str) -> Answer:
    written: set[str] = set()

    def answer(exchange: Exchange) -> bool:
        if exchange.method != "PUT" or "/manifests/" not in exchange.path or "sha256:" in exchange.path:
            return False
        if exchange.path in written:
            exchange.read_body()
            exchange.send_error(status, code, "the tag is immutable")
            return True
        written.add(exchange.path)
        return False

    return answer


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "TAG_INVALID"),
        (403, "DENIED"),
        (405, "UNSUPPORTED"),
        (409, "TAG_EXISTS"),
        (412, "PRECONDITION"),
        (422, "X"),
    ],
)
def test_a_tag_that_does_not_move_and_is_there_already_is_no_failure(odd, tmp_path, status, code):
    registry = odd(answer=immutable(status, code))
    client = KitClient(registry.host, credentials=NOBODY, limits=QUICK)
    make_context_dir(tmp_path / "iris")
    first = client.pack(tmp_path / "iris", "team/iris:v1")
    assert client.pack(tmp_path / "iris", "team/iris:v1").digest == first.digest
    assert client.tag("team/iris:v1", "v1").digest == first.digest
    for _ in range(2):
        assert client.copy("team/iris:v1", "prod/iris:v1").reference.digest == first.digest
        assert (
            client.promote("team/iris:v1", stage="staging", destination="team/staging").reference.digest == first.digest
        )
    (tmp_path / "iris" / "model.bin").write_bytes(b"other weights")
    with pytest.raises(RegistryError, match="immutable"):
        client.pack(tmp_path / "iris", "team/iris:v1")
    assert client.resolve("team/iris:v1").digest == first.digest


# The tag that stands in for a list of referrers


def subject_at_dash(registry: EmbeddedRegistry) -> Answer:
    def answer(exchange: Exchange) -> bool:
        name, _, target = exchange.path.rpartition("/manifests/")
        if exchange.method not in ("GET", "HEAD") or not target.startswith("sha256-"):
            return False
        node = registry.storage.manifest(name.removeprefix("/v2/"), target.replace("-", ":", 1))
        headers = {"Content-Type": node.media_type, "Docker-Content-Digest": node.digest}
        exchange.send(200, headers=headers, body=node.content)
        return True

    return answer


def drops_fallback(exchange: Exchange) -> bool:
    if exchange.method in ("GET", "HEAD") and "/manifests/sha256-" in exchange.path:
        exchange.send_error(404, "MANIFEST_UNKNOWN", "no")
        return True
    return False


def another_manifest(exchange: Exchange) -> bool:
    if exchange.method in ("GET", "HEAD") and "/manifests/sha256-" in exchange.path:
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
        node = Manifest.build(config=config, layers=[config])
        headers = {"Content-Type": node.media_type, "Docker-Content-Digest": node.digest}
        exchange.send(200, headers=headers, body=node.content)
        return True
    return False


@pytest.mark.parametrize("kind", ["the subject", "nothing", "another manifest"])
def test_a_registry_that_keeps_no_fallback_tag_is_told_so_at_once(odd, kind):
    registry = odd()
    registry.behaviour.referrers_api = False
    registry.answer = {
        "the subject": subject_at_dash(registry),
        "nothing": drops_fallback,
        "another manifest": another_manifest,
    }[kind]
    started = time.monotonic()
    with pytest.raises(RegistryResponseError, match="no list of referrers"):
        attach_one(opened(registry))
    assert time.monotonic() - started < 12
