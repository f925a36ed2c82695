"""LayoutRepository: what is particular to a folder.  What every medium does is in tests/contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kitops_orchestration.errors import DigestMismatchError, NotFoundError, RegistryError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout import index as layout_index
from kitops_orchestration.oci.layout.files import UPLOADS
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes


@pytest.fixture
def layout(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "team/iris"))


def neighbour(layout: LayoutRepository, name: str = "team/prod") -> LayoutRepository:
    return LayoutRepository(Reference(layout.reference.registry, name))


def read_index(layout: LayoutRepository) -> list[dict]:
    return json.loads((layout.directory / "index.json").read_bytes())["manifests"]


def test_reading_creates_nothing(layout, tmp_path):
    assert tags_if_there(layout) == []
    with pytest.raises(NotFoundError, match="no OCI image layout"):
        layout.resolve("v1")
    assert list(tmp_path.iterdir()) == []


def test_the_first_write_makes_a_whole_layout(layout):
    push_bytes(layout, b"first")
    assert json.loads((layout.directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert read_index(layout) == []
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_a_manifest_without_a_tag_is_listed_for_other_tools(layout):
    built = push_random_modelkit(layout)
    (entry,) = read_index(layout)
    assert entry == {
        "mediaType": media_types.MANIFEST,
        "digest": built.descriptor.digest,
        "size": built.descriptor.size,
        "annotations": {layout_index.SUBJECT: "none"},
    }


def test_each_tag_is_one_entry_and_a_lost_tag_leaves_one(layout):
    first = push_random_modelkit(layout, tag="v1", seed=1)
    layout.set_tag("latest", first.descriptor)
    assert [entry["annotations"] for entry in read_index(layout)] == [
        {media_types.ANNOTATION_REF_NAME: "v1", layout_index.SUBJECT: "none"},
        {media_types.ANNOTATION_REF_NAME: "latest", layout_index.SUBJECT: "none"},
    ]
    second = push_random_modelkit(layout, tag="v1", seed=2)
    layout.set_tag("latest", second.descriptor)
    assert [(entry["digest"], layout_index.tag_of(entry)) for entry in read_index(layout)] == [
        (second.descriptor.digest, "v1"),
        (first.descriptor.digest, None),
        (second.descriptor.digest, "latest"),
    ]


def test_referrers_have_a_fallback_tag_for_tools_that_do_not_scan(layout):
    subject = push_random_modelkit(layout, tag="v1").descriptor
    added = [
        attach(layout, subject, artifact_type="application/x", layers=[(text, "text/plain")], annotations={"a": "b"})
        for text in (b"first", b"second")
    ]
    index = layout.fetch_manifest(fallback_tag(subject.digest))
    assert list(index.manifests) == [item.descriptor for item in added] == layout.referrers(subject.digest)
    assert [layout_index.tag_of(entry) for entry in read_index(layout)] == [
        "v1",
        None,
        None,
        fallback_tag(subject.digest),
    ]


def test_pushing_what_is_there_rewrites_nothing(layout):
    built = push_random_modelkit(layout, tag="v1")
    before = (layout.directory / "index.json").stat().st_ino
    push_random_modelkit(layout, tag="v1")
    layout.push_manifest(built.manifest)
    assert (layout.directory / "index.json").stat().st_ino == before


def test_what_others_wrote_into_the_index_is_kept(layout):
    push_random_modelkit(layout, tag="v1", seed=1)
    path = layout.directory / "index.json"
    document = json.loads(path.read_bytes())
    foreign = {"mediaType": "application/x", "digest": "sha256:" + "0" * 64, "size": 1, "platform": {"os": "linux"}}
    document["manifests"].append(foreign)
    document["annotations"] = {"by": "another tool"}
    path.write_text(json.dumps(document))
    push_random_modelkit(layout, tag="v2", seed=2)
    assert foreign in read_index(layout)
    assert json.loads(path.read_bytes())["annotations"] == {"by": "another tool"}
    assert list(layout.tags()) == ["v1", "v2"]
    assert layout.referrers(Digest.of(b"x")) == []


NO_INDEXES = [
    '{"manifests": 3}',
    '{"schemaVersion": 2}',
    '{"manifests": [3]}',
    '{"manifests": [{"digest": ["sha256"]}]}',
]


@pytest.mark.parametrize("text", ["", "{", "[]", *NO_INDEXES, "\xff"])
def test_a_damaged_index_is_one_clear_error(layout, text):
    push_random_modelkit(layout, tag="v1")
    (layout.directory / "index.json").write_text(text, encoding="latin-1")
    with pytest.raises(RegistryError, match=r"index\.json is not an OCI image index") as caught:
        layout.resolve("v1")
    assert caught.value.advice


def test_a_missing_or_empty_list_of_manifests_may_be_null(layout):
    push_bytes(layout, b"x")
    (layout.directory / "index.json").write_text('{"schemaVersion":2,"manifests":null}')
    assert list(layout.tags()) == []


def test_a_repository_inside_anothers_blobs_is_refused(layout):
    push_random_modelkit(layout, tag="v1")
    with pytest.raises(RegistryError, match="inside the blobs"):
        push_bytes(neighbour(layout, "team/iris/blobs/sha256"), b"x")


def test_a_repository_may_lie_below_another(layout):
    push_random_modelkit(layout, tag="v1", seed=1)
    push_random_modelkit(neighbour(layout, "team/iris/prod"), tag="v2", seed=2)
    assert list(layout.tags()) == ["v1"]


def test_a_folder_where_a_file_stands_is_one_clear_error(tmp_path):
    (tmp_path / "team").write_text("a file")
    layout = LayoutRepository(Reference(folder_registry(tmp_path), "team/iris"))
    assert tags_if_there(layout) == []
    with pytest.raises(RegistryError) as caught:
        push_bytes(layout, b"x")
    assert "choose another folder" in str(caught.value.advice)


def test_a_blob_cut_by_a_crash_is_pushed_again(layout):
    descriptor = push_bytes(layout, b"whole content")
    layout.blob_path(descriptor.digest).write_bytes(b"whole")
    assert not layout.has_blob(descriptor)
    assert layout.push_blob(descriptor, BytesSource(b"whole content"))
    assert layout.blob_path(descriptor.digest).read_bytes() == b"whole content"


def test_refused_content_leaves_no_file(layout):
    wanted = Descriptor("application/octet-stream", Digest.of(b"right"), 5)
    with pytest.raises(DigestMismatchError):
        layout.push_blob(wanted, BytesSource(b"wrong"))
    assert [path for path in layout.directory.rglob("*") if path.is_file() and "blobs" in path.parts] == []
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_a_source_without_readinto_can_be_pushed(layout):
    class Stream:
        def __init__(self) -> None:
            self._parts = [b"one ", b"two", b""]

        def read(self, size: int = -1) -> bytes:
            return self._parts.pop(0)

        def __enter__(self):
            return self

        def __exit__(self, *exc: object) -> None: ...

    class Source:
        size = 7

        def open(self):
            return Stream()

    descriptor = Descriptor("application/octet-stream", Digest.of(b"one two"), 7)
    assert layout.push_blob(descriptor, Source())
    assert layout.blob_path(descriptor.digest).read_bytes() == b"one two"


def test_sha512_blobs_have_their_own_folder(layout):
    import hashlib

    descriptor = Descriptor("text/plain", Digest("sha512:" + hashlib.sha512(b"long").hexdigest()), 4)
    layout.push_blob(descriptor, BytesSource(b"long"))
    assert layout.blob_path(descriptor.digest).parent.name == "sha512"
    assert layout.has_blob(descriptor)


def test_a_mount_shares_the_file(layout):
    descriptor = push_bytes(layout, random_bytes(10_000))
    other = neighbour(layout)
    assert other.mount_blob(descriptor, layout.reference)
    assert other.blob_path(descriptor.digest).samefile(layout.blob_path(descriptor.digest))
    assert other.mount_blob(descriptor, layout.reference)
    assert list((other.directory / UPLOADS).iterdir()) == []


def test_a_damaged_blob_is_found_by_a_mount(layout):
    descriptor = push_bytes(layout, b"good content")
    layout.blob_path(descriptor.digest).write_bytes(b"evil content")
    with pytest.raises(DigestMismatchError, match="team/iris"):
        neighbour(layout).mount_blob(descriptor, layout.reference)
    assert not neighbour(layout).has_blob(descriptor)


def test_a_damaged_manifest_is_not_served(layout):
    built = push_random_modelkit(layout, tag="v1")
    path = layout.blob_path(built.descriptor.digest)
    path.write_bytes(path.read_bytes().replace(b"random-", b"random_").replace(b"schemaVersion", b"schemaversion"))
    with pytest.raises(DigestMismatchError):
        layout.fetch_manifest("v1")


def test_one_damaged_manifest_does_not_hide_the_referrers_of_others(layout):
    broken = push_random_modelkit(layout, seed=1)
    subject = push_random_modelkit(layout, tag="v1", seed=2).descriptor
    added = attach(layout, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    layout.blob_path(broken.descriptor.digest).write_bytes(b"{}")
    fresh = LayoutRepository(layout.reference)
    assert [item.digest for item in fresh.referrers(subject.digest)] == [added.descriptor.digest]


def test_a_digest_of_a_blob_is_no_manifest(layout):
    blob = push_bytes(layout, b"weights, not JSON")
    with pytest.raises(NotFoundError, match="a blob has this digest"):
        layout.resolve(blob.digest)


def test_a_huge_blob_is_not_read_as_a_manifest(layout):
    blob = push_bytes(layout, bytes(5 * 1024 * 1024))
    with pytest.raises(NotFoundError, match="too large"):
        layout.fetch_manifest(blob.digest)


def test_a_manifest_that_only_an_index_names_can_be_fetched(layout):
    built = push_random_modelkit(layout)
    (layout.directory / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    assert layout.fetch_manifest(built.descriptor.digest).content == built.manifest.content


def test_a_file_that_grows_after_it_was_measured_does_not_spill(layout, tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"measured")
    source = FileSource(path)
    path.write_bytes(b"measured and more")
    descriptor = Descriptor("text/plain", Digest.of(b"measured"), 8)
    assert layout.push_blob(descriptor, source)
    assert layout.blob_path(descriptor.digest).read_bytes() == b"measured"


def test_a_copy_between_two_folders_links_files(layout, tmp_path):
    built = push_random_modelkit(layout, tag="v1")
    other = LayoutRepository(Reference(folder_registry(tmp_path / "elsewhere"), "iris"))
    result = copy(layout, "v1", other, tag="v1")
    assert (result.blobs_mounted, result.bytes_moved) == (3, 0)
    for blob in built.manifest.blobs:
        assert other.blob_path(blob.digest).samefile(layout.blob_path(blob.digest))
