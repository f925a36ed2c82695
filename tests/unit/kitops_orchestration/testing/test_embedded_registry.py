"""The embedded registry as a plain HTTP client sees it: the specification's answers, and each fault."""

from __future__ import annotations

import base64
import http.client
import json
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.testing.builders import push_random_modelkit, random_bytes
from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry, Fault

DATA = random_bytes(200_000)
DIGEST = Digest.of(DATA)
BLOB = f"/v2/team/iris/blobs/{DIGEST}"
UPLOADS = "/v2/team/iris/blobs/uploads/"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return json.loads(self.body)["errors"][0]["code"]


class Client:
    def __init__(self, host: str) -> None:
        self.connection = http.client.HTTPConnection(host, timeout=20)
        weakref.finalize(self, self.connection.close)

    def __call__(self, method: str, path: str, body=None, **headers: str) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, names)
        response = self.connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def push_blob(self, data: bytes = DATA) -> None:
        location = self("POST", UPLOADS).headers["location"]
        assert self("PUT", f"{location}&digest={Digest.of(data)}", data).status == 201


@pytest.fixture
def registry(embedded_registry: EmbeddedRegistry) -> EmbeddedRegistry:
    return embedded_registry


@pytest.fixture
def client(registry: EmbeddedRegistry) -> Iterator[Client]:
    client = Client(registry.host)
    yield client
    client.connection.close()


def test_it_says_what_it_is(client):
    assert client("GET", "/v2/").headers["docker-distribution-api-version"] == "registry/2.0"
    assert client("GET", "/v3/").status == 404


@pytest.mark.parametrize(
    ("range_", "status", "content"),
    [
        ("bytes=0-9", 206, DATA[:10]),
        ("bytes=100-", 206, DATA[100:]),
        ("bytes=-5", 206, DATA[-5:]),
        ("bytes=199999-300000", 206, DATA[-1:]),
        ("pages=1-2", 206, DATA),
    ],
)
def test_ranges_of_a_blob(client, range_, status, content):
    client.push_blob()
    answer = client("GET", BLOB, Range=range_)
    assert (answer.status, answer.body) == (status, content)


def test_a_range_behind_the_end_is_not_satisfiable(client):
    client.push_blob()
    answer = client("GET", BLOB, Range=f"bytes={len(DATA)}-")
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


def test_an_upload_in_chunks_reports_where_it_is(client):
    first = client("POST", UPLOADS)
    half = client("PATCH", first.headers["location"], DATA[:100_000], Content_Range="0-99999")
    assert (half.status, half.headers["range"]) == (202, "0-99999")
    status = client("GET", half.headers["location"])
    assert (status.status, status.headers["range"]) == (204, "0-99999")
    early = client("PATCH", status.headers["location"], b"x", Content_Range="5-5")
    assert (early.status, early.headers["range"]) == (416, "0-99999")
    last = client("PUT", f"{early.headers['location']}&digest={DIGEST}", DATA[100_000:])
    assert last.status == 201
    assert client("GET", BLOB).body == DATA


def test_a_chunked_body_is_taken(client):
    location = client("POST", UPLOADS).headers["location"]
    assert client("PUT", f"{location}&digest={DIGEST}", iter([DATA[:5], DATA[5:]])).status == 201


def test_a_blob_may_come_with_the_post(client):
    assert client("POST", f"{UPLOADS}?digest={DIGEST}", DATA).status == 201
    assert client("HEAD", BLOB).headers["content-length"] == str(len(DATA))


def test_a_wrong_digest_is_refused_and_the_upload_is_gone(client, registry):
    location = client("POST", UPLOADS).headers["location"]
    answer = client("PUT", f"{location}&digest={DIGEST}", b"other")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert registry.uploads.open_count == 0


def test_an_upload_can_be_cancelled(client, registry):
    location = client("POST", UPLOADS).headers["location"]
    assert client("DELETE", location).status == 204
    assert client("GET", location).code == "BLOB_UPLOAD_UNKNOWN"


def test_tags_come_in_pages(client, registry):
    for number in range(5):
        push_random_modelkit(_layout_of(registry), tag=f"v{number}")
    first = client("GET", "/v2/team/iris/tags/list?n=2")
    assert json.loads(first.body)["tags"] == ["v0", "v1"]
    path = first.headers["link"].split(">")[0].removeprefix("<")
    assert json.loads(client("GET", path).body)["tags"] == ["v2", "v3"]
    assert json.loads(client("GET", "/v2/team/iris/tags/list?last=v3").body)["tags"] == ["v4"]
    assert client("GET", "/v2/team/unknown/tags/list").code == "NAME_UNKNOWN"


def _layout_of(registry: EmbeddedRegistry):
    from kitops_orchestration.oci.schemes import open_repository

    return open_repository(registry.reference("team/iris"))


def test_manifests_and_blobs_can_be_deleted(client, registry):
    built = push_random_modelkit(_layout_of(registry), tag="v1")
    assert client("DELETE", "/v2/team/iris/manifests/v1").status == 202
    assert client("DELETE", f"/v2/team/iris/manifests/{built.descriptor.digest}").status == 202
    assert client("DELETE", f"/v2/team/iris/manifests/{built.descriptor.digest}").code == "MANIFEST_UNKNOWN"
    blob = f"/v2/team/iris/blobs/{built.manifest.config.digest}"
    assert client("DELETE", blob).status == 202
    assert client("HEAD", blob).status == 404
    registry.behaviour.deletes = False
    assert client("DELETE", f"/v2/team/iris/blobs/{built.manifest.layers[0].digest}").status == 405


def test_what_is_asked_of_it_is_logged(client, registry):
    client.push_blob()
    client("GET", BLOB, Range="bytes=0-9", Authorization="Bearer secret-token")
    assert registry.count(method="PUT", path_contains="/uploads/", status=201) == 1
    assert registry.blob_bodies == 2
    last = registry.requests[-1]
    assert (last.status, last.bytes_sent, last.headers["authorization"]) == (206, 10, "Bearer")
    assert "secret-token" not in repr(registry.requests)
    registry.clear_requests()
    assert registry.requests == []


def test_it_fails_as_often_as_it_is_told(client, registry):
    registry.fail_next(path_contains="/blobs/", status=429, times=2, retry_after=7)
    assert client("GET", "/v2/").status == 200
    for _ in range(2):
        answer = client("HEAD", BLOB)
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert client("HEAD", BLOB).status == 404


def test_a_connection_drops_in_the_middle_of_a_body(client, registry):
    client.push_blob()
    registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=1000))
    with pytest.raises(http.client.IncompleteRead) as caught:
        client("GET", BLOB)
    assert len(caught.value.partial) == 1000
    assert registry.requests[-1].bytes_sent == 1000


def test_a_connection_drops_before_an_answer(client, registry):
    registry.add_fault(Fault(drops=True))
    with pytest.raises(ConnectionError):
        client("GET", "/v2/")
    assert registry.requests[-1].status == 0


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_upload_that_broke_off_is_kept_or_lost(client, registry, is_lost):
    registry.behaviour.loses_aborted_uploads = is_lost
    location = client("POST", UPLOADS).headers["location"]
    registry.add_fault(Fault("PATCH", drops=True, after_bytes=50_000))
    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, whichever the kernel says first
        client("PATCH", location, DATA)
    status = Client(registry.host)("GET", location)
    assert (status.status, status.headers.get("range")) == ((404, None) if is_lost else (204, "0-49999"))


def test_a_body_is_cut_or_changed_without_a_word(client, registry):
    client.push_blob()
    registry.add_fault(Fault("GET", truncates=True, after_bytes=70_000))
    registry.add_fault(Fault("GET", corrupts=True, after_bytes=70_000))
    assert client("GET", BLOB).body == DATA[:70_000]
    changed = client("GET", BLOB).body
    assert [number for number in range(len(DATA)) if changed[number] != DATA[number]] == [70_000]
    assert client("GET", BLOB).body == DATA


def test_a_stalled_answer_ends_with_the_registry():
    registry = EmbeddedRegistry().start()
    client = Client(registry.host)
    client.push_blob()
    registry.add_fault(Fault("GET", stall_seconds=600, after_bytes=10))
    client.connection.request("GET", BLOB)
    response = client.connection.getresponse()
    assert response.read(10) == DATA[:10]
    began = time.monotonic()
    registry.stop()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    assert time.monotonic() - began < 5


def test_an_upload_session_is_lost(client, registry):
    location = client("POST", UPLOADS).headers["location"]
    registry.add_fault(Fault("PATCH", loses_upload=True))
    assert client("PATCH", location, b"x").code == "BLOB_UPLOAD_UNKNOWN"
    client("POST", UPLOADS)
    registry.uploads.lose_all()
    assert registry.uploads.open_count == 0


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ({"max_body_bytes": 1000}, 413),
        ({"max_chunk_bytes": 1000}, 416),
        ({"refuses_chunks": True}, 405),
    ],
)
def test_limits_of_real_registries(client, registry, behaviour, status):
    location = client("POST", UPLOADS).headers["location"]
    for name, value in behaviour.items():
        setattr(registry.behaviour, name, value)
    assert client("PATCH", location, DATA).status == status


def test_a_long_body_that_is_not_wanted_still_gets_its_answer(registry):
    registry.behaviour.max_body_bytes = 1000
    answer = Client(registry.host)("POST", f"{UPLOADS}?digest={DIGEST}", bytes(4_000_000))
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert registry.requests[-1].bytes_received == 0


def test_chunks_below_the_minimum_may_only_be_last(client, registry):
    registry.behaviour.min_chunk_bytes = 1000
    first = client("POST", UPLOADS)
    assert first.headers["oci-chunk-min-length"] == "1000"
    short = client("PATCH", first.headers["location"], b"x" * 10)
    assert short.status == 202
    assert client("PATCH", short.headers["location"], b"y" * 10).status == 400


def test_other_hosts_are_sent_to_and_need_no_credentials(registry):
    registry.behaviour.redirects_blobs = True
    registry.behaviour.upload_location = "foreign"
    client = Client(registry.host)
    location = client("POST", UPLOADS).headers["location"]
    assert location.startswith(f"http://{registry.foreign_host}/")
    registry.behaviour.upload_location = "relative"
    client.push_blob()
    answer = client("GET", BLOB)
    assert (answer.status, answer.headers["location"].split("/")[2]) == (307, registry.foreign_host)
    assert Client(registry.foreign_host)("GET", BLOB).body == DATA
    assert registry.requests[-1].host == registry.foreign_host


def test_a_connection_can_be_slow(client, registry):
    client.push_blob(DATA[:30_000])
    registry.behaviour.bytes_per_second = 300_000
    began = time.monotonic()
    client("GET", f"/v2/team/iris/blobs/{Digest.of(DATA[:30_000])}")
    assert 0.08 < time.monotonic() - began < 2


def test_basic_credentials_are_asked_for():
    with EmbeddedRegistry(auth="basic") as registry:
        client = Client(registry.host)
        assert client("GET", "/v2/").headers["www-authenticate"].startswith("Basic ")
        good = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        assert client("GET", "/v2/", Authorization=f"Basic {good}").status == 200
        assert client("GET", "/v2/", Authorization="Basic nonsense").status == 401


def test_tokens_have_scopes_and_end():
    with EmbeddedRegistry(auth="token") as registry:
        client = Client(registry.host)
        challenge = client("POST", UPLOADS).headers["www-authenticate"]
        assert f'realm="http://{registry.host}/token"' in challenge
        assert 'scope="repository:team/iris:pull,push"' in challenge
        good = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
        assert client("GET", "/token?scope=repository:team/iris:pull").status == 401
        pull = _token(client("GET", "/token?scope=repository:team/iris:pull", Authorization=f"Basic {good}"))
        assert client("HEAD", BLOB, Authorization=f"Bearer {pull}").status == 404
        refused = client("POST", UPLOADS, Authorization=f"Bearer {pull}")
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
        form = f"grant_type=refresh_token&refresh_token={registry.identity_token}&scope=repository:team/iris:pull,push"
        push = _token(client("POST", "/token", form))
        assert client("POST", UPLOADS, Authorization=f"Bearer {push}").status == 202
        registry.expire_tokens()
        ended = client("POST", UPLOADS, Authorization=f"Bearer {push}")
        assert 'error="invalid_token"' in ended.headers["www-authenticate"]


def _token(answer: Answer) -> str:
    assert answer.status == 200
    return json.loads(answer.body)["token"]


def test_anyone_may_read_where_that_is_allowed():
    with EmbeddedRegistry(auth="token", behaviour=Behaviour(anonymous_pull=True)) as registry:
        client = Client(registry.host)
        assert client("HEAD", BLOB).status == 404
        assert client("POST", UPLOADS).status == 401


def test_it_serves_a_folder_registry_as_it_is(tmp_path: Path):
    layout = LayoutRepository(Reference(folder_registry(tmp_path), "team/iris"))
    built = push_random_modelkit(layout, tag="v1")
    with EmbeddedRegistry(storage_dir=tmp_path) as registry:
        client = Client(registry.host)
        assert client("GET", "/v2/team/iris/manifests/v1").body == built.manifest.content
        assert json.loads(client("GET", "/v2/_catalog").body) == {"repositories": ["team/iris"]}
        client.push_blob()
    assert layout.blob_path(DIGEST).read_bytes() == DATA


def test_two_registries_do_not_know_each_other():
    with EmbeddedRegistry() as one, EmbeddedRegistry() as other:
        Client(one.host).push_blob()
        assert Client(other.host)("HEAD", BLOB).status == 404
