"""How often the registry is asked: once for each question, and for content by its digest once on this machine."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.signing import TrustPolicy, generate_key_pair
from kitops_orchestration.testing import EmbeddedRegistry, make_context_dir

MODELS, VERSIONS = ("team/one", "team/two"), 4


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    with EmbeddedRegistry() as started:
        yield started


def release(registry, tmp_path, name: str, number: int, signer) -> None:
    client = KitClient(registry.reference("x/y").registry)
    context = make_context_dir(tmp_path / f"{name.replace('/', '-')}-{number}", seed=number)
    packed = client.pack(context, f"{name}:1.{number}.0")
    client.sign(packed.reference, signer)


@pytest.fixture
def filled(registry, tmp_path):
    signer = generate_key_pair(key_format="pkcs8").signer
    for name in MODELS:
        for number in range(VERSIONS):
            release(registry, tmp_path, name, number, signer)
    registry.clear_requests()
    return registry, signer


def asked(registry) -> list[tuple[str, str]]:
    return [(record.method, record.path) for record in registry.requests]


def catalog(registry, **options):
    registry.clear_requests()
    places = [str(registry.reference(name)) for name in MODELS]
    return KitClient().catalog(places, **options)


def test_no_question_is_put_twice_and_no_layer_is_fetched(filled) -> None:
    registry, _ = filled
    found = catalog(registry)
    requests = asked(registry)
    assert len(requests) == len(set(requests))
    assert sum(len(model.releases) for model in found.models) == len(MODELS) * VERSIONS
    layers = {
        layer.digest for model in found.models for item in model.releases for layer in item.passport.version.kit.layers
    }
    assert not [path for _, path in requests if path.rpartition("/")[2] in layers]


def test_a_second_run_fetches_no_content(filled) -> None:
    registry, _ = filled
    first = catalog(registry)
    second = catalog(registry)
    again = asked(registry)
    assert not [path for method, path in again if "/blobs/" in path and method == "GET"]
    assert not [path for method, path in again if method == "GET" and "/manifests/sha256:" in path]
    assert first.to_json()["models"] == second.to_json()["models"]
    tags = len([1 for method, path in again if method == "HEAD" and "/manifests/sha256-" not in path])
    digests = sum(len(model.releases) for model in second.models)
    assert tags == digests  # each has one
    assert len([1 for _, path in again if path.endswith("/tags/list")]) == len(MODELS)
    assert len(again) == len(MODELS) + tags + 3 * digests


def test_with_only_new_an_unchanged_registry_costs_one_list_for_each_repository(filled) -> None:
    registry, _ = filled
    whole = catalog(registry)
    again = catalog(registry, only_new=True)
    assert sorted(asked(registry)) == [("GET", f"/v2/{name}/tags/list") for name in MODELS]
    assert again.to_json()["models"] == whole.to_json()["models"]


def test_with_only_new_requests_grow_with_what_is_new(filled, tmp_path) -> None:
    registry, signer = filled
    catalog(registry)
    counts = []
    for number in (VERSIONS, VERSIONS + 1):
        release(registry, tmp_path, MODELS[0], number, signer)
        found = catalog(registry, only_new=True)
        counts.append(len(asked(registry)))
        assert len(found.models[0].releases) == number + 1
    assert counts[0] == counts[1]  # the same for each new version, however many there are


def test_only_new_does_not_see_what_moved_and_says_since_when(filled, tmp_path) -> None:
    registry, _ = filled
    before = catalog(registry)
    client = KitClient()
    client.tag(str(registry.reference(f"{MODELS[0]}:1.0.0")), "1.3.0")
    stale = catalog(registry, only_new=True)
    fresh = catalog(registry)
    assert [item.digest for item in stale.models[0].releases] == [item.digest for item in before.models[0].releases]
    assert len(fresh.models[0].releases) == VERSIONS - 1
    assert stale.as_of == before.as_of


def test_only_new_does_not_see_what_was_attached_so_it_is_no_default(filled) -> None:
    """A list of tags does not change with a revocation: a run that asks for no more would show what held before."""
    registry, signer = filled
    catalog(registry)
    predicate = {"result": "FAILED", "configuration": []}
    KitClient().attest(str(registry.reference(f"{MODELS[0]}:1.1.0")), "test-result", predicate, signer=signer)

    def kinds(found) -> list[str]:
        return [event.kind for event in found.models[0].events if "FAILED" in event.summary]

    assert kinds(catalog(registry, only_new=True)) == []
    assert len(kinds(catalog(registry))) == 1


def test_a_repository_that_cannot_be_read_is_a_problem_and_stops_nothing(filled, tmp_path) -> None:
    registry, _ = filled
    registry.fail_next(times=100, method="GET", path_contains="team/two/tags", status=403)
    found = catalog(registry, into=tmp_path / "site")
    assert [item.repository for item in found.problems] == ["team/two"]
    assert [model.name for model in found.models] == ["team/one"]
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Could not be read" in text
    assert "team/two" in text


def test_a_registry_that_does_not_answer_is_not_a_damaged_version(filled, tmp_path) -> None:
    """Nobody knows then what the version is: the repository was not read, and the exit code says so."""
    registry, signer = filled
    release(registry, tmp_path, MODELS[1], 9, signer)  # the others are in both repositories, and so in the cache
    digest = KitClient().resolve(str(registry.reference(f"{MODELS[1]}:1.9.0"))).digest
    registry.fail_next(times=100, method="GET", path_contains=f"team/two/manifests/{digest}", status=403)
    found = catalog(registry)
    assert [item.repository for item in found.problems] == ["team/two"]
    assert [model.name for model in found.models] == ["team/one"]


def test_trust_is_asked_for_what_is_on_this_machine_too(filled, tmp_path) -> None:
    """Content from the cache is judged like any other: who is not trusted does not count."""
    registry, _ = filled
    catalog(registry)
    trust = tmp_path / "trust.yaml"
    stranger = generate_key_pair(key_format="pkcs8").public_key.pem
    trust.write_text(
        "version: 1\nidentities:\n- id: somebody\n  roles: [builder]\n  keys:\n  - publicKey: |\n"
        + "".join(f"      {line}\n" for line in stranger.splitlines())
    )
    found = catalog(registry, trust=TrustPolicy.load(trust))
    verdicts = [item.passport.verdict for model in found.models for item in model.releases]
    assert len(verdicts) == len(MODELS) * VERSIONS
    assert not any(verdict is None or verdict.is_verified for verdict in verdicts)


def test_the_state_changes_with_what_is_said_of_a_version_and_with_nothing_else(filled) -> None:
    """Dagster goes by it: a site that has something new is not up to date."""
    registry, signer = filled
    first = catalog(registry).state
    assert catalog(registry).state == first
    predicate = {"result": "PASSED", "configuration": []}
    KitClient().attest(str(registry.reference(f"{MODELS[0]}:1.1.0")), "test-result", predicate, signer=signer)
    assert catalog(registry).state != first
