"""Stages in two registries, over HTTP and with passwords: every answer follows a promotion from one to the other."""

from __future__ import annotations

import json

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import DeploymentTarget
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.keys import generate_key_pair, load_private_key
from kitops_orchestration.signing.trust import TrustPolicy
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def promoted(tmp_path):
    """A version that was approved in one registry, promoted into another, and deployed from there."""
    pair = generate_key_pair("geheim-1234")
    (tmp_path / "team.pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - id: team\n    roles: [builder, releaser, deployer, approver, risk]\n"
        "    keys: [{publicKey: team.pub}]\n"
    )
    bound = {
        "signer": load_private_key(pair.private_pem.decode(), "geheim-1234"),
        "trust": TrustPolicy.load(tmp_path / "trust.yaml"),
    }
    with EmbeddedRegistry(auth="basic") as dev, EmbeddedRegistry(auth="basic") as production:
        known = {host.host: Credential(username=host.username, password=host.password) for host in (dev, production)}
        stage = {
            "destination": f"{production.host}/production/{{name}}",
            "checks": [{"approvals": {"roles": ["risk"], "count": 1}}],
        }
        policy = PromotionPolicy.parse(json.dumps({"version": 1, "stages": {"production": stage}}))
        client = KitClient(dev.host, credentials=StaticCredentials(known), **bound)
        client.pack(make_context_dir(tmp_path / "wine"), "dev/wine:v1")
        client.approve("dev/wine:v1", stage="production", policy=policy, role="risk")
        moved = client.promote("dev/wine:v1", stage="production", policy=policy)
        client.record_deployment(str(moved.reference), "production", DeploymentTarget("vm", "scoring-1"))
        only_dev = KitClient(dev.host, credentials=StaticCredentials({dev.host: known[dev.host]}), **bound)
        yield client, only_dev, [f"{dev.host}/dev/wine", f"{production.host}/production/wine"], moved.reference.digest


def test_each_registry_knows_the_approval_and_the_deployment_in_the_other(promoted) -> None:
    client, _, places, digest = promoted
    for place in places:
        assert [found["environment"] for found in client.passport(f"{place}@{digest}").to_json()["deployments"]] == [
            "production"
        ]
        offs = client.sign_offs(f"{place}@{digest}")
        assert len(offs.decisions) == 1
        assert offs.is_approved("production")
        where = client.where_deployed(place).to_json()
        assert [str(digest) in json.dumps(where), where["gaps"]] == [True, []]


def test_a_registry_without_credentials_here_is_a_gap_and_no_denial(promoted) -> None:
    _, only_dev, (dev, production), _ = promoted
    gaps = only_dev.where_deployed(dev).to_json()["gaps"]
    assert len(gaps) == 1
    assert production in gaps[0]
    assert "no credentials" in gaps[0]
