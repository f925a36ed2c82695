"""What every Repository does, whatever it is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kitops_orchestration.errors import (
    IntegrityError,
    InvalidReferenceError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
)
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.resolve import tags_by_digest, tags_if_there
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes

SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"
OCTETS = "application/octet-stream"


def descriptor_of(content: bytes) -> Descriptor:
    return Descriptor(OCTETS, Digest.of(content), len(content))


def read_blob(repository: Repository, descriptor: Descriptor, offset: int = 0) -> bytes:
    with repository.fetch_blob(descriptor, offset=offset) as stream:
        found = b""
        while data := stream.read(65536):
            found += data
        return found


def attach_note(repository: Repository, subject: Descriptor, text: str, artifact_type: str = SIGNATURE):
    layers = [(text.encode(), artifact_type)]
    return attach(repository, subject, artifact_type=artifact_type, layers=layers, annotations={"note": text})


def test_it_is_a_repository(repository):
    assert isinstance(repository, Repository)
    assert repository.reference.tag is None


def test_a_repository_is_there_once_something_was_tagged_in_it(repository):
    push_random_modelkit(repository, tag="v1", layers=1, layer_bytes=10)
    assert repository.exists()
    assert list(repository.tags()) == ["v1"]


def test_a_repository_nobody_pushed_to_is_not_found_and_not_empty(repository):
    assert not repository.exists()
    assert tags_if_there(repository) == []
    for listed in (lambda: list(repository.tags()), lambda: tags_by_digest(repository)):
        with pytest.raises(NotFoundError, match=f"no repository {repository.reference}"):
            listed()


def test_a_blob_comes_back_as_it_was(repository, tmp_path):
    content = random_bytes(300_000)
    path = tmp_path / "weights"
    path.write_bytes(b"before" + content + b"after")
    descriptor = descriptor_of(content)
    assert repository.push_blob(descriptor, FileSource(path, offset=6, size=len(content)))
    assert repository.has_blob(descriptor)
    assert read_blob(repository, descriptor) == content


def test_a_blob_can_be_read_from_the_middle(repository):
    descriptor = push_bytes(repository, b"0123456789")
    assert read_blob(repository, descriptor, offset=7) == b"789"


def test_an_empty_blob_is_a_blob(repository):
    descriptor = push_bytes(repository, b"")
    assert repository.has_blob(descriptor)
    assert read_blob(repository, descriptor) == b""


def test_a_blob_is_stored_once(repository):
    descriptor = push_bytes(repository, b"once")
    assert repository.push_blob(descriptor, BytesSource(b"once")) is False


def test_content_that_is_not_the_descriptors_is_refused(repository):
    wanted = descriptor_of(b"the bytes that were promised")
    with pytest.raises(KitOpsError) as caught:
        repository.push_blob(wanted, BytesSource(b"other bytes of equal length!"))
    assert isinstance(caught.value, (IntegrityError, RegistryError))
    assert caught.value.advice
    assert not repository.has_blob(wanted)


def test_a_source_of_another_length_is_refused(repository):
    wanted = descriptor_of(b"ten bytes!")
    with pytest.raises(KitOpsError):
        repository.push_blob(wanted, BytesSource(b"short"))
    assert not repository.has_blob(wanted)


def test_manifest_bytes_are_kept_exactly(repository):
    built = push_random_modelkit(repository, tag="v1")
    by_tag, by_digest = repository.fetch_manifest("v1"), repository.fetch_manifest(built.descriptor.digest)
    assert by_tag.content == by_digest.content == built.manifest.content
    assert repository.resolve("v1") == repository.resolve(built.descriptor.digest) == built.descriptor


def test_a_manifest_without_its_blobs_is_refused(repository):
    lost = descriptor_of(b"never pushed")
    manifest = Manifest.build(config=push_bytes(repository, b"{}"), layers=[lost])
    with pytest.raises(RegistryResponseError) as caught:
        repository.push_manifest(manifest, tag="v1")
    assert "MANIFEST_BLOB_UNKNOWN" in caught.value.codes
    with pytest.raises(NotFoundError):
        repository.resolve("v1")


def test_tags_are_listed_in_order_and_move(repository):
    first, second = (push_random_modelkit(repository, tag=tag, seed=seed) for seed, tag in enumerate(("v2", "v10")))
    repository.set_tag("latest", first.descriptor)
    assert list(repository.tags()) == ["latest", "v10", "v2"]
    repository.set_tag("latest", second.descriptor)
    assert repository.resolve("latest").digest == second.descriptor.digest
    assert repository.resolve("v2").digest == first.descriptor.digest


def test_a_manifest_that_lost_its_tag_is_still_there(repository):
    first = push_random_modelkit(repository, tag="v1", seed=1)
    push_random_modelkit(repository, tag="v1", seed=2)
    assert repository.fetch_manifest(first.descriptor.digest).content == first.manifest.content


def test_a_tag_cannot_point_at_nothing(repository):
    push_random_modelkit(repository, tag="v1")
    with pytest.raises(NotFoundError):
        repository.set_tag("v2", descriptor_of(b"no manifest"))
    assert list(repository.tags()) == ["v1"]


@pytest.mark.parametrize("tag", ["", "-v1", "a/b", "a:b", "x" * 129])
def test_a_text_that_is_no_tag_is_refused(repository, tag):
    built = push_random_modelkit(repository)
    with pytest.raises(InvalidReferenceError):
        repository.set_tag(tag, built.descriptor)
    with pytest.raises(InvalidReferenceError):
        repository.push_manifest(built.manifest, tag=tag)


def test_a_deleted_tag_leaves_the_manifest(repository, medium):
    built = push_random_modelkit(repository, tag="v1")
    repository.set_tag("v2", built.descriptor)
    if medium.startswith("docker-registry"):
        with pytest.raises(RegistryResponseError) as caught:
            repository.delete_tag("v2")
        assert caught.value.advice
        return
    repository.delete_tag("v2")
    assert list(repository.tags()) == ["v1"]
    repository.delete_tag("v1")
    assert repository.resolve(built.descriptor.digest) == built.descriptor


def test_deleting_a_tag_that_is_not_there_says_so(repository):
    push_random_modelkit(repository, tag="v1")
    with pytest.raises(NotFoundError):
        repository.delete_tag("v2")


def test_an_index_is_kept_with_its_children(repository):
    children = [push_random_modelkit(repository, seed=seed).descriptor for seed in (1, 2)]
    index = Index.build(children)
    repository.push_manifest(index, tag="all")
    found = repository.fetch_manifest("all")
    assert found.content == index.content
    assert [child.digest for child in found.manifests] == [child.digest for child in children]


def test_an_index_without_its_children_is_refused(repository):
    lost = Descriptor(media_types.MANIFEST, Digest.of(b"never pushed"), 12)
    with pytest.raises(RegistryResponseError):
        repository.push_manifest(Index.build([lost]), tag="all")


def test_referrers_are_found_with_type_and_annotations(repository):
    subject = push_random_modelkit(repository, tag="v1").descriptor
    first = attach_note(repository, subject, "first")
    second = attach_note(repository, subject, "second", "application/vnd.in-toto+json")
    found = repository.referrers(subject.digest)
    assert {item.digest for item in found} == {first.descriptor.digest, second.descriptor.digest}
    assert {(item.artifact_type, item.annotations["note"]) for item in found} == {
        (SIGNATURE, "first"),
        ("application/vnd.in-toto+json", "second"),
    }
    only = repository.referrers(subject.digest, artifact_type=SIGNATURE)
    assert [item.digest for item in only] == [first.descriptor.digest]


def test_attaching_twice_adds_nothing(repository):
    subject = push_random_modelkit(repository, tag="v1").descriptor
    first, again = attach_note(repository, subject, "same"), attach_note(repository, subject, "same")
    assert (first.is_new, again.is_new) == (True, False)
    assert first.descriptor == again.descriptor
    assert len(repository.referrers(subject.digest)) == 1


def test_referrers_do_not_show_up_as_tags(repository):
    subject = push_random_modelkit(repository, tag="v1").descriptor
    attach_note(repository, subject, "evidence")
    push_random_modelkit(repository, tag=f"{fallback_tag(subject.digest)}.sig", seed=9)
    assert list(repository.tags()) == ["v1"]


def test_a_subject_may_come_after_its_referrer(repository):
    late = descriptor_of(b"not pushed yet")
    added = attach_note(repository, Descriptor(media_types.MANIFEST, late.digest, late.size), "early")
    assert [item.digest for item in repository.referrers(late.digest)] == [added.descriptor.digest]


def test_entries_of_other_tools_are_classified_by_their_manifest(repository):
    subject = push_random_modelkit(repository, tag="v1").descriptor
    layer = push_bytes(repository, b"statement", SIGNATURE)
    manifest = Manifest.build(
        config=push_bytes(repository, b"{}", media_types.EMPTY_JSON),
        layers=[layer],
        artifact_type=SIGNATURE,
        annotations={"note": "from another tool"},
    )
    pushed = repository.push_manifest(manifest)
    wrong = Descriptor(pushed.media_type, pushed.digest, pushed.size, artifact_type=media_types.EMPTY_JSON)
    repository.push_manifest(Index.build([wrong]), tag=fallback_tag(subject.digest))
    (found,) = repository.referrers(subject.digest, artifact_type=SIGNATURE)
    assert found.digest == pushed.digest
    assert found.annotations == {"note": "from another tool"}


def test_a_blob_is_mounted_from_a_neighbour_without_moving(open_named, repository_name):
    here, there = open_named(repository_name), open_named(f"{repository_name}/prod")
    descriptor = push_bytes(here, random_bytes(5000))
    assert there.mount_blob(descriptor, here.reference)
    assert there.has_blob(descriptor)
    assert read_blob(there, descriptor) == random_bytes(5000)


def test_a_blob_the_neighbour_lacks_is_not_mounted(open_named, repository_name):
    here, there = open_named(repository_name), open_named(f"{repository_name}/prod")
    push_bytes(here, b"something else")
    lost = descriptor_of(b"nowhere")
    assert not there.mount_blob(lost, here.reference)
    assert not there.has_blob(lost)
    assert there.push_blob(lost, BytesSource(b"nowhere"))


def test_a_copy_within_a_registry_moves_no_bytes(open_named, repository_name):
    here, there = open_named(repository_name), open_named(f"{repository_name}/prod")
    built = push_random_modelkit(here, tag="v1")
    result = copy(here, "v1", there, tag="v1")
    assert (result.blobs_mounted, result.blobs_copied, result.bytes_moved) == (3, 0, 0)
    assert there.resolve("v1") == built.descriptor == result.descriptor


def test_a_copy_takes_the_evidence_along(open_named, repository_name):
    here, there = open_named(repository_name), open_named(f"{repository_name}/prod")
    subject = push_random_modelkit(here, tag="v1").descriptor
    signed = attach_note(here, subject, "signature")
    countersigned = attach_note(here, signed.descriptor, "signature of the signature")
    assert copy(here, "v1", there, tag="v1", referrers=True).referrers_copied == 2
    assert there.referrers(subject.digest) == here.referrers(subject.digest)
    assert [item.digest for item in there.referrers(signed.descriptor.digest)] == [countersigned.descriptor.digest]
    assert copy(here, "v1", there, tag="v1", referrers=True).referrers_copied == 0


def test_many_threads_may_write_at_once(repository):
    with ThreadPoolExecutor(8) as pool:
        built = list(pool.map(lambda seed: push_random_modelkit(repository, tag=f"v{seed}", seed=seed), range(16)))
    assert sorted(repository.tags()) == sorted(f"v{seed}" for seed in range(16))
    assert [repository.resolve(f"v{seed}") for seed in range(16)] == [item.descriptor for item in built]


def test_many_threads_may_attach_to_one_manifest(repository):
    subject = push_random_modelkit(repository, tag="v1").descriptor
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda number: attach_note(repository, subject, f"note {number}"), range(8)))
    found = {item.digest for item in repository.referrers(subject.digest)}
    assert found == {item.descriptor.digest for item in added}
