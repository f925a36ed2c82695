"""A small regulated team: people with keys and roles, a policy, and ModelKits in folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import Metric, TestResult, provenance
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.promotion.policy import PromotionPolicy
from kitops_orchestration.signing.keys import KeyPair, generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

KITFILE: dict[str, Any] = {
    "manifestVersion": "1.0.0",
    "package": {"name": "iris", "version": "1.0.0", "license": "Apache-2.0"},
    "model": {
        "name": "iris",
        "path": "model.skops",
        "format": "skops",
        "parameters": {"mlflow": {"serialization_format": "skops", "metrics": {"accuracy": 0.97, "loss": 0.1}}},
    },
    "datasets": [{"name": "train", "path": "train.csv"}],
}
PEOPLE = {
    "bob": ["builder"],
    "rita": ["releaser"],
    "eve": ["evaluator"],
    "ann": ["risk", "approver"],
    "dan": ["risk", "approver"],
    "mal": ["deployer"],
}


@pytest.fixture(scope="session")
def keys() -> dict[str, KeyPair]:
    return {name: generate_key_pair(key_format="pkcs8") for name in (*PEOPLE, "ann2", "stranger")}


@dataclass
class Team:
    """Everything that a test of promotion touches."""

    folder: Path
    keys: dict[str, KeyPair]
    client: KitClient
    trust: TrustPolicy
    kitfile: dict[str, Any] = field(default_factory=lambda: yaml.safe_load(yaml.safe_dump(KITFILE)))

    def signer(self, name: str):
        return self.keys[name].signer

    def pack(self, tag: str = "1.0.0", content: str = "weights", repository: str = "staging/iris", **options):
        context = self.folder / f"context-{tag}-{content}"
        context.mkdir(exist_ok=True)
        (context / "model.skops").write_text(content)
        (context / "train.csv").write_text("a,b\n1,2\n")
        (context / "Kitfile").write_text(yaml.safe_dump(self.kitfile, sort_keys=False))
        return self.client.pack(context, f"{repository}:{tag}", **options)

    def policy(self, *checks: Any, **stage: Any) -> PromotionPolicy:
        body = {"destination": str(self.client.registry) + "/prod/{name}", "checks": list(checks), **stage}
        return PromotionPolicy.parse(yaml.safe_dump({"version": 1, "stages": {"staging": {}, "production": body}}))

    def test_result(self, packed, *, by: str = "eve", result: str = "PASSED", created_on: str | None = None, **metrics):
        said = TestResult(
            result, metrics=tuple(Metric(name, str(value)) for name, value in metrics.items()), created_on=created_on
        )
        return self.client.attach(packed.reference, said, signer=self.signer(by) if by else None)

    def provenance(self, packed, *, by: str = "bob", **more):
        return self.client.attach(packed.reference, provenance(packed, **more), signer=self.signer(by))

    def check(self, packed, policy: PromotionPolicy):
        """The result of the policy's last check for a ModelKit."""
        plan = self.client.plan(packed.reference, stage="production", policy=policy, trust=self.trust)
        return plan.checks[-1]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Memory instead of a disk where there is one: a promotion syncs every record, and these tests make hundreds."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def team(tmp_path: Path, keys: dict[str, KeyPair], monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    identities = [
        {"id": name, "roles": roles, "keys": [{"publicKey": keys[name].public_key.pem}]}
        for name, roles in PEOPLE.items()
    ]
    identities[3]["keys"].append({"publicKey": keys["ann2"].public_key.pem})
    path = tmp_path / "trust.yaml"
    approvals = {"approval": {"roles": ["approver"], "threshold": 1}}
    path.write_text(yaml.safe_dump({"version": 1, "identities": identities, "rules": approvals}))
    client = KitClient(folder_registry(tmp_path / "registry"))
    return Team(tmp_path, keys, client, TrustPolicy.load(path))
