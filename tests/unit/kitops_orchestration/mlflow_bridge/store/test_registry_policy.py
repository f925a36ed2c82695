"""What a ModelKit may make a process reach, and whose parents are believed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import AccessDeniedError, SignatureError
from kitops_orchestration.mlflow_bridge.store.checkout import unpacked
from kitops_orchestration.mlflow_bridge.store.registry_policy import verify_trusted
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def other_registry():
    with EmbeddedRegistry() as registry:
        yield registry


@pytest.fixture
def family(embedded_registry, other_registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A child in one registry whose Kitfile names a parent in another."""
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    base, child = tmp_path / "base", tmp_path / "child"
    for folder in (base, child):
        folder.mkdir()
    (base / "weights.bin").write_text("base")
    (base / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: base}\nmodel: {path: weights.bin}\n")
    (child / "tune.py").write_text("pass")
    kits = KitClient(embedded_registry.host, credentials=StaticCredentials({}))
    parent = kits.pack(base, f"{other_registry.host}/team/base:v1")
    kitfile = {
        "manifestVersion": "1.0.0",
        "package": {"name": "child"},
        "model": {"path": f"{other_registry.host}/team/base@{parent.digest}"},
        "code": [{"path": "tune.py"}],
    }
    (child / "Kitfile").write_text(yaml.safe_dump(kitfile))
    packed = kits.pack(child, "team/child:v1")
    return kits, packed, parent


def test_a_parent_in_a_registry_that_nobody_allowed_is_not_fetched(
    family, embedded_registry, other_registry, monkeypatch
):
    kits, packed, _ = family
    monkeypatch.setenv("KITOPS_MLFLOW_ALLOWED_REGISTRIES", embedded_registry.host)
    before = len(other_registry.requests)

    with pytest.raises(AccessDeniedError, match="may not reach the registry"):
        unpacked(kits.repository(packed.reference), packed.digest)

    assert len(other_registry.requests) == before


def test_a_parent_in_an_allowed_registry_is_unpacked_with_its_child(family, monkeypatch):
    kits, packed, _ = family
    monkeypatch.setenv("KITOPS_MLFLOW_ALLOWED_REGISTRIES", "127.0.0.1:*,localhost:*")

    content = unpacked(kits.repository(packed.reference), packed.digest)

    assert sorted(path.name for path in content.iterdir() if path.is_file()) == ["tune.py", "weights.bin"]


@pytest.mark.needs("signing")
def test_a_trust_policy_asks_for_the_parents_signature_too(family, tmp_path):
    kits, packed, parent = family
    pair = generate_key_pair(key_format="pkcs8")
    policy = tmp_path / "trust.yaml"
    identity = {"id": "rita", "roles": ["releaser"], "keys": [{"publicKey": pair.public_key.pem}]}
    policy.write_text(yaml.safe_dump({"version": 1, "identities": [identity]}))
    kits.sign(packed.reference, pair.signer)
    repository = kits.repository(packed.reference)

    with pytest.raises(SignatureError):
        verify_trusted(repository, packed.digest, TrustPolicy.load(policy))
    kits.sign(parent.reference, pair.signer)

    verify_trusted(repository, packed.digest, TrustPolicy.load(policy))
