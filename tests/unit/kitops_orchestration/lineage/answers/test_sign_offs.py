from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.statements import Approval, ResourceDescriptor
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Identity, Rule, TrustedKey
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def people() -> SimpleNamespace:
    names = ("ada", "ada2", "ben", "rob")
    return SimpleNamespace(**{name: generate_key_pair(key_format="pkcs8").signer for name in names})


@pytest.fixture
def trust(people) -> TrustPolicy:
    """Ada has two keys; Rob may release and not approve; two have to approve."""

    def keys(*signers):
        return tuple(TrustedKey(signer.public_key) for signer in signers)

    return TrustPolicy(
        (
            Identity("ada", keys(people.ada, people.ada2), frozenset({"approver"}), "Ada"),
            Identity("ben", keys(people.ben), frozenset({"approver"})),
            Identity("rob", keys(people.rob), frozenset({"releaser"})),
        ),
        {predicate_types.APPROVAL: Rule(frozenset({"approver"}), 2)},
    )


def approve(repository, signer, decision="APPROVED", environment="production", day=1, **more) -> None:
    statement = Approval(decision, environment, created_on=f"2026-03-{day:02}T10:00:00Z", **more)
    attach(repository, "v1", statement, signer=signer)


def asked(repository, trust, **options):
    return sign_offs(repository, "v1", trust=trust, at=NOON, **options)


def test_enough_different_people_approve(repository, put, people, trust) -> None:
    put(repository, "v1")
    approve(repository, people.ada)
    assert not asked(repository, trust).is_approved("production")

    approve(repository, people.ben)

    found = asked(repository, trust)
    assert found.is_approved("production")
    assert found.approvers("production") == ("ada", "ben")
    assert json.loads(json.dumps(found.to_json()))["environments"]["production"]["isApproved"]
    assert "approved (2 of 2)" in found.to_markdown()


def test_one_person_with_two_keys_is_one_approver(repository, put, people, trust) -> None:
    put(repository, "v1")
    for signer in (people.ada, people.ada2):
        approve(repository, signer)

    assert asked(repository, trust).approvers("production") == ("ada",)
    assert not asked(repository, trust).is_approved("production")


def test_an_approval_holds_for_its_environment_only(repository, put, people, trust) -> None:
    put(repository, "v1")
    for signer in (people.ada, people.ben):
        approve(repository, signer, environment="staging")

    assert asked(repository, trust).is_approved("staging")
    assert not asked(repository, trust).is_approved("production")


def test_an_approval_needs_the_role(repository, put, people, trust) -> None:
    put(repository, "v1")
    approve(repository, people.rob)

    [decision] = asked(repository, trust).decisions
    assert not decision.counts
    assert decision.reason == "rob has no role for approval: approver is needed"


def test_who_approved_is_the_owner_of_the_key_whatever_the_text_says(repository, put, people, trust) -> None:
    put(repository, "v1")
    approve(repository, people.ada, approver={"id": "ben"})

    assert asked(repository, trust).approvers("production") == ("ada",)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"expires_on": "2026-03-05T00:00:00Z"}, "expired on 2026-03-05"),
        ({"day": 20}, "in the future"),
    ],
)
def test_an_approval_holds_in_its_time_only(repository, put, people, trust, more, says) -> None:
    put(repository, "v1")
    approve(repository, people.ada, **more)

    [decision] = asked(repository, trust).decisions
    assert not decision.counts
    assert says in decision.reason


def test_an_approval_for_another_policy_does_not_count(repository, put, people, trust) -> None:
    put(repository, "v1")
    ours, other = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    approve(repository, people.ada, policy=ResourceDescriptor(digest={"sha256": "2" * 64}))
    approve(repository, people.ben)

    assert asked(repository, trust, policy_digest=other).approvers("production") == ("ada",)
    assert asked(repository, trust, policy_digest=ours).approvers("production") == ()


@pytest.mark.parametrize("decision", ["REVOKED", "REJECTED"])
def test_an_author_can_take_an_approval_back(repository, put, people, trust, decision) -> None:
    put(repository, "v1")
    for signer in (people.ada, people.ben):
        approve(repository, signer)
    approve(repository, people.ada2, decision, day=2)

    found = asked(repository, trust)
    assert found.approvers("production") == ("ben",)
    assert not found.is_approved("production")
    assert "taken back later" in {item.reason for item in found.decisions}


def test_nobody_else_can_take_an_approval_back(repository, put, people, trust) -> None:
    put(repository, "v1")
    for signer in (people.ada, people.ben):
        approve(repository, signer)
    approve(repository, people.rob, "REVOKED", day=2)

    assert asked(repository, trust).is_approved("production")


def test_a_rejection_stands_against_any_number_of_approvals(repository, put, people, trust) -> None:
    put(repository, "v1")
    approve(repository, people.ben, "REJECTED")
    trust_in_one = TrustPolicy(trust.identities, {predicate_types.APPROVAL: Rule(frozenset({"approver"}), 1)})
    approve(repository, people.ada)

    assert asked(repository, trust_in_one).approvers("production") == ("ada",)
    assert not asked(repository, trust_in_one).is_approved("production")


def test_an_approval_replaces_the_rejection_that_it_names_whatever_the_clocks_say(
    repository, put, people, trust
) -> None:
    put(repository, "v1")
    approve(repository, people.ada, "REJECTED", day=8)
    for signer in (people.ada, people.ben):
        approve(repository, signer, day=9)
    assert asked(repository, trust).approvers("production") == ("ben",)

    [no] = asked(repository, trust).rejections("production")
    approve(repository, people.ada2, day=3, supersedes=(str(no.record.evidence.descriptor.digest),))

    assert asked(repository, trust).is_approved("production")


def test_without_a_trust_policy_no_approval_counts(repository, put, people) -> None:
    put(repository, "v1")
    approve(repository, people.ada)
    approve(repository, None)

    found = sign_offs(repository, "v1", at=NOON)

    assert not found.is_approved("production")
    assert {item.counts for item in found.decisions} == {False}


def test_what_a_text_says_of_its_author_does_not_stand_where_the_approver_stands(repository, put, people, trust):
    put(repository, "v1")
    approve(repository, people.ada, approver={"id": "somebody.else"})

    value = asked(repository, trust).to_json()["decisions"][0]

    assert value["approver"] == "ada"
    assert value["claimedApprover"] == {"id": "somebody.else"}
