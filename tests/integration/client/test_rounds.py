"""How often a registry is asked, and how many times one answer is waited for before the next question.

A registry is 20 to 100 ms away, so what a verb takes is its rounds: the longest chain of requests of which each began
after another had ended. What does not depend on each other is asked at once, as far as the client's limits let it.
The numbers of requests are what is needed today; one that grows has to have a reason.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.lineage.statements import Metric, TestResult, provenance
from kitops_orchestration.modelkit import GateRules
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.registry import EmbeddedRegistry

pytest.importorskip("cryptography")

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
        self._ticks = itertools.count()

    def serve(self, exchange: Any) -> None:
        begun = next(self._ticks)
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


def test_the_depth_of_what_follows_and_of_what_runs_side_by_side():
    assert depth([]) == 0
    assert depth([(0, 1), (2, 3), (4, 5)]) == 3
    assert depth([(0, 3), (1, 4), (2, 5)]) == 1
    assert depth([(0, 3), (1, 2), (4, 5)]) == 2


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
        folder = tmp_path / "kit"
        folder.mkdir()
        (folder / "Kitfile").write_text(KITFILE)
        (folder / "model.skops").write_text("weights")
        kit = self.client.pack(folder, "staging/iris:1.0.0", gate_rules=GateRules(on_content="warn"))
        self.name = f"{registry.host}/staging/iris:1.0.0"
        result = TestResult("PASSED", metrics=(Metric("accuracy", "0.95"),), created_on="2026-01-01T00:00:00Z")
        self.client.attach(self.name, result, signer=keys["eve"].signer)
        self.client.attach(self.name, provenance(kit), signer=keys["bob"].signer)

    def sign(self) -> Any:
        return self.client.sign(self.name, self.keys["rita"].signer)

    def approve(self) -> Any:
        told = {"stage": "production", "policy": self.rules["policy"]}
        return self.client.approve(self.name, signer=self.keys["ann"].signer, **told)

    def promote(self) -> Any:
        return self.client.promote(self.name, signer=self.keys["rita"].signer, **self.rules)

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


@pytest.fixture(scope="module")
def keys():
    from kitops_orchestration.signing.keys import generate_key_pair

    return {name: generate_key_pair(key_format="pkcs8") for name in ROLES}


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tags"])
def place(request, keys, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    with Distant() as registry:
        registry.behaviour.referrers_api = request.param
        yield Place(registry, keys, tmp_path, Limits())


def test_reading_again_in_a_process_takes_few_rounds(place):
    place.sign()
    place.approve()
    for verb, requests, rounds in ((place.inspect, 2, 2), (place.verify, 4, 4), (place.plan, 9, 6)):
        verb()
        asked = place.asked(verb)
        assert asked.requests <= requests, verb
        assert asked.rounds <= rounds, verb


def test_what_writing_asks_does_not_grow(place):
    has_api = place.registry.behaviour.referrers_api
    signed, approved = place.asked(place.sign), place.asked(place.approve)
    promoted, again = place.asked(place.promote), place.asked(place.promote)

    assert (signed.requests, approved.requests) <= ((22, 15) if has_api else (26, 16))
    assert promoted.requests <= (141 if has_api else 145)
    assert again.requests <= (83 if has_api else 70)
    assert signed.rounds < signed.requests
    assert promoted.rounds < 0.8 * promoted.requests
    assert again.rounds < 0.6 * again.requests


def test_a_client_of_one_request_at_a_time_is_obeyed(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    with Distant() as registry:
        place = Place(registry, keys, tmp_path, Limits(concurrency=1))
        place.sign()
        place.approve()
        for verb in (place.inspect, place.verify, place.plan):
            asked = place.asked(verb)
            assert asked.rounds == asked.requests, verb
