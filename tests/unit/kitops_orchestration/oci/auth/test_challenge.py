"""Challenges and scopes are read as the specifications write them, and nonsense is passed over."""

from __future__ import annotations

import pytest

from kitops_orchestration.oci.auth.challenge import (
    Challenge,
    merge_scopes,
    parse_challenges,
    preferred,
    repository_scope,
)


def test_a_bearer_challenge_gives_realm_service_and_scopes():
    (challenge,) = parse_challenges(
        ['Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push repository:c:pull"']
    )
    assert challenge.scheme == "bearer"
    assert challenge.realm == "https://auth.example/token"
    assert challenge.service == "reg"
    assert challenge.scopes == ("repository:a/b:pull,push", "repository:c:pull")


@pytest.mark.parametrize(
    ("headers", "schemes"),
    [
        (['Basic realm="a, b", Bearer realm="x",service="y"'], ["basic", "bearer"]),
        (["Negotiate, Basic realm=x"], ["negotiate", "basic"]),
        (["Negotiate", 'BEARER realm="x"'], ["negotiate", "bearer"]),
        (['Bearer realm = "x" , service="y"'], ["bearer"]),
        ([""], []),
        (['="'], []),
        ([], []),
    ],
)
def test_several_challenges_are_told_apart(headers, schemes):
    assert [challenge.scheme for challenge in parse_challenges(headers)] == schemes


def test_quoted_pairs_are_unescaped():
    (challenge,) = parse_challenges([r'Basic realm="say \"hi\" \\ there"'])
    assert challenge.realm == r'say "hi" \ there'


def test_bearer_is_preferred_and_unknown_schemes_are_not_answered():
    assert preferred([Challenge("basic"), Challenge("bearer")]) == Challenge("bearer")
    assert preferred([Challenge("negotiate")]) is None


def test_scopes_of_one_resource_are_joined():
    merged = merge_scopes(["repository:a/b:push"], ["repository:a/b:pull", "repository:c:pull,pull"], [])
    assert merged == ("repository:a/b:pull,push", "repository:c:pull")


def test_actions_are_in_a_fixed_order_so_that_equal_scopes_share_a_token():
    assert repository_scope("a/b", "push", "pull") == "repository:a/b:pull,push"
