"""Which versions go, and everything that keeps one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kitops_orchestration.errors import InvalidReferenceError, NotFoundError, TransferCancelledError
from kitops_orchestration.lineage.statements import Deployment, DeploymentTarget, Promotion, Statement
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.resolve import tags_by_digest
from kitops_orchestration.promotion.retention.retain import RetentionRule, retain
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.testing.builders import push_random_modelkit

HOST = DeploymentTarget("vm", "host-1")
KEEP_NONE = RetentionRule("*", keep_last=0)


@pytest.fixture
def repository(team):
    return team.client.repository("staging/iris")


def pack(team, *tags: str, **options):
    """One version for each tag, packed in this order."""
    return [team.pack(tag, content=f"weights of {tag}", **options) for tag in tags]


def reasons(result) -> dict[str, str]:
    return {version.tags[0]: version.reason for version in result.versions if version.is_kept}


def gone(result) -> list[str]:
    return [tag for version in result.removed for tag in version.tags]


def test_the_newest_semantic_versions_stay_whatever_the_order_of_packing(team, repository):
    pack(team, "v1.10.0", "v1.2.0", "v1.9.0")
    result = retain(repository, RetentionRule("v*", keep_last=1))
    assert gone(result) == ["v1.9.0", "v1.2.0"]
    assert list(repository.tags()) == ["v1.10.0"]


def test_a_version_stays_for_some_days_after_it_was_last_heard_of(team, repository):
    old, young, _ = pack(team, "old", "young", "silent")
    team.test_result(old, created_on="2026-01-01T00:00:00Z")
    team.test_result(young, created_on="2026-01-20T00:00:00Z")
    at = datetime(2026, 1, 31, tzinfo=UTC)
    result = retain(repository, RetentionRule("*", keep_days=14), at=at)
    assert gone(result) == ["old"]
    assert reasons(result) == {"young": "younger than 14 days", "silent": "its age is not known"}


def test_a_version_goes_only_when_neither_number_nor_age_keeps_it(team, repository):
    for day, packed in enumerate(pack(team, "a", "b", "c"), 1):
        team.test_result(packed, created_on=f"2026-01-0{day}T00:00:00Z")
    at = datetime(2026, 1, 4, 12, tzinfo=UTC)
    result = retain(repository, RetentionRule("*", keep_last=1, keep_days=3), at=at)
    assert (gone(result), result.removed[0].reason) == (["a"], "not among the newest 1, older than 3 days")


def test_a_tag_outside_of_the_rule_or_a_channel_keeps_the_version(team, repository):
    pack(team, "dev-1", "dev-2", "dev-3", "v1")
    team.client.tag("staging/iris:dev-1", "champion")
    team.client.tag("staging/iris:dev-2", "dev-best")
    result = retain(repository, RetentionRule("dev-*", keep_last=0, keep_tags=("dev-best",)), at=datetime.now(UTC))
    assert reasons(result)["champion"] == "it is champion too"
    assert reasons(result)["dev-2"] == "tag dev-best is kept"
    assert reasons(result)["v1"] == "no tag of it matches 'dev-*'"


def test_what_a_stage_has_and_had_before_stays_by_the_record_alone(team, repository):
    versions = pack(team, "1.0.0", "1.1.0", "1.2.0", "1.3.0")
    for packed in versions[:3]:
        team.client.promote(packed.reference, stage="production")
    result = retain(repository, RetentionRule("*", keep_last=1))
    assert gone(result) == ["1.0.0"]
    assert reasons(result)["1.2.0"] == "stage production"
    assert reasons(result)["1.1.0"] == "stage production had it before: for a rollback"
    assert team.client.rollback("staging/iris", stage="production", reason="test").digest == versions[1].digest


def test_stages_and_immutable_tags_of_a_policy_hold_what_they_point_at(team, repository):
    pack(team, "1.0.0", "1.1.0", "dev-1")
    team.client.tag("staging/iris:1.1.0", "live")
    policy = team.policy(destination=f"{team.client.registry}/staging/{{name}}", tag="live", immutableTags=["1.0.*"])
    result = retain(repository, KEEP_NONE, policy=policy)
    assert gone(result) == []
    assert reasons(result)["1.0.0"] == "immutable tag 1.0.0"
    assert reasons(result)["1.1.0"] == "stage production"


def test_a_policy_about_another_repository_holds_nothing_here(team, repository):
    pack(team, "1.0.0", "1.1.0")
    result = retain(repository, RetentionRule("*", keep_last=1), policy=team.policy(immutableTags=["*"]))
    assert gone(result) == ["1.0.0"]


def test_what_is_deployed_stays_until_the_record_says_otherwise(team, repository):
    one, two, _ = pack(team, "1.0.0", "1.1.0", "1.2.0")
    record = team.client.record_deployment
    record(one.reference, "production", HOST, deployed_on="2026-01-01T00:00:00Z")
    record(two.reference, "production", HOST, deployed_on="2026-01-02T00:00:00Z")
    rule = RetentionRule("*", keep_last=1)
    assert reasons(retain(repository, rule, dry_run=True))["1.1.0"] == "deployed: production, host-1"
    record(two.reference, "production", HOST, action="undeployed", deployed_on="2026-01-03T00:00:00Z")
    assert gone(retain(repository, rule)) == ["1.1.0", "1.0.0"]


def test_a_pointer_tag_that_nobody_signed_for_holds(team, repository):
    one, _ = pack(team, "1.0.0", "1.1.0")
    team.client.tag(one.reference, "deploy-test.somewhere")
    result = retain(repository, RetentionRule("*", keep_last=1))
    assert reasons(result)["1.0.0"] == "deployed, says its tag deploy-test.somewhere"


def test_a_record_of_a_deployment_holds_where_its_pointer_tag_did_not_come_along(team, repository):
    pack(team, "1.0.0", "1.1.0")
    team.client.record_deployment("staging/iris:1.0.0", "production", HOST)
    (pointer,) = [tag for tag in repository.tags() if tag.startswith("deploy-")]
    repository.delete_tag(pointer)
    assert gone(retain(repository, RetentionRule("*", keep_last=1))) == []


def test_with_a_trust_policy_nobody_unknown_takes_a_deployment_out_of_service(team, repository):
    one, _ = pack(team, "1.0.0", "1.1.0")
    record = team.client.record_deployment
    record(one.reference, "production", HOST, signer=team.signer("mal"), deployed_on="2026-01-01T00:00:00Z")
    (pointer,) = [tag for tag in repository.tags() if tag.startswith("deploy-")]
    descriptor = repository.resolve(pointer)
    record(
        one.reference, "production", HOST, action="undeployed",
        signer=team.signer("stranger"), deployed_on="2026-01-02T00:00:00Z",
    )  # fmt: skip
    rule = RetentionRule("*", keep_last=1)
    assert gone(retain(repository, rule, trust=team.trust, dry_run=True)) == []
    repository.set_tag(pointer, descriptor)
    assert gone(retain(repository, rule, trust=team.trust, dry_run=True)) == []
    assert gone(retain(repository, rule, dry_run=True)) == ["1.0.0", pointer]


def test_a_newer_record_of_nobody_does_not_outrank_one_that_counts(team, repository):
    one, two, _ = pack(team, "1.0.0", "1.1.0", "1.2.0")
    record = team.client.record_deployment
    record(one.reference, "production", HOST, signer=team.signer("mal"), deployed_on="2026-01-01T00:00:00Z")
    record(two.reference, "production", HOST, deployed_on="2026-01-02T00:00:00Z")
    for tag in [tag for tag in repository.tags() if tag.startswith("deploy-")]:
        repository.delete_tag(tag)
    assert gone(retain(repository, RetentionRule("*", keep_last=1), trust=team.trust)) == []


def test_a_parent_stays_as_long_as_a_version_stands_on_it(team, repository):
    pack(team, "base-1", "base-2")
    team.kitfile["model"] = {"name": "tuned", "path": "staging/iris:base-1"}
    team.pack("1.0.0", content="tuned")
    result = retain(repository, RetentionRule("*", keep_last=0, keep_tags=("1.*",)), at=datetime.now(UTC))
    assert reasons(result)["1.0.0"] == "tag 1.0.0 is kept"
    ruled = retain(repository, RetentionRule("base-*", keep_last=0), dry_run=True)
    assert "base-1" not in gone(ruled)


def test_what_an_index_lists_and_what_is_no_modelkit_stays(team, repository):
    one, _, _ = pack(team, "1.0.0", "1.1.0", "1.2.0")
    repository.push_manifest(Index.build([repository.resolve(one.reference.target)]), tag="0.1.0")
    result = retain(repository, RetentionRule("*", keep_last=1))
    assert gone(result) == ["1.1.0"]
    assert reasons(result) == {
        "1.2.0": "among the newest 1",
        "1.0.0": "listed by the index 0.1.0",
        "0.1.0": "it is no ModelKit",
    }


def test_hostile_or_damaged_records_and_modelkits_keep_and_do_not_stop_it(team, repository):
    one, two, three, _ = pack(team, "1.0.0", "1.1.0", "1.2.0", "1.3.0")
    said = Promotion("nonsense", "nonsense", str(one.digest), "1.0.0", previous_digest="no digest at all")
    team.client.attach(one.reference, said)
    broken = {**Deployment("deployed", "test", HOST).to_json(), "action": "exploded"}
    team.client.attach(two.reference, Statement.build(str(two.digest), predicate_types.DEPLOYMENT, broken))
    config = repository.fetch_manifest(three.digest).config
    repository.blob_path(config.digest).write_bytes(b"x" * config.size)
    result = retain(repository, RetentionRule("*", keep_last=1))
    assert gone(result) == []
    assert reasons(result) == {
        "1.3.0": "among the newest 1",
        "1.2.0": "it is no ModelKit",
        "1.1.0": "a deployment record on it cannot be read",
        "1.0.0": "stage 1.0.0",
    }


def test_a_version_goes_with_all_of_its_tags(team, repository):
    pack(team, "1.0.0", "1.1.0")
    team.client.tag("staging/iris:1.0.0", "1.0.1")
    assert gone(retain(repository, RetentionRule("*", keep_last=1))) == ["1.0.0", "1.0.1"]
    assert len(tags_by_digest(repository)) == 1


def test_a_version_whose_tags_change_while_it_is_decided_about_stays(team, repository):
    pack(team, "1.0.0", "1.1.0")

    class Promoting(type(repository)):
        """Somebody else tags the version between the decision and the removal."""

        asked = 0

        def tags(self):
            self.asked += 1
            if self.asked == 2:
                team.client.tag("staging/iris:1.0.0", "production")
            return super().tags()

    busy = Promoting(repository.reference)
    result = retain(busy, RetentionRule("*", keep_last=1))
    assert reasons(result)["1.0.0"] == "its tags changed while this ran"
    assert "production" in list(repository.tags())


def test_a_version_that_somebody_speaks_for_meanwhile_stays(team, repository):
    pack(team, "1.0.0", "1.1.0", "1.2.0")

    class Promoting(type(repository)):
        """Somebody else is about to promote a version: the record comes first, the tag later."""

        removed = 0

        def delete_manifest(self, digest):
            self.removed += 1
            if self.removed == 1:
                team.client.attest("staging/iris:1.0.0", "https://example.com/promoting/v1", {"to": "production"})
            super().delete_manifest(digest)

    result = retain(Promoting(repository.reference), RetentionRule("*", keep_last=1))
    assert gone(result) == ["1.1.0"]
    assert reasons(result)["1.0.0"] == "its evidence changed while this ran"
    assert team.client.inspect("staging/iris:1.0.0")


def test_a_stop_comes_before_the_next_version(team, repository):
    import threading

    pack(team, "1.0.0", "1.1.0")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(TransferCancelledError):
        retain(repository, RetentionRule("*", keep_last=1), cancel=cancel)
    assert list(repository.tags()) == ["1.0.0", "1.1.0"]


def test_a_repository_that_is_not_there_is_not_found(team):
    with pytest.raises(NotFoundError, match=r"no repository .*nothing/here"):
        retain(team.client.repository("nothing/here"), KEEP_NONE)


def test_an_empty_repository_has_nothing_to_let_go(team):
    repository = team.client.repository("nothing/here")
    push_random_modelkit(repository, tag="gone")
    repository.delete_tag("gone")
    result = retain(repository, KEEP_NONE)
    assert (result.versions, "0 gone, 0 stay" in result.to_markdown()) == ((), True)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"keep_last": -1},
        {"keep_days": float("nan")},
        {"keep_days": float("inf")},
        {"keep_last": 1, "keep_tags": ("",)},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule):
    with pytest.raises(InvalidReferenceError):
        RetentionRule("*", **rule)


def test_the_answer_is_complete_as_json_and_readable_as_a_table(team, repository):
    pack(team, "1.0.0", "1.1.0")
    result = team.client.retain("staging/iris", RetentionRule("*", keep_last=1), dry_run=True)
    said = result.to_json()
    assert (said["isDryRun"], [item["tags"] for item in said["removed"]]) == (True, [["1.0.0"]])
    assert said["kept"][0]["reason"] == "among the newest 1"
    assert "| would go | 1.0.0 |" in result.to_markdown()
    assert list(repository.tags()) == ["1.0.0", "1.1.0"]
