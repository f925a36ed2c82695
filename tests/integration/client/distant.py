"""A registry that takes its time and notes what it is asked, and a ModelKit in it that is about to be promoted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import Metric, TestResult, provenance
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.registry import EmbeddedRegistry

DELAY_SECONDS = 0.02
ROLES = {"bob": ["builder"], "rita": ["releaser"], "eve": ["evaluator"], "ann": ["risk", "approver"]}
KITFILE = "manifestVersion: 1.0.0\npackage: {name: iris, version: 1.0.0}\nmodel: {name: iris, path: model.skops}\n"
CHECKS = [
    {"signature": {}},
    {"metric": {"name": "accuracy", "min": "0.5"}},
    {"approvals": {"roles": ["risk"]}},
]


class Distant(EmbeddedRegistry):
    """A registry that takes its time, and notes on a clock of its own when each request began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.delay = 0.0
        self.spans: list[tuple[int, int]] = []
        self.before: Callable[[str, str], object] = lambda method, path: None
        """Called with each request before it is answered: what somebody else does meanwhile."""
        self._ticks = itertools.count()

    def serve(self, exchange: Any) -> None:
        begun = next(self._ticks)
        self.before(exchange.method, exchange.path)
        time.sleep(self.delay)
        try:
            super().serve(exchange)
        finally:
            self.spans.append((begun, next(self._ticks)))


@dataclass
class Asked:
    """What a verb asked."""

    requests: int
    rounds: int


def depth(spans: list[tuple[int, int]]) -> int:
    """Return the length of the longest chain of requests that follow each other."""
    ended: list[tuple[int, int]] = []  # (end, depth)
    for begun, end in sorted(spans):
        ended.append((end, 1 + max((deep for before, deep in ended if before < begun), default=0)))
    return max((deep for _, deep in ended), default=0)


class Place:
    """A ModelKit that is about to be promoted, and the people who may say so."""

    def __init__(self, registry: Distant, keys: dict[str, Any], tmp_path: Any, limits: Limits) -> None:
        from kitops_orchestration.signing.trust import TrustPolicy

        self.registry, self.keys = registry, keys
        self.client = KitClient(registry.host, credentials=StaticCredentials({}), limits=limits)
        identities = [
            {"id": name, "roles": roles, "keys": [{"publicKey": keys[name].public_key.pem}]}
            for name, roles in ROLES.items()
        ]
        (tmp_path / "trust.yaml").write_text(yaml.safe_dump({"version": 1, "identities": identities}))
        stages = {"production": {"destination": f"{registry.host}/prod/{{name}}", "checks": CHECKS}}
        rules = {"version": 1, "stages": stages}
        self.rules = {
            "stage": "production",
            "policy": PromotionPolicy.parse(yaml.safe_dump(rules)),
            "trust": TrustPolicy.load(tmp_path / "trust.yaml"),
        }
        self.folder = tmp_path
        self.name = self.pack("1.0.0")

    def pack(self, version: str) -> str:
        """Pack a version, with a test result and its provenance."""
        folder = self.folder / f"kit-{version}"
        folder.mkdir()
        (folder / "Kitfile").write_text(KITFILE)
        (folder / "model.skops").write_text(f"weights of {version}")
        name = f"{self.registry.host}/staging/iris:{version}"
        kit = self.client.pack(folder, name, gate_rules=GateRules(on_content="warn"))
        result = TestResult("PASSED", metrics=(Metric("accuracy", "0.95"),), created_on="2026-01-01T00:00:00Z")
        self.client.attach(name, result, signer=self.keys["eve"].signer)
        self.client.attach(name, provenance(kit), signer=self.keys["bob"].signer)
        return name

    def kit(self) -> Manifest:
        """Return the manifest of the ModelKit."""
        return self.client.repository(self.name).fetch_manifest(self.name.rpartition(":")[2])

    def statements(self, repository: Repository, digest: str) -> list[Descriptor]:
        """Return the blobs of all statements about a digest."""
        nodes = [repository.fetch_manifest(item.digest) for item in repository.referrers(digest)]
        return [layer for node in nodes for layer in node.layers]

    def sign(self) -> Any:
        return self.client.sign(self.name, self.keys["rita"].signer)

    def approve(self) -> Any:
        told = {"stage": "production", "policy": self.rules["policy"]}
        return self.client.approve(self.name, signer=self.keys["ann"].signer, **told)

    def promote(self, **more: Any) -> Any:
        return self.client.promote(self.name, signer=self.keys["rita"].signer, **self.rules, **more)

    def inspect(self) -> Any:
        return self.client.inspect(self.name)

    def verify(self) -> Any:
        return self.client.verify(self.name, key=self.keys["rita"].public_key)

    def plan(self) -> Any:
        return self.client.plan(self.name, **self.rules)

    def asked(self, call: Callable[[], Any]) -> Asked:
        self.registry.clear_requests()
        self.registry.spans.clear()
        self.registry.delay = DELAY_SECONDS
        try:
            call()
        finally:
            self.registry.delay = 0.0
        deadline = time.monotonic() + 5
        while len(self.registry.spans) < len(self.registry.requests) and time.monotonic() < deadline:
            time.sleep(0.01)  # the last answer was on its way before its end was noted
        requests = len(self.registry.requests)
        # An answer of the verb before may have been noted late: no chain is longer than what was asked.
        return Asked(requests, min(depth(self.registry.spans), requests))
