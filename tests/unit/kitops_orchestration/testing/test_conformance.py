"""The embedded registry against the distribution specification 1.1, group by group as its conformance program has them.

What is asked and what has to be answered is taken from the specification's text ("Pull", "Push", "Content Discovery",
"Content Management", "API"), over plain HTTP, without any of our client.  Not covered, because the double need not have
it: manifests addressed by sha512, and layers that are not distributable.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kitops_orchestration.testing.registry import EmbeddedRegistry
from kitops_orchestration.testing.registry.behaviour import Behaviour

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"
NAME = "team/conformance"
STREAM = {"Content-Type": "application/octet-stream"}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [item["code"] for item in self.json["errors"]]


class Wire:
    """Plain requests to one registry."""

    def __init__(self, host: str) -> None:
        self.host = host

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        parts = urlsplit(path)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection = http.client.HTTPConnection(parts.netloc or self.host, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def blob(self, content: bytes, name: str = NAME) -> str:
        place = self("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        joint = "&" if "?" in place else "?"
        done = self("PUT", f"{place}{joint}digest={digest(content)}", content, **STREAM)
        assert done.status == 201
        return digest(content)

    def manifest(self, target: str | None = None, name: str = NAME, **more: Any) -> tuple[str, bytes, Answer]:
        layer = b"layer"
        for content in (EMPTY, layer):
            self.blob(content, name)

        def described(media_type: str, content: bytes) -> dict[str, Any]:
            return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("application/vnd.oci.empty.v1+json", EMPTY),
            "layers": [described("application/octet-stream", layer)],
            **more,
        }
        body = json.dumps(value).encode()
        where = f"/v2/{name}/manifests/{target or digest(body)}"
        return digest(body), body, self("PUT", where, body, Content_Type=MANIFEST)


@pytest.fixture(params=["memory", "folder"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedRegistry]:
    folder = tmp_path / "served" if request.param == "folder" else None
    with EmbeddedRegistry(storage_dir=folder) as running:
        yield running


@pytest.fixture
def wire(registry: EmbeddedRegistry) -> Wire:
    return Wire(registry.host)


# API: the base, and errors


def test_the_base_says_that_it_is_there(wire: Wire) -> None:
    assert wire("GET", "/v2/").status == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/v2/{NAME}/manifests/nothing", "MANIFEST_UNKNOWN"),
        (f"/v2/{NAME}/manifests/{digest(b'x')}", "MANIFEST_UNKNOWN"),
        (f"/v2/{NAME}/blobs/{digest(b'x')}", "BLOB_UNKNOWN"),
        (f"/v2/{NAME}/blobs/uploads/nothing", "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/not/there/tags/list", "NAME_UNKNOWN"),
    ],
)
def test_what_is_unknown_is_404_with_the_specifications_code(wire: Wire, path: str, code: str) -> None:
    wire.manifest("v1")
    answer = wire("GET", path)
    assert (answer.status, answer.codes) == (404, [code])
    assert wire("HEAD", path).status == 404 or "uploads" in path or "tags" in path


# Pull


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pull_a_blob(wire: Wire, method: str) -> None:
    content = b"some content"
    answer = wire(method, f"/v2/{NAME}/blobs/{wire.blob(content)}")
    assert (answer.status, answer.body) == (200, content if method == "GET" else b"")
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Docker-Content-Digest"] == digest(content)


@pytest.mark.parametrize(
    ("asked", "status", "content", "range_"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
    ],
)
def test_pull_a_part_of_a_blob(wire: Wire, asked: str, status: int, content: bytes, range_: str) -> None:
    answer = wire("GET", f"/v2/{NAME}/blobs/{wire.blob(b'0123456789')}", Range=asked)
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (status, content, range_)


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pull_a_manifest(wire: Wire, method: str, by: str) -> None:
    name, body, _ = wire.manifest("v1")
    answer = wire(method, f"/v2/{NAME}/manifests/{'v1' if by == 'tag' else name}", Accept=MANIFEST)
    assert (answer.status, answer.body) == (200, body if method == "GET" else b"")
    assert answer.headers["Content-Type"] == MANIFEST
    assert answer.headers["Docker-Content-Digest"] == name
    assert answer.headers["Content-Length"] == str(len(body))


def test_a_manifest_of_another_repository_is_not_there(wire: Wire) -> None:
    name, _, _ = wire.manifest("v1")
    assert wire("GET", f"/v2/other/repository/manifests/{name}").status == 404


# Push


def test_push_a_blob_in_two_requests(wire: Wire) -> None:
    opened = wire("POST", f"/v2/{NAME}/blobs/uploads/")
    assert opened.status == 202
    content = b"monolithic"
    joint = "&" if "?" in opened.headers["Location"] else "?"
    done = wire("PUT", f"{opened.headers['Location']}{joint}digest={digest(content)}", content, **STREAM)
    assert done.status == 201
    assert wire("GET", done.headers["Location"]).body == content


def test_push_a_blob_in_one_request(wire: Wire) -> None:
    content = b"all at once"
    done = wire("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest(content)}", content, **STREAM)
    assert done.status == 201
    assert wire("GET", done.headers["Location"]).body == content


@pytest.mark.parametrize("said", [digest(b"other"), "sha256:short", "md5:d41d8cd98f00b204e9800998ecf8427e", ""])
def test_a_blob_under_a_digest_that_it_has_not_is_refused(wire: Wire, said: str) -> None:
    place = wire("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    done = wire("PUT", f"{place}{'&' if '?' in place else '?'}digest={said}", b"content", **STREAM)
    assert (done.status, done.codes) == (400, ["DIGEST_INVALID"])


def test_push_a_blob_as_a_stream(wire: Wire) -> None:
    place = wire("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    sent = wire("PATCH", place, b"streamed", **STREAM)
    assert sent.status == 202
    place = sent.headers["Location"]
    done = wire("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest(b'streamed')}")
    assert done.status == 201


def test_push_a_blob_in_chunks(wire: Wire) -> None:
    place = wire("POST", f"/v2/{NAME}/blobs/uploads/", Content_Length="0").headers["Location"]
    first = wire("PATCH", place, b"0123", Content_Range="0-3", **STREAM)
    assert (first.status, first.headers["Range"].removeprefix("bytes=")) == (202, "0-3")
    asked = wire("GET", first.headers["Location"])
    assert (asked.status, asked.headers["Range"].removeprefix("bytes=")) == (204, "0-3")
    assert asked.headers["Location"]
    again = wire("PATCH", first.headers["Location"], b"0123", Content_Range="0-3", **STREAM)
    assert again.status == 416
    wrong = wire("PATCH", first.headers["Location"], b"89", Content_Range="8-9", **STREAM)
    assert wrong.status == 416
    second = wire("PATCH", first.headers["Location"], b"4567", Content_Range="4-7", **STREAM)
    assert (second.status, second.headers["Range"].removeprefix("bytes=")) == (202, "0-7")
    place = second.headers["Location"]
    whole = b"0123456789"
    joint = "&" if "?" in place else "?"
    done = wire("PUT", f"{place}{joint}digest={digest(whole)}", b"89", Content_Range="8-9", **STREAM)
    assert done.status == 201
    assert wire("GET", done.headers["Location"]).body == whole


def test_the_least_size_of_a_chunk_is_said_when_there_is_one() -> None:
    with EmbeddedRegistry(behaviour=Behaviour(min_chunk_bytes=100)) as registry:
        opened = Wire(registry.host)("POST", f"/v2/{NAME}/blobs/uploads/")
        assert opened.headers["OCI-Chunk-Min-Length"] == "100"


def test_an_upload_is_cancelled(wire: Wire) -> None:
    place = wire("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    assert wire("DELETE", place).status == 204
    assert wire("GET", place).status == 404
    assert wire("PATCH", place, b"x", **STREAM).status == 404


def test_mount_a_blob_from_another_repository(wire: Wire) -> None:
    name = wire.blob(b"shared", "other/repository")
    done = wire("POST", f"/v2/{NAME}/blobs/uploads/?mount={name}&from=other/repository")
    assert done.status == 201
    assert urlsplit(done.headers["Location"]).path == f"/v2/{NAME}/blobs/{name}"
    assert wire("GET", f"/v2/{NAME}/blobs/{name}").body == b"shared"


@pytest.mark.parametrize("query", [f"mount={digest(b'nowhere')}&from=other/repository", f"mount={digest(b'shared')}"])
def test_a_mount_that_cannot_be_opens_an_upload(wire: Wire, query: str) -> None:
    wire.blob(b"shared", "other/repository")
    done = wire("POST", f"/v2/{NAME}/blobs/uploads/?{query}")
    assert done.status == 202
    assert done.headers["Location"]


@pytest.mark.parametrize("target", ["v1", None, "a" * 128, "_tag.with-all_9"])
def test_push_a_manifest(wire: Wire, target: str | None) -> None:
    name, body, done = wire.manifest(target)
    assert done.status == 201
    assert done.headers["Docker-Content-Digest"] in (name, None)
    assert wire("GET", done.headers["Location"]).body == body


def test_push_an_index_and_an_artifact_without_layers(wire: Wire) -> None:
    name, body, _ = wire.manifest(artifactType="application/vnd.example", layers=[])
    entry = {"mediaType": MANIFEST, "digest": name, "size": len(body)}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    assert wire("PUT", f"/v2/{NAME}/manifests/all", index, Content_Type=INDEX).status == 201
    answer = wire("GET", f"/v2/{NAME}/manifests/all")
    assert (answer.body, answer.headers["Content-Type"]) == (index, INDEX)


def test_a_manifest_under_a_digest_that_it_has_not_is_refused(wire: Wire) -> None:
    _, _, done = wire.manifest(digest(b"another"))
    assert (done.status, done.codes) == (400, ["DIGEST_INVALID"])


def test_a_manifest_is_stored_by_its_bytes(wire: Wire) -> None:
    name, body, _ = wire.manifest("v1")
    spaced = body.replace(b": ", b" :  ")
    wire("PUT", f"/v2/{NAME}/manifests/v2", spaced, Content_Type=MANIFEST)
    assert wire("GET", f"/v2/{NAME}/manifests/v2").body == spaced
    assert wire("GET", f"/v2/{NAME}/manifests/{name}").body == body


def test_a_tag_moves(wire: Wire) -> None:
    wire.manifest("v1")
    second, _, _ = wire.manifest("v1", annotations={"a": "b"})
    assert wire("HEAD", f"/v2/{NAME}/manifests/v1").headers["Docker-Content-Digest"] == second


# Content discovery


def pages(wire: Wire, path: str) -> Iterator[Answer]:
    while path:
        answer = wire("GET", path)
        yield answer
        match = re.fullmatch(r'<([^>]+)>; ?rel="?next"?', answer.headers.get("Link") or "")
        path = match[1] if match else ""


def test_tags_are_listed_in_lexical_order(wire: Wire) -> None:
    for tag in ("v2", "v10", "latest", "A"):
        wire.manifest(tag)
    assert wire("GET", f"/v2/{NAME}/tags/list").json == {"name": NAME, "tags": ["A", "latest", "v10", "v2"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("n=2", ["a", "b"]), ("last=b", ["c", "d"]), ("n=1&last=a", ["b"]), ("n=0", []), ("n=100&last=zz", [])],
)
def test_a_part_of_the_tags(wire: Wire, query: str, expected: list[str]) -> None:
    for tag in ("d", "b", "a", "c"):
        wire.manifest(tag)
    answer = wire("GET", f"/v2/{NAME}/tags/list?{query}")
    assert (answer.status, answer.json["tags"] or []) == (200, expected)


def test_pages_of_tags_lead_to_each_other(wire: Wire) -> None:
    for number in range(5):
        wire.manifest(f"v{number}")
    found = [answer.json["tags"] for answer in pages(wire, f"/v2/{NAME}/tags/list?n=2")]
    assert [tag for tags in found for tag in tags] == [f"v{number}" for number in range(5)]
    assert max(map(len, found)) == 2


def referrer(wire: Wire, subject: tuple[str, bytes], kind: str) -> tuple[str, Answer]:
    about = {"mediaType": MANIFEST, "digest": subject[0], "size": len(subject[1])}
    name, _, done = wire.manifest(subject=about, artifactType=kind, annotations={"kind": kind})
    return name, done


def test_referrers_are_listed_and_filtered(wire: Wire) -> None:
    name, body, _ = wire.manifest("v1")
    made = {}
    for kind in ("application/vnd.a", "application/vnd.b"):
        made[kind], done = referrer(wire, (name, body), kind)
        assert done.headers["OCI-Subject"] == name
    answer = wire("GET", f"/v2/{NAME}/referrers/{name}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, INDEX)
    assert answer.json["schemaVersion"] == 2
    listed = {item["artifactType"]: item for item in answer.json["manifests"]}
    assert {kind: item["digest"] for kind, item in listed.items()} == made
    assert {item["annotations"]["kind"] for item in listed.values()} == set(made)
    some = wire("GET", f"/v2/{NAME}/referrers/{name}?artifactType=application/vnd.b")
    assert [item["artifactType"] for item in some.json["manifests"]] == ["application/vnd.b"]
    assert some.headers["OCI-Filters-Applied"] == "artifactType"


def test_referrers_of_nothing_are_an_empty_index(wire: Wire) -> None:
    wire.manifest("v1")
    answer = wire("GET", f"/v2/{NAME}/referrers/{digest(b'nothing')}")
    assert (answer.status, answer.json["manifests"]) == (200, [])


def test_a_referrer_may_come_before_its_subject_and_goes_with_its_deletion(wire: Wire) -> None:
    later = (digest(b"later"), b"later")
    name, done = referrer(wire, later, "application/vnd.a")
    assert done.status == 201
    assert [item["digest"] for item in wire("GET", f"/v2/{NAME}/referrers/{later[0]}").json["manifests"]] == [name]
    assert wire("DELETE", f"/v2/{NAME}/manifests/{name}").status == 202
    assert wire("GET", f"/v2/{NAME}/referrers/{later[0]}").json["manifests"] == []


# Content management


def test_delete_a_tag_and_not_its_manifest(wire: Wire) -> None:
    name, body, _ = wire.manifest("v1")
    wire.manifest("v2")
    assert wire("DELETE", f"/v2/{NAME}/manifests/v1").status == 202
    assert wire("GET", f"/v2/{NAME}/manifests/v1").status == 404
    assert wire("GET", f"/v2/{NAME}/tags/list").json["tags"] == ["v2"]
    assert wire("GET", f"/v2/{NAME}/manifests/{name}").body == body


def test_delete_a_manifest_with_its_tags(wire: Wire) -> None:
    name, _, _ = wire.manifest("v1")
    assert wire("DELETE", f"/v2/{NAME}/manifests/{name}").status == 202
    for target in (name, "v1"):
        assert wire("GET", f"/v2/{NAME}/manifests/{target}").status == 404
    assert wire("GET", f"/v2/{NAME}/tags/list").json["tags"] in ([], None)
    assert wire("DELETE", f"/v2/{NAME}/manifests/{name}").status == 404


def test_delete_a_blob(wire: Wire) -> None:
    name = wire.blob(b"to go")
    assert wire("DELETE", f"/v2/{NAME}/blobs/{name}").status == 202
    assert wire("GET", f"/v2/{NAME}/blobs/{name}").status == 404
    assert wire("DELETE", f"/v2/{NAME}/blobs/{name}").status == 404


@pytest.mark.parametrize("path", ["manifests/v1", "blobs"])
def test_a_registry_that_deletes_nothing_says_so(path: str) -> None:
    with EmbeddedRegistry(behaviour=Behaviour(deletes=False)) as registry:
        wire = Wire(registry.host)
        wire.manifest("v1")
        where = f"/v2/{NAME}/{path}" if path != "blobs" else f"/v2/{NAME}/blobs/{wire.blob(b'x')}"
        assert wire("DELETE", where).status in (400, 405)
