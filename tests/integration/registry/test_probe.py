"""A probe says what a registry can do, as it is, and leaves nothing behind that the registry would let go of."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.errors import AuthenticationError, InvalidReferenceError, RegistryUnavailableError
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.registry import abilities
from kitops_orchestration.oci.registry.abilities import Abilities, keep, kept
from kitops_orchestration.oci.registry.session import RegistrySession
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing import EmbeddedRegistry
from kitops_orchestration.testing.builders import push_random_modelkit
from kitops_orchestration.testing.registry.behaviour import Behaviour

NOBODY = StaticCredentials({})
QUICK = Limits(retries=0, silence_timeout_seconds=3)


@contextmanager
def client_of(behaviour: Behaviour | None = None, **options: Any) -> Iterator[tuple[KitClient, EmbeddedRegistry]]:
    with EmbeddedRegistry(behaviour=behaviour, **options) as registry:
        yield KitClient(registry.host, credentials=NOBODY, limits=QUICK), registry


WHOLE = {
    "write": True,
    "chunks": True,
    "resume": True,
    "chunk order": True,
    "ranges": True,
    "mount": True,
    "referrers": True,
    "immutable tags": False,
    "tag pages": True,
    "hides what is missing": False,
    "catalogue": True,
    "tag deletion": True,
    "manifest deletion": True,
    "blob deletion": True,
}


@pytest.mark.parametrize(
    ("behaviour", "differs"),
    [
        ({}, {}),
        ({"referrers_api": False}, {"referrers": False}),
        ({"referrers_api": False, "subject_header": True}, {"referrers": False}),  # the header alone proves nothing
        ({"mounts": False}, {"mount": False}),
        ({"refuses_chunks": True}, {"chunks": False, "resume": None, "chunk order": None}),
        ({"max_chunk_bytes": 100}, {"chunks": False, "resume": None, "chunk order": None}),
        ({"min_chunk_bytes": 10_000}, {}),
        ({"reports_stuck_range": True}, {"resume": False}),
        ({"ranges": False}, {"ranges": False}),
        ({"immutable_tags": True}, {"immutable tags": True}),
        ({"deletes_tags": False}, {"tag deletion": False}),
        ({"deletes": False}, {"tag deletion": False, "manifest deletion": False, "blob deletion": False}),
        ({"upload_location": "absolute", "link": "absolute"}, {}),
    ],
)
def test_each_switch_of_a_registry_is_found_out(behaviour: dict[str, Any], differs: dict[str, bool | None]) -> None:
    with client_of(Behaviour(**behaviour)) as (client, registry):
        kit = push_random_modelkit(client.repository("team/iris"), tag="v1", layers=1, layer_bytes=100)
        report = client.probe("team/iris")
        assert {name: report.has(name) for name in WHOLE} == {**WHOLE, **differs}
        assert report.min_chunk_bytes == behaviour.get("min_chunk_bytes")
        assert registry.uploads.open_count == 0
        assert client.repository("team/iris").resolve("v1").digest == kit.descriptor.digest
        if behaviour.get("deletes", True):
            assert report.left_behind == ()
            assert client.tags("team/iris") == ["v1"]
        else:
            assert [item.split()[0] for item in report.left_behind].count("tag") == 2


def test_blobs_are_gone_too_here_and_in_the_repository_beside() -> None:
    with client_of() as (client, registry):
        client.probe("team/iris")
        left = {item.path for item in registry.requests if item.method == "PUT" and "/blobs/" in item.path}
        deleted = registry.count(method="DELETE", path_contains="/blobs/sha256:", status=202)
        assert left
        assert deleted == 3  # the blob, the one in chunks, and the one that was mounted


def test_a_real_registry(run_registry) -> None:
    host = run_registry()
    client = KitClient(host, credentials=NOBODY)
    report = client.probe("team/iris")
    expected = {"referrers": False, "chunk order": False, "tag pages": False, "tag deletion": False}
    assert {name: report.has(name) for name in WHOLE} == {**WHOLE, **expected}
    assert report.left_behind == ()
    assert client.tags("team/iris") == []


def test_a_real_registry_that_deletes_nothing_says_what_is_left(run_registry) -> None:
    host = run_registry(storage={"delete": {"enabled": False}})
    report = KitClient(host, credentials=NOBODY).probe("team/iris")
    assert report.has("manifest deletion") is False
    assert sorted(item.split()[0] for item in report.left_behind).count("tag") == 2


def test_who_may_only_read_is_told_what_can_be_read() -> None:
    with EmbeddedRegistry(auth="token", behaviour=Behaviour(anonymous_pull=True)) as registry:
        report = KitClient(registry.host, credentials=NOBODY, limits=QUICK).probe("team/iris")
        assert (report.has("write"), report.has("referrers"), report.has("chunks")) == (False, True, None)
        assert registry.count(method="PUT") == 0


def test_credentials_are_used_and_not_shown() -> None:
    with EmbeddedRegistry(auth="token") as registry:
        credential = Credential(registry.username, registry.password)
        client = KitClient(registry.host, credentials=StaticCredentials({registry.host: credential}), limits=QUICK)
        report = client.probe("team/iris")
        assert (report.has("write"), report.has("manifest deletion")) == (True, True)
        assert registry.password not in json.dumps(report.to_json())
        with pytest.raises(AuthenticationError):
            KitClient(registry.host, credentials=NOBODY, limits=QUICK).probe("team/iris")


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "HEAD"])
@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_registry_that_fails_at_one_thing_is_asked_for_the_others(method: str, status: int) -> None:
    with client_of() as (client, registry):
        registry.fail_next(method=method, status=status, times=1000)
        report = client.probe("team/iris")
        assert report.has("ranges") is True
        assert {item.name for item in report.abilities} >= {"write", "mount", "referrers", "manifest deletion"}


def test_a_registry_that_is_not_there_is_an_error_and_no_report() -> None:
    with pytest.raises(RegistryUnavailableError):
        KitClient("127.0.0.1:1", credentials=NOBODY, limits=QUICK).probe("team/iris")


def test_a_folder_has_nothing_to_find_out(tmp_path) -> None:
    with pytest.raises(InvalidReferenceError, match="is a folder"):
        KitClient(f"file://{tmp_path}").probe("team/iris")


def test_what_is_kept_saves_the_transfers_their_attempts(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path))
    with client_of(Behaviour(mounts=False, refuses_chunks=True)) as (client, registry):
        client.probe("team/iris", keep=True)
        later = KitClient(registry.host, credentials=StaticCredentials({}), limits=QUICK)
        push_random_modelkit(later.repository("team/iris"), tag="v1", layers=3, layer_bytes=100)
        registry.clear_requests()
        later.copy("team/iris:v1", "prod/iris:v1")
        assert sum("mount=" in item.query for item in registry.requests) == 0
        assert RegistrySession(registry.host).abilities.takes_chunks is False
        assert RegistrySession("other.example").abilities == Abilities()


def test_what_is_kept_is_never_that_there_is_no_evidence(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path))
    with client_of(Behaviour(referrers_api=False)) as (client, registry):
        client.probe("team/iris", keep=True)
        assert kept(registry.host).has_referrers is None


def test_what_is_kept_ends_after_a_week_and_nonsense_is_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path))
    path = keep("registry.example", Abilities(takes_chunks=False, min_chunk_bytes=5))
    assert kept("registry.example") == Abilities(takes_chunks=False, min_chunk_bytes=5)
    value = json.loads(path.read_text())
    for change in (
        {"keptAt": time.time() - abilities.KEPT_SECONDS - 1},
        {"keptAt": time.time() + 1000},
        {"registry": "another.example"},
        {"keptAt": "now"},
        {"takesChunks": None, "minChunkBytes": "many"},
    ):
        path.write_text(json.dumps({**value, **change}))
        assert kept("registry.example").min_chunk_bytes == 0
    for text in ("", "[]", "null", "{" * 10_000, "\x00"):
        path.write_text(text)
        assert kept("registry.example") == Abilities()
