"""What a plan, a status and a promotion ask a registry does not grow with the versions that are there."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient

CHECKS = (
    {"metric": {"name": "accuracy", "min": "0.5"}},
    {"notWorseThan": {"stage": "production", "metric": "accuracy"}},
    {"approvals": {"roles": ["risk"]}},
)


def go(team, kit, policy):
    team.client.approve(kit.reference, stage="production", policy=policy, signer=team.signer("ann"))
    return team.client.promote(
        kit.reference, stage="production", policy=policy, trust=team.trust, signer=team.signer("rita")
    )


@pytest.mark.parametrize("has_api", [True, False], ids=["referrers API", "fallback tags"])
def test_the_requests_do_not_grow_with_the_versions(team, embedded_registry, has_api):
    embedded_registry.behaviour.referrers_api = has_api
    team.client = KitClient(embedded_registry.host)
    policy = team.policy(*CHECKS, destination=f"{team.client.registry}/staging/{{name}}")
    counts = []
    number = 0
    for versions in (4, 20):
        while number < versions:
            kit = team.pack(f"1.0.{number}", f"c{number}")
            team.test_result(kit, accuracy="0.95", created_on=f"2026-01-{number + 1:02}T00:00:00Z")
            go(team, kit, policy)
            number += 1
        kit = team.pack(f"2.0.{versions}", f"d{versions}")
        team.test_result(kit, accuracy="0.95", created_on="2026-02-01T00:00:00Z")
        counts.append(
            [count(team, embedded_registry, kit, policy, verb) for verb in ("plan", "promote", "status", "gate")]
        )

    assert counts[0] == counts[1]
    assert all(counts[0])


@pytest.mark.parametrize("has_api", [True, False], ids=["referrers API", "fallback tags"])
@pytest.mark.parametrize("verb", ["lineage", "plan", "verify"])
def test_where_no_older_form_is_it_costs_one_request_for_each_digest(team, embedded_registry, has_api, verb):
    embedded_registry.behaviour.referrers_api = has_api
    team.client = KitClient(embedded_registry.host)
    policy = team.policy(*CHECKS, destination=f"{team.client.registry}/staging/{{name}}")
    kit = team.pack()
    team.test_result(kit, accuracy="0.95")
    go(team, kit, policy)
    before = len(embedded_registry.requests)

    if verb == "lineage":
        team.client.lineage(kit.reference, trust=team.trust)
    elif verb == "plan":
        team.client.plan(kit.reference, stage="production", policy=policy, trust=team.trust)
    else:
        team.client.check_signatures(kit.reference, trust=team.trust)

    asked = [request.path for request in embedded_registry.requests[before:] if request.path.endswith(".att")]
    assert len(asked) == len(set(asked)) == (verb != "verify")


def count(team, registry, kit, policy, verb) -> int:
    if verb == "promote":
        team.client.approve(kit.reference, stage="production", policy=policy, signer=team.signer("ann"))
    before = len(registry.requests)
    rules = {"stage": "production", "policy": policy, "trust": team.trust}
    if verb == "plan":
        team.client.plan(kit.reference, **rules)
    elif verb == "promote":
        team.client.promote(kit.reference, signer=team.signer("rita"), **rules)
    elif verb == "status":
        team.client.status("staging/iris", policy=policy, trust=team.trust)
    else:
        assert team.client.stage_verdict("staging/iris", **rules).answer == "yes"
    return len(registry.requests) - before
