"""copy: order, reuse, verification, failure and cancellation; between folders and the embedded registry."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from kitops_orchestration.errors import (
    DigestMismatchError,
    IntegrityError,
    NotFoundError,
    RegistryError,
    RegistryUnavailableError,
    TransferCancelledError,
    UnsupportedModelKitError,
)
from kitops_orchestration.oci.copying.graph import Judged, copy
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Index, parse
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import attach, describe, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none, tags_if_there
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.progress import ProgressEvent
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.builders import push_random_modelkit
from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry, Fault


@pytest.fixture
def folder(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "team/iris"))


@pytest.fixture
def remote(embedded_registry: EmbeddedRegistry):
    return open_repository(embedded_registry.reference("team/iris"), limits=Limits(retries=1))


def test_push_and_pull_are_copies(folder, remote, tmp_path):
    built = push_random_modelkit(folder, tag="v1", layer_bytes=100_000)
    pushed = copy(folder, "v1", remote, tag="v1")
    assert (pushed.blobs_copied, pushed.blobs_mounted, pushed.blobs_skipped) == (3, 0, 0)
    assert pushed.bytes_moved == sum(blob.size for blob in built.manifest.blobs)
    back = LayoutRepository(Reference(folder_registry(tmp_path / "other"), "iris"))
    pulled = copy(remote, built.descriptor.digest, back, tag="v1")
    assert pulled.descriptor == built.descriptor
    for blob in built.manifest.blobs:
        assert back.blob_path(blob.digest).read_bytes() == built.contents[blob.digest]


def test_copy_skips_blobs_already_present(folder, remote, embedded_registry):
    push_random_modelkit(folder, tag="v1")
    copy(folder, "v1", remote, tag="v1")
    embedded_registry.clear_requests()
    again = copy(folder, "v1", remote, tag="v2")
    assert (again.blobs_skipped, again.bytes_moved) == (3, 0)
    assert embedded_registry.blob_bodies == 0


def test_a_copy_that_changes_nothing_writes_nothing(folder, remote, embedded_registry):
    push_random_modelkit(folder, tag="v1")
    copy(folder, "v1", remote, tag="v1")
    embedded_registry.clear_requests()
    embedded_registry.behaviour.immutable_tags = True
    copy(folder, "v1", remote, tag="v1")
    assert {record.method for record in embedded_registry.requests} <= {"HEAD", "GET"}


def test_blobs_of_one_registry_are_mounted(remote, embedded_registry):
    push_random_modelkit(remote, tag="v1")
    embedded_registry.clear_requests()
    result = copy(remote, "v1", open_repository(embedded_registry.reference("team/prod")), tag="v1")
    assert result.blobs_mounted == 3
    assert embedded_registry.blob_bodies == 0


def test_blobs_move_where_the_registry_cannot_mount(remote, embedded_registry):
    push_random_modelkit(remote, tag="v1")
    embedded_registry.behaviour.mounts = False
    destination = open_repository(embedded_registry.reference("team/prod"))
    assert copy(remote, "v1", destination, tag="v1").blobs_copied == 3
    assert destination.resolve("v1") == remote.resolve("v1")


def test_blobs_move_where_the_writer_may_not_read_the_source(remote, embedded_registry):
    push_random_modelkit(remote, tag="v1", layers=1)
    embedded_registry.fail_next(path_contains="mount=", status=403, code="DENIED", times=2)
    destination = open_repository(embedded_registry.reference("team/prod"))
    assert copy(remote, "v1", destination, tag="v1").blobs_copied == 2


def test_indexes_without_end_are_refused(folder, remote):
    node = push_random_modelkit(folder).descriptor
    for _ in range(40):
        node = folder.push_manifest(Index.build([node]))
    with pytest.raises(UnsupportedModelKitError, match="deep"):
        copy(folder, node.digest, remote, tag="v1")
    assert tags_if_there(remote) == []


def test_the_tag_moves_last(folder, remote, embedded_registry):
    subject = push_random_modelkit(folder, tag="v1").descriptor
    attach(folder, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    copy(folder, "v1", remote, tag="v1", referrers=True)
    writes = [record.path for record in embedded_registry.requests if record.method == "PUT"]
    assert writes[-1].endswith("/manifests/v1")
    first_manifest = next(number for number, path in enumerate(writes) if "/manifests/" in path)
    assert all("/manifests/" in path for path in writes[first_manifest:])


def test_a_copy_without_a_tag_tags_nothing(folder, remote):
    built = push_random_modelkit(folder, tag="v1")
    copy(folder, "v1", remote)
    assert tags_if_there(remote) == []
    assert remote.resolve(built.descriptor.digest) == built.descriptor


def test_a_copy_within_one_repository_only_tags(remote, embedded_registry):
    push_random_modelkit(remote, tag="v1")
    embedded_registry.clear_requests()
    copy(remote, "v1", remote, tag="prod")
    assert remote.resolve("prod") == remote.resolve("v1")
    assert embedded_registry.count(path_contains="/blobs/") == 0


def test_an_index_takes_its_children_along(folder, remote):
    children = [push_random_modelkit(folder, seed=seed) for seed in (1, 2)]
    index = Index.build([child.descriptor for child in children])
    folder.push_manifest(index, tag="all")
    result = copy(folder, "all", remote, tag="all")
    assert result.blobs_copied == 6
    assert remote.fetch_manifest("all").content == index.content
    for child in children:
        assert remote.fetch_manifest(child.descriptor.digest).content == child.manifest.content


def test_evidence_of_children_and_legacy_signatures_come_along(folder, remote):
    child = push_random_modelkit(folder, seed=1).descriptor
    root = folder.push_manifest(Index.build([child]), tag="all")
    attach(folder, child, artifact_type="application/x", layers=[(b"x", "text/plain")])
    legacy = push_random_modelkit(folder, tag=fallback_tag(root.digest) + ".sig", seed=5).descriptor
    assert copy(folder, "all", remote, tag="all", referrers=True).referrers_copied == 2
    assert len(remote.referrers(child.digest)) == 1
    assert remote.resolve(fallback_tag(root.digest) + ".sig") == legacy


def test_a_list_that_names_what_was_deleted_stops_no_copy(folder):
    with EmbeddedRegistry(behaviour=Behaviour(referrers_api=False)) as registry:
        remote = open_repository(registry.reference("team/iris"), limits=Limits(retries=1))
        built = push_random_modelkit(remote, tag="v1", layers=1)
        kept, gone = (
            attach(remote, built.descriptor, artifact_type="a/b", layers=[(text, "a/b")]) for text in (b"kept", b"gone")
        )
        remote.delete_manifest(gone.descriptor.digest)
        assert len(remote.referrers(built.descriptor.digest)) == 2

        copied = copy(remote, "v1", folder, tag="v1", referrers=True)

    assert copied.referrers_copied == 1
    assert [item.digest for item in folder.referrers(built.descriptor.digest)] == [kept.descriptor.digest]


def test_evidence_of_which_a_part_is_missing_is_not_passed_over(folder, remote):
    built = push_random_modelkit(remote, tag="v1", layers=1)
    part = push_random_modelkit(remote, seed=5).descriptor
    plain = json.loads(Index.build([part]).content)
    remote.push_manifest(parse(json.dumps({**plain, "subject": built.descriptor.to_json()}).encode()))
    remote.delete_manifest(part.digest)
    with pytest.raises(NotFoundError, match=str(part.digest)) as error:
        copy(remote, "v1", folder, tag="v1", referrers=True)
    assert error.value.side == "source"
    assert resolve_or_none(folder, "v1") is None


def test_signatures_of_the_destination_are_not_overwritten(folder, remote):
    subject = push_random_modelkit(folder, tag="v1").descriptor
    tag = fallback_tag(subject.digest) + ".sig"
    push_random_modelkit(folder, tag=tag, seed=5)
    theirs = push_random_modelkit(remote, tag=tag, seed=6).descriptor
    assert copy(folder, "v1", remote, tag="v1", referrers=True).referrers_copied == 0
    assert remote.resolve(tag) == theirs


def test_a_referrer_that_no_list_shows_is_listed_again(folder, remote, embedded_registry):
    embedded_registry.behaviour.referrers_api = False
    subject = push_random_modelkit(folder, tag="v1").descriptor
    attach(folder, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    copy(folder, "v1", remote, tag="v1", referrers=True)
    embedded_registry.storage.delete_tag("team/iris", fallback_tag(subject.digest))  # as a crash in between leaves it
    assert copy(folder, "v1", remote, tag="v1", referrers=True).referrers_copied == 1
    assert len(remote.referrers(subject.digest)) == 1


def test_a_damaged_blob_on_disk_is_found_and_nothing_is_tagged(folder, remote):
    built = push_random_modelkit(folder, tag="v1", layer_bytes=200_000)
    path = folder.blob_path(built.manifest.layers[0].digest)
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DigestMismatchError):
        copy(folder, "v1", remote, tag="v1")
    assert not remote.has_blob(built.manifest.layers[0])
    assert tags_if_there(remote) == []


def test_a_damaged_blob_of_a_registry_is_found(folder, remote, embedded_registry):
    push_random_modelkit(remote, tag="v1", layer_bytes=200_000, layers=1)
    embedded_registry.add_fault(Fault("GET", "/blobs/", times=9, corrupts=True, after_bytes=5))
    with pytest.raises(IntegrityError):
        copy(remote, "v1", folder, tag="v1")
    assert tags_if_there(folder) == []


def test_a_failure_names_its_side(folder, remote, embedded_registry):
    built = push_random_modelkit(folder, tag="v1")
    with pytest.raises(NotFoundError) as caught:
        copy(folder, "v9", remote, tag="v1")
    assert caught.value.side == "source"
    embedded_registry.fail_next(method="PUT", path_contains="/manifests/", status=403, code="DENIED")
    with pytest.raises(RegistryError) as refused:
        copy(folder, "v1", remote, tag="v1")
    assert refused.value.side == "destination"
    folder.blob_path(built.manifest.layers[1].digest).unlink()
    with pytest.raises(NotFoundError) as lost:
        copy(folder, "v1", open_repository(embedded_registry.reference("team/other")), tag="v1")
    assert lost.value.side == "source"


def test_a_failed_copy_can_be_run_again(folder, remote, embedded_registry):
    push_random_modelkit(folder, tag="v1", layers=6)
    embedded_registry.fail_next(method="PUT", path_contains="/manifests/", status=403, code="DENIED")
    with pytest.raises(RegistryError):
        copy(folder, "v1", remote, tag="v1")
    assert tags_if_there(remote) == []
    embedded_registry.clear_requests()
    assert copy(folder, "v1", remote, tag="v1").blobs_skipped == 7
    assert embedded_registry.blob_bodies == 0


def test_a_pull_that_broke_off_goes_on_where_it_was(folder, remote, embedded_registry):
    built = push_random_modelkit(remote, tag="v1", layers=1, layer_bytes=3_000_000)
    layer = built.manifest.layers[0]
    embedded_registry.add_fault(Fault("GET", layer.digest, times=2, drops=True, after_bytes=1_000_000))
    embedded_registry.fail_next(method="GET", path_contains=layer.digest, status=503, times=9)
    with pytest.raises(RegistryUnavailableError):
        copy(remote, "v1", folder, tag="v1")
    assert not folder.has_blob(layer)
    embedded_registry.clear_faults()
    embedded_registry.clear_requests()
    copy(remote, "v1", folder, tag="v1")
    assert folder.blob_path(layer.digest).read_bytes() == built.contents[layer.digest]
    assert sum(item.bytes_sent for item in embedded_registry.requests if layer.digest in item.path) < layer.size
    assert list((folder.directory / ".uploads").iterdir()) == []


def test_a_pull_into_a_folder_that_cannot_be_written_is_one_clear_error(folder, remote):
    push_random_modelkit(remote, tag="v1", layer_bytes=3_000_000)
    (folder.directory / ".uploads").parent.mkdir(parents=True)
    (folder.directory / ".uploads").write_text("a file where a folder has to be")
    with pytest.raises(RegistryError, match="in folder") as caught:
        copy(remote, "v1", folder, tag="v1")
    assert caught.value.advice


def test_a_cancelled_copy_tags_nothing(folder, remote):
    push_random_modelkit(folder, tag="v1", layers=4, layer_bytes=3_000_000)
    cancel = threading.Event()

    def cancel_in_the_middle(event: ProgressEvent) -> None:
        if event.state == "moved":
            cancel.set()

    with pytest.raises(TransferCancelledError) as caught:
        copy(folder, "v1", remote, tag="v1", progress=cancel_in_the_middle, cancel=cancel)
    assert caught.value.advice
    assert tags_if_there(remote) == []


def test_every_blob_reports_its_progress(folder, remote):
    built = push_random_modelkit(folder, tag="v1", layer_bytes=300_000)
    events: list[ProgressEvent] = []
    copy(folder, "v1", remote, tag="v1", progress=events.append, verb="push")
    for blob in built.manifest.blobs:
        mine = [event for event in events if event.item == blob.digest]
        assert (mine[0].state, mine[-1].state) == ("started", "finished")
        assert [event.bytes_done for event in mine] == sorted(event.bytes_done for event in mine)
        assert mine[-1].bytes_done == mine[-1].bytes_total == blob.size
        assert {event.verb for event in mine} == {"push"}


def test_a_shared_blob_is_copied_once(folder, remote):
    first = push_random_modelkit(folder, seed=1, layers=1)
    second = push_random_modelkit(folder, seed=1, layers=1, annotations={"another": "manifest"})
    folder.push_manifest(Index.build([first.descriptor, second.descriptor]), tag="all")
    assert copy(folder, "all", remote, tag="all").blobs_copied == 2


def test_no_more_blobs_move_at_once_than_allowed(folder, remote, embedded_registry):
    push_random_modelkit(folder, tag="v1", layers=8, layer_bytes=50_000)
    embedded_registry.behaviour.bytes_per_second = 2_000_000
    open_blobs, most, lock = 0, 0, threading.Lock()

    def count(event: ProgressEvent) -> None:
        nonlocal open_blobs, most
        with lock:
            open_blobs += {"started": 1, "finished": -1}.get(event.state, 0)
            most = max(most, open_blobs)

    copy(folder, "v1", remote, tag="v1", progress=count, limits=Limits(concurrency=3))
    assert 1 < most <= 3


@pytest.mark.parametrize("api", [True, False])
@pytest.mark.parametrize("stray", ["of another", "of nothing"])
def test_a_list_that_names_what_refers_elsewhere_loses_nothing(tmp_path, api, stray):
    """Whoever may write the source's list puts a foreign entry first, so that a "no" would not come along."""
    with EmbeddedRegistry(behaviour=Behaviour(referrers_api=api)) as registry:
        source, destination = (open_repository(registry.reference(name)) for name in ("a/iris", "b/iris"))
        kit, other = (push_random_modelkit(source, tag=tag, seed=seed) for seed, tag in enumerate(("v1", "other")))
        said = attach(source, kit.descriptor, artifact_type="application/x.no", layers=[(b"no", "text/plain")])
        foreign = attach(source, other.descriptor, artifact_type="application/x.any", layers=[(b"?", "text/plain")])
        if stray == "of nothing":
            foreign = replace(foreign, descriptor=push_random_modelkit(source, seed=8).descriptor)
        listed = [describe(source.fetch_manifest(each.descriptor.digest)) for each in (foreign, said)]
        source.push_manifest(Index.build(listed), tag=fallback_tag(kit.descriptor.digest))

        copy(source, "v1", destination, tag="v1", referrers=True)
        assert said.descriptor.digest in {found.digest for found in destination.referrers(kit.descriptor.digest)}


def attach_text(repository, subject, text):
    return attach(repository, subject, artifact_type="a/b", layers=[(text.encode(), "text/plain")]).descriptor


def of_evidence(remote, folder):
    """Attach two statements, a referrer to the first, and an older signature to the second; return what copies have."""
    subject = push_random_modelkit(remote, tag="v1").descriptor
    first, second = (attach_text(remote, subject, text) for text in ("first", "second"))
    below = attach_text(remote, first, "signature of a statement")
    older = push_random_modelkit(remote, tag=fallback_tag(second.digest) + ".sig", seed=5).descriptor

    def copied():
        copy(remote, "v1", folder, tag="v1", referrers=True)
        there = [item.digest for item in folder.referrers(first.digest)]
        return there == [below.digest] and resolve_or_none(folder, fallback_tag(second.digest) + ".sig") == older.digest

    return subject, copied


@pytest.mark.parametrize("api", [True, False], ids=["referrers API", "fallback tags"])
@pytest.mark.parametrize("page_size", [1000, 2], ids=["one page of tags", "many"])
def test_evidence_of_evidence_comes_along(folder, embedded_registry, remote, api, page_size):
    embedded_registry.behaviour.referrers_api = api
    embedded_registry.behaviour.page_size = page_size
    _, copied = of_evidence(remote, folder)
    assert copied()


@pytest.mark.parametrize("api", [True, False], ids=["referrers API", "fallback tags"])
def test_one_false_not_found_loses_no_evidence(embedded_registry, remote, tmp_path, api):
    embedded_registry.behaviour.referrers_api = api
    subject, _ = of_evidence(remote, None)
    first, second = remote.referrers(subject.digest)
    older = push_random_modelkit(remote, tag=fallback_tag(subject.digest) + ".sig", seed=4).descriptor
    subjects = (subject, first, second, older)
    tags = [fallback_tag(of.digest) + suffix for of in subjects for suffix in (".sig", ".att", ".sbom")]

    def state(repository):
        return (
            {of.digest: sorted(str(item.digest) for item in repository.referrers(of.digest)) for of in subjects},
            {tag: resolve_or_none(repository, tag) for tag in tags},
        )

    def copied(name):
        place = LayoutRepository(Reference(folder_registry(tmp_path / name), "team/iris"))
        copy(open_repository(embedded_registry.reference("team/iris")), "v1", place, tag="v1", referrers=True)
        return state(place)

    whole = state(remote)
    embedded_registry.clear_requests()
    assert copied("good") == whole
    asked = dict.fromkeys(record.path for record in embedded_registry.requests if record.method == "GET")
    lost = []
    # A registry that gave no list of tags is not asked for one again by this process, so that comes last.
    for number, path in enumerate(sorted(asked, key=lambda path: path.endswith("/tags/list"))):
        embedded_registry.add_fault(Fault(method="GET", path_contains=path, status=404, code="NOT_FOUND"))
        try:
            if copied(f"fault{number}") != whole:
                lost.append(path)
        except NotFoundError:
            assert copied(f"fault{number}") == whole, path
        embedded_registry.clear_faults()
    assert (lost, len(asked) > 10) == ([], True)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_who_is_given_no_list_of_tags_copies_all_evidence_and_asks_once(folder, embedded_registry, remote, status):
    _, copied = of_evidence(remote, folder)
    embedded_registry.add_fault(Fault(method="GET", path_contains="/tags/list", status=status, times=100))
    embedded_registry.clear_requests()
    assert copied()
    assert copied()
    # Credentials are asked for again by a 401 alone; nothing waits for a list that only saves requests.
    assert embedded_registry.count(path_contains="/tags/list") <= (3 if status == 401 else 1)


class AsTheTagsAre:
    """A registry whose list of tags is ``body``, whatever tags there are."""

    def __init__(self, registry, body: bytes) -> None:
        self._serve, self._body = registry.serve, body
        registry.serve = self.serve

    def serve(self, exchange) -> None:
        if exchange.path.endswith("/tags/list"):
            exchange.send(200, headers={"Content-Type": "application/json"}, body=self._body)
        else:
            self._serve(exchange)


def shown_as(tags) -> bytes:
    return json.dumps({"name": "team/iris", "tags": tags}).encode()


@pytest.mark.parametrize(
    "body",
    [
        shown_as([]),
        shown_as(None),
        shown_as(["v1"]),
        shown_as([f"v{number}" for number in range(999)] + ["sha256-" + "0" * 64]),
        shown_as(["sha256-" + "0" * 64, None]),
        shown_as({"sha256-" + "0" * 64: 1}),
        shown_as(["sha256-" + "0" * 64, "x" * 300_000]),
        b"[]",
        b"<html>",
        b"",
    ],
    ids=["empty", "null", "no evidence", "a thousand", "no text", "no list", "large", "array", "page", "nothing"],
)
def test_a_list_of_tags_that_shows_no_evidence_or_a_part_is_not_believed(folder, embedded_registry, remote, body):
    _, copied = of_evidence(remote, folder)
    AsTheTagsAre(embedded_registry, body)
    assert copied()


def test_a_list_of_tags_that_leaves_out_one_that_was_met_is_not_believed(folder, embedded_registry, remote):
    subject, copied = of_evidence(remote, folder)
    push_random_modelkit(remote, tag=fallback_tag(subject.digest) + ".sig", seed=4)
    AsTheTagsAre(embedded_registry, shown_as(["v1", "sha256-" + "0" * 64]))
    assert copied()


def test_what_lies_below_evidence_costs_no_request_for_each_form(embedded_registry, remote, folder):
    subject = push_random_modelkit(remote, tag="v1").descriptor
    push_random_modelkit(remote, tag=fallback_tag(subject.digest) + ".sig", seed=4)
    for number in range(6):
        attach_text(remote, subject, f"statement {number}")
    remote.referrers(subject.digest)
    embedded_registry.clear_requests()
    copy(remote, "v1", folder, tag="v1", referrers=True)
    assert embedded_registry.count(path_contains="/tags/list") == 1
    assert embedded_registry.count(method="GET", path_contains="/manifests/sha256-") == 4  # of the ModelKit itself


def judged(source, destination, *, is_new):
    return Judged(source.resolve("v1").digest, source, destination, is_new=is_new)


def uploads(registry) -> tuple[int, int]:
    """Return how many uploads were opened, and how many of them were taken back."""
    opened = registry.count(method="POST", path_contains="/blobs/uploads/", status=202)
    return opened, registry.count(method="DELETE", path_contains="/blobs/uploads/")


def test_blobs_of_a_new_manifest_are_taken_over_without_a_question(embedded_registry, remote):
    built = push_random_modelkit(remote, tag="v1")
    prod = open_repository(embedded_registry.reference("prod/iris"))
    embedded_registry.clear_requests()
    result = copy(remote, "v1", prod, judged(remote, prod, is_new=True), tag="v1")
    assert result.blobs_mounted == len(built.manifest.blobs)
    assert embedded_registry.count(method="HEAD", path_contains="/blobs/") == 0


def test_where_mounts_are_refused_each_blob_is_sent_by_the_upload_that_the_refusal_opened(embedded_registry, remote):
    embedded_registry.behaviour.mounts = False
    built = push_random_modelkit(remote, tag="v1")
    prod = open_repository(embedded_registry.reference("prod/iris"))
    embedded_registry.clear_requests()
    result = copy(remote, "v1", prod, judged(remote, prod, is_new=True), tag="v1")
    assert (result.blobs_copied, result.blobs_mounted) == (len(built.manifest.blobs), 0)
    assert uploads(embedded_registry) == (len(built.manifest.blobs), 0)


def test_an_upload_that_a_refused_mount_opened_is_taken_back_where_the_blob_is_there(embedded_registry, remote):
    embedded_registry.behaviour.mounts = False
    built = push_random_modelkit(remote, tag="v1")
    prod = open_repository(embedded_registry.reference("prod/iris"))
    for blob in built.manifest.blobs:
        prod.push_blob(blob, BytesSource(built.contents[blob.digest]))
    embedded_registry.clear_requests()
    result = copy(remote, "v1", prod, judged(remote, prod, is_new=True), tag="v1")
    opened, taken_back = uploads(embedded_registry)
    assert opened == taken_back > 0
    assert (result.bytes_moved, result.blobs_skipped) == (0, len(built.manifest.blobs))


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("limits", [Limits(retries=0), Limits(retries=0, concurrency=1)])
def test_uploads_that_mounts_opened_are_taken_back_when_another_blob_fails(embedded_registry, is_new, limits):
    embedded_registry.behaviour.mounts = False
    remote, prod = (open_repository(embedded_registry.reference(f"{name}/iris"), limits=limits) for name in "ab")
    push_random_modelkit(remote, tag="v1", layers=6)
    known = judged(remote, prod, is_new=is_new)
    embedded_registry.add_fault(Fault(method="GET", path_contains="/a/iris/blobs/", status=500, times=100))
    embedded_registry.clear_requests()
    with pytest.raises(RegistryError):
        copy(remote, "v1", prod, known, tag="v1", limits=limits)
    opened, taken_back = uploads(embedded_registry)
    assert opened == taken_back > 0
    assert embedded_registry.count(method="POST") < 7  # what had not begun did not begin
    assert tags_if_there(prod) == []


class HoldsDeletes:
    """A registry that answers no DELETE before the test is over; ``heard`` tells of each whether the test was."""

    def __init__(self, registry) -> None:
        self._serve = registry.serve
        self.is_over, self.is_asked, self.heard = threading.Event(), threading.Event(), []
        registry.serve = self.serve

    def serve(self, exchange) -> None:
        if exchange.method == "DELETE":
            self.is_asked.set()
            self.heard.append(self.is_over.wait(20))
        self._serve(exchange)


def test_a_cancel_ends_mounts_and_waits_for_no_registry_that_is_silent(embedded_registry):
    embedded_registry.behaviour.mounts = False
    cancel, holds = threading.Event(), HoldsDeletes(embedded_registry)
    remote, prod = (open_repository(embedded_registry.reference(f"{name}/iris")) for name in "ab")
    push_random_modelkit(remote, tag="v1", layers=6)
    known = judged(remote, prod, is_new=True)
    embedded_registry.clear_requests()
    serve = embedded_registry.serve

    def cancelling(exchange):
        serve(exchange)
        if exchange.method == "POST":
            cancel.set()

    embedded_registry.serve = cancelling
    with pytest.raises(TransferCancelledError):
        copy(remote, "v1", prod, known, tag="v1", cancel=cancel)
    assert embedded_registry.count(method="POST") < 7
    assert False not in holds.heard
    holds.is_over.set()


def test_a_look_for_a_blob_that_takes_an_upload_back_hears_a_cancel(embedded_registry):
    embedded_registry.behaviour.mounts = False
    remote, prod = (open_repository(embedded_registry.reference(f"{name}/iris")) for name in "ab")
    built = push_random_modelkit(remote, tag="v1", layers=1)
    blob = built.manifest.layers[0]
    prod.push_blob(blob, BytesSource(built.contents[blob.digest]))
    cancel, holds = threading.Event(), HoldsDeletes(embedded_registry)
    stopped = prod.stopped_by(cancel)
    assert not stopped.mount_blob(blob, remote.reference)
    waiting = threading.Thread(target=lambda: (holds.is_asked.wait(20), cancel.set()))
    waiting.start()
    assert stopped.has_blob(blob)
    assert False not in holds.heard
    holds.is_over.set()
    waiting.join()
    assert holds.is_asked.is_set()
