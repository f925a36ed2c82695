"""What one verb remembers of a repository: what a digest names, and nothing that may change."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.repository import remembering
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.oci.transfer.source import BytesSource, NewBytes
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.builders import push_random_modelkit

BLOB = Descriptor("text/plain", Digest.of(b"words"), 5)


@pytest.fixture
def remote(embedded_registry):
    return open_repository(embedded_registry.reference("team/iris"), limits=Limits(retries=0))


def asked(registry, **wanted) -> int:
    count = registry.count(**wanted)
    registry.clear_requests()
    return count


def test_a_manifest_is_read_once_by_its_digest_and_a_tag_each_time(remote, embedded_registry):
    digest = push_random_modelkit(remote, tag="v1").descriptor.digest
    one = remembering(remote)
    embedded_registry.clear_requests()

    nodes = [one.fetch_manifest(digest) for _ in range(3)]

    assert {node.digest for node in nodes} == {digest}
    assert one.resolve(digest) == nodes[0].descriptor
    assert asked(embedded_registry) == 1
    other = push_random_modelkit(remote, tag="v1", seed=7).descriptor
    embedded_registry.clear_requests()
    assert one.resolve("v1") == other
    assert [one.fetch_manifest("v1").digest, one.resolve("v1").digest] == [other.digest] * 2
    assert asked(embedded_registry) == 3


def test_who_asks_for_a_blob_gets_todays_answer(remote, embedded_registry):
    one = remembering(remote)
    assert one.push_blob(BLOB, BytesSource(b"words"))
    embedded_registry.clear_requests()
    assert not one.push_blob(BLOB, BytesSource(b"words"))
    assert asked(embedded_registry) == 0
    embedded_registry.storage.delete_blob("team/iris", BLOB.digest)
    assert not one.has_blob(BLOB)


def test_what_it_deleted_is_gone(remote):
    digest = push_random_modelkit(remote, tag="v1").descriptor.digest
    one = remembering(remote)
    one.fetch_manifest(digest)
    one.delete_manifest(digest)
    with pytest.raises(NotFoundError):
        one.resolve(digest)


def test_the_repository_itself_remembers_nothing(remote, embedded_registry):
    digest = push_random_modelkit(remote, tag="v1").descriptor.digest
    remembering(remote).fetch_manifest(digest)
    embedded_registry.clear_requests()
    assert [remote.fetch_manifest(digest).digest for _ in range(2)] == [digest] * 2
    assert asked(embedded_registry) == 2


def test_a_referrers_list_is_asked_for_each_time(remote, embedded_registry):
    digest = push_random_modelkit(remote, tag="v1").descriptor.digest
    one = remembering(remote)
    one.referrers(digest)
    embedded_registry.clear_requests()
    assert one.referrers(digest) == []
    assert asked(embedded_registry, path_contains="/referrers/") == 1


def test_new_bytes_are_sent_without_a_question(remote, embedded_registry):
    assert remote.push_blob(BLOB, NewBytes(b"words"))
    assert asked(embedded_registry, method="HEAD") == 0
    assert remote.has_blob(BLOB)


def test_one_that_stands_around_another_is_left_as_it_is(remote):
    class Counting:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

    counting = Counting(remote)
    assert remembering(counting) is counting
