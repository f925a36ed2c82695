"""A small regulated team: people with keys and roles, a policy, and ModelKits in folders."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage import statement_about
from kitops_orchestration.lineage.statements import Metric, TestResult, provenance
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.attestation_tag import DSSE, attestation_tag
from kitops_orchestration.signing.bundle import pre_authentication_encoding
from kitops_orchestration.signing.keys import KeyPair, generate_key_pair
from kitops_orchestration.signing.statement import PAYLOAD_TYPE
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
        options.setdefault("gate_rules", GateRules(on_content="warn"))  # others' tools have no gate
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

    def older_form(self, packed, statement, by: str) -> str:
        """Attach a statement as cosign's older releases do: an envelope as a layer at the tag .att."""
        signer, repository = self.signer(by), open_repository(packed.reference.without_target())
        content = statement_about(packed.digest, statement).content
        signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, content))
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(content).decode(),
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        }
        stored = json.dumps(envelope).encode()
        layer = Descriptor(DSSE, Digest.of(stored), len(stored), {"predicateType": statement.predicate_type})
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
        for descriptor, blob in ((layer, stored), (config, b"{}")):
            repository.push_blob(descriptor, BytesSource(blob))
        tag = attestation_tag(packed.digest)
        repository.push_manifest(Manifest.build(config=config, layers=[layer]), tag=tag)
        return tag

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
