"""A team with two witnesses, whose machines remember apart from each other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.referrers import fallback_referrers, fallback_tag
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.evidence import ANNOTATION_BUNDLE_PREDICATE, ANNOTATION_PREDICATE
from kitops_orchestration.signing.identities import Identity, TrustedKey
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.timestamps import now


class Memory(dict):
    """What one party remembers: a machine, an Airflow, a Dagster instance."""

    def load(self, key: str) -> str | None:
        return self.get(key)

    def save(self, key: str, value: str) -> None:
        self[key] = value


@dataclass
class Watched:
    """The team's repository with its policy, and who witnesses it."""

    team: Any
    policy: PromotionPolicy
    of_witness: Memory = field(default_factory=Memory)
    of_client: Memory = field(default_factory=Memory)
    repository: str = "staging/iris"

    def __post_init__(self) -> None:
        self.trust = self.team.trust

    @property
    def client(self) -> KitClient:
        return self.team.client

    def raw(self, name: str | None = None):
        """What somebody with the registry's rights and another program has."""
        return open_repository(self.client.reference(name or self.repository).without_target())

    def witness(self, by: str = "wes", repository: str | None = None, **options: Any):
        options = {"memory": self.of_witness, "trust": self.trust, "policy": self.policy, **options}
        return self.client.checkpoint(repository or self.repository, signer=self.team.signer(by), **options)

    def plan(self, kit: Any, stage: str = "production", **options: Any):
        options = {"memory": self.of_client, "trust": self.trust, "policy": self.policy, **options}
        return self.client.plan(kit.reference, stage=stage, **options)

    def check(self, kit: Any, **options: Any):
        return next(check for check in self.plan(kit, **options).checks if check.id == "checkpoint")

    def promote(self, kit: Any, by: str = "rita", stage: str = "production", **options: Any):
        options = {"memory": self.of_client, "trust": self.trust, "policy": self.policy, **options}
        return self.client.promote(kit.reference, stage=stage, signer=self.team.signer(by), **options)

    def promote_into(self, kit: Any, stage: str):
        """Into a stage whose own checks and checkpoint are not what is tried."""
        policy = policy_of() if stage == "production" else None
        plain = None if policy is None else replace(policy, checkpoint=None)
        return self.promote(kit, stage=stage, policy=plain)

    def strict(self, stage: str = "production", **options: Any):
        options = {"memory": self.of_client, "trust": self.trust, "policy": self.policy, **options}
        return self.client.stage_verdict(self.repository, stage=stage, **options)

    def wipe(self, kit: Any, name: str | None = None) -> None:
        """Delete a version with all that is known of it, as whoever runs the registry can."""
        place = self.raw(name)
        for found in place.referrers(kit.digest):
            place.delete_manifest(found.digest)
        place.delete_manifest(kit.digest)

    def hide(self, digest: str, evidence: str) -> None:
        """Take a statement away, as whoever runs the registry can."""
        repository = self.raw()
        repository.delete_manifest(evidence)
        listed = fallback_referrers(repository, digest)
        if listed:
            rest = Index.build([item for item in listed if item.digest != evidence])
            repository.push_manifest(rest, tag=fallback_tag(digest))
        assert evidence not in {str(item.digest) for item in repository.referrers(digest)}

    def mislabel(self, digest: str) -> None:
        """Leave all entries in the list of a digest, and say of each there that it is of another type."""
        repository = self.raw()
        lie = dict.fromkeys((ANNOTATION_BUNDLE_PREDICATE, ANNOTATION_PREDICATE), "https://example.com/nothing/v1")
        listed = fallback_referrers(repository, digest)
        lied = [replace(item, annotations={**item.annotations, **lie}) for item in listed]
        repository.push_manifest(Index.build(lied), tag=fallback_tag(digest))
        assert listed
        assert repository.referrers(digest) == lied

    def events(self, kit: Any, predicate_type: str) -> list[str]:
        found = self.raw().referrers(kit.digest)
        return [
            str(item.digest)
            for item in found
            if item.annotations.get("dev.sigstore.bundle.predicateType") == predicate_type
        ]


def policy_of(*checks: Any, checkpoint: Any = None, **stage: Any) -> PromotionPolicy:
    """All in one repository."""
    body = {"checks": list(checks), **stage}
    value = {
        "version": 1,
        "checkpoint": checkpoint or {"maxAgeHours": 24},
        "stages": {"staging": {}, "production": body},
    }
    return PromotionPolicy.parse(json.dumps(value))


@pytest.fixture(scope="session")
def witness_keys(keys):
    keys |= {name: generate_key_pair(key_format="pkcs8") for name in ("wes", "win")}
    return keys


@pytest.fixture
def watched(team, witness_keys, request) -> Watched:
    people = tuple(
        Identity(name, (TrustedKey(witness_keys[name].public_key),), frozenset({"witness"})) for name in ("wes", "win")
    )
    team.keys = witness_keys
    team.trust = replace(team.trust, identities=(*team.trust.identities, *people))
    if getattr(request, "param", "folder") != "folder":
        server = request.getfixturevalue("embedded_registry")
        server.behaviour.referrers_api = request.param == "registry"
        team.client = KitClient(server.host)
    return Watched(team, policy_of())


def hours(number: float):
    """A moment so many hours from now."""
    return now() + timedelta(hours=number)
