"""A fault at every request of every flow: what may pass is retried, what may not is told at once."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import (
    AccessDeniedError,
    DigestMismatchError,
    IntegrityError,
    NotFoundError,
    RegistryError,
    RegistryUnavailableError,
    SizeMismatchError,
)
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

PUSH = [("HEAD", "/blobs/"), ("POST", "/blobs/uploads/"), ("PUT", "/blobs/uploads/"), ("PUT", "/manifests/")]
PULL = [("GET", "/manifests/"), ("GET", "/blobs/")]
REFER = [*PUSH, ("GET", "/referrers/"), ("GET", "/manifests/")]
PASSING_STATUSES = [408, 429, 500, 502, 503, 504]
IDS = "-".join


def passing_faults(method, path):
    """All the ways in which one request may fail and be worth another try."""
    for status in PASSING_STATUSES:
        yield Fault(method, path, status=status, headers={"Retry-After": "0"})
    yield Fault(method, path, drops=True)
    if method in ("PUT", "PATCH", "GET"):
        yield Fault(method, path, drops=True, after_bytes=1000)


@pytest.mark.parametrize("step", PUSH, ids=IDS)
def test_a_push_survives_each_passing_fault(embedded_registry, open_remote, step):
    for number, fault in enumerate(passing_faults(*step)):
        embedded_registry.add_fault(fault)
        repository = open_remote(f"team/iris{number}")
        built = push_random_modelkit(repository, tag="v1", layers=1, seed=number)
        assert repository.resolve("v1").digest == built.descriptor.digest, fault
        for descriptor in built.manifest.blobs:
            with repository.fetch_blob(descriptor) as stream:
                assert stream.read() == built.contents[descriptor.digest], fault


@pytest.mark.parametrize("step", PULL, ids=IDS)
def test_a_pull_survives_each_passing_fault(embedded_registry, open_remote, tmp_path, step):
    repository = open_remote()
    built = push_random_modelkit(repository, tag="v1", layers=1)
    layer = built.manifest.layers[0]
    for fault in passing_faults(*step):
        embedded_registry.add_fault(fault)
        assert repository.fetch_manifest("v1").digest == built.descriptor.digest, fault
        download_blob(repository, layer, tmp_path / "layer")
        assert (tmp_path / "layer").read_bytes() == built.contents[layer.digest], fault


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_copy_survives_each_passing_fault(embedded_registry, open_remote, side):
    source = open_remote()
    built = push_random_modelkit(source, tag="v1", layers=1)
    with EmbeddedRegistry() as other:
        steps = PULL if side == "source" else PUSH
        faulty = embedded_registry if side == "source" else other
        faults = [fault for step in steps for fault in passing_faults(*step)]
        for number, fault in enumerate(faults):
            faulty.add_fault(fault)
            destination = RemoteRepository(other.reference(f"team/copy{number}"))
            copy(source, "v1", destination, tag="v1")
            assert destination.resolve("v1").digest == built.descriptor.digest, fault
            assert all(destination.has_blob(blob) for blob in built.manifest.blobs)


@pytest.mark.parametrize("has_api", [True, False], ids=["api", "fallback-tag"])
def test_attaching_and_listing_survive_each_passing_fault(embedded_registry, open_remote, has_api):
    embedded_registry.behaviour.referrers_api = has_api
    repository = open_remote()
    subject = push_random_modelkit(repository, tag="v1").descriptor
    faults = [fault for step in REFER for fault in passing_faults(*step)]
    for number, fault in enumerate(faults):
        embedded_registry.add_fault(fault)
        attach(repository, subject, artifact_type="a/b", layers=[(str(number).encode(), "a/b")])
        embedded_registry.clear_faults()  # without the API some steps are not taken
        assert len(repository.referrers(subject.digest)) == number + 1, fault


@pytest.mark.parametrize("code", ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"])
@pytest.mark.parametrize("has_api", [True, False], ids=["api", "fallback-tag"])
def test_a_part_that_is_unknown_for_a_moment_fails_no_manifest(embedded_registry, open_remote, has_api, code):
    """By digest, at a tag, and in the list at a fallback tag."""
    embedded_registry.behaviour.referrers_api = has_api
    repository = open_remote()
    for path in ("/manifests/sha256:", "/manifests/v1", "/manifests/sha256-"):
        embedded_registry.fail_next(method="PUT", path_contains=path, status=400, code=code, times=3)
    built = push_random_modelkit(repository, tag="v1")
    attach(repository, built.descriptor, artifact_type="a/b", layers=[(b"said", "a/b")])
    assert repository.resolve("v1") == built.descriptor
    assert len(repository.referrers(built.descriptor.digest)) == 1


def test_silence_is_noticed_and_survived(embedded_registry, open_remote):
    repository = open_remote(limits=Limits(silence_timeout_seconds=0.6))
    built = push_random_modelkit(repository, tag="v1", layers=1)
    for fault in (Fault("GET", "/blobs/", stall_seconds=30), Fault("GET", "/blobs/", stall_seconds=30, after_bytes=9)):
        embedded_registry.add_fault(fault)
        with repository.fetch_blob(built.manifest.layers[0]) as stream:
            assert stream.read() == built.contents[built.manifest.layers[0].digest]


PERMANENT = [
    (step, status, error)
    for step in PUSH[1:]
    for status, error in ((403, AccessDeniedError), (404, NotFoundError), (400, RegistryError))
    # a lost upload is the one 404 that another upload can help
    if (*step, status) != ("PUT", "/blobs/uploads/", 404)
]


@pytest.mark.parametrize(("step", "status", "error"), PERMANENT)
def test_what_will_not_pass_is_told_at_once(embedded_registry, remote, step, status, error):
    embedded_registry.add_fault(Fault(*step, status=status, code="DENIED"))
    with pytest.raises(error):
        push_random_modelkit(remote, tag="v1", layers=1)
    assert embedded_registry.count(method=step[0], path_contains=step[1]) == 1


def test_an_error_names_operation_and_reference_and_hides_queries(embedded_registry, remote):
    embedded_registry.fail_next(method="PUT", path_contains="/blobs/uploads/", status=403, code="DENIED")
    with pytest.raises(AccessDeniedError) as caught:
        push_bytes(remote, b"content")
    error = caught.value
    assert error.operation == "push blob to"
    assert error.reference == str(remote.reference)
    assert "DENIED" in str(error)
    assert "?" not in str(error)


def test_a_long_error_body_is_bounded(embedded_registry, remote):
    embedded_registry.fail_next(method="HEAD", status=403, code="X" * 100_000)
    embedded_registry.fail_next(method="GET", status=400, code="X" * 100_000)
    with pytest.raises(RegistryError) as caught:
        remote.fetch_manifest("v1")
    assert len(str(caught.value)) < 1000


def test_retries_end(embedded_registry, open_remote):
    embedded_registry.fail_next(status=503, times=100, retry_after=0)
    with pytest.raises(RegistryUnavailableError) as caught:
        open_remote(limits=Limits(retries=3)).resolve("v1")
    assert caught.value.transient
    assert len(embedded_registry.requests) == 4


def test_a_retry_after_beyond_the_budget_is_reported_not_waited_for(embedded_registry, open_remote):
    embedded_registry.fail_next(status=429, retry_after=3600)
    with pytest.raises(RegistryUnavailableError) as caught:
        open_remote(limits=Limits(retry_budget_seconds=2)).resolve("v1")
    assert caught.value.retry_after_seconds == 3600


def test_a_registry_that_is_not_there_is_unavailable(embedded_registry, open_remote):
    repository = open_remote(limits=Limits(retries=1))
    embedded_registry.stop()
    with pytest.raises(RegistryUnavailableError, match="refused") as caught:
        repository.resolve("v1")
    assert caught.value.advice


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize("harm", ["corrupts", "truncates"])
def test_damaged_content_is_fetched_once_more(embedded_registry, remote, tmp_path, size, harm):
    content = random_bytes(size)
    descriptor = push_bytes(remote, content)
    embedded_registry.add_fault(Fault("GET", "/blobs/", after_bytes=500, **{harm: True}))
    download_blob(remote, descriptor, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize(
    ("harm", "error"), [("corrupts", DigestMismatchError), ("truncates", (SizeMismatchError, IntegrityError))]
)
def test_content_that_stays_damaged_is_not_kept(embedded_registry, remote, tmp_path, size, harm, error):
    descriptor = push_bytes(remote, random_bytes(size))
    embedded_registry.add_fault(Fault("GET", "/blobs/", times=9, after_bytes=500, **{harm: True}))
    with pytest.raises(error):
        download_blob(remote, descriptor, tmp_path / "blob")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_manifest_is_refused(embedded_registry, remote):
    built = push_random_modelkit(remote, tag="v1")
    for target in ("v1", built.descriptor.digest):
        embedded_registry.add_fault(Fault("GET", "/manifests/", corrupts=True, after_bytes=30))
        with pytest.raises(DigestMismatchError):
            remote.fetch_manifest(target)
