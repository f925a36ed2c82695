"""What a checkpoint lists cannot be taken away unseen, and a checkpoint cannot be made to say something else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kitops_orchestration.errors import CheckFailedError, KitOpsError, NotFoundError, PromotionError, TagOwnedError
from kitops_orchestration.lineage import TestResult
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.promotion.checkpoint.held import ARTIFACT, checkpoint_tag
from kitops_orchestration.promotion.checkpoint.leaves import LEAVES, PREFIX, Leaves, root_of
from kitops_orchestration.promotion.plan import PromotionPlan, plan_promotion
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement
from kitops_orchestration.signing.timestamps import format_timestamp

from .conftest import Memory, hours, policy_of

MEDIA = pytest.mark.parametrize("watched", ["folder", "registry", "fallback tags"], indirect=True)
METRIC = {"metric": {"name": "accuracy", "min": "0.9"}}


@MEDIA
def test_a_rejection_that_was_taken_away_is_named(watched):
    """Reject; let the witness sign; delete the rejection and promote."""
    kit = watched.team.pack()
    watched.client.reject(
        kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann"), comment="no"
    )
    watched.witness()
    (event,) = watched.events(kit, predicate_types.APPROVAL)
    watched.hide(kit.digest, event)

    with pytest.raises(CheckFailedError, match=f"lists approval REJECTED for production by ann .{event}") as caught:
        watched.promote(kit)
    assert "checkpoint 1 by wes" in str(caught.value)
    assert watched.plan(kit).to_markdown().count("the registry has it no longer") == 1


@MEDIA
def test_a_failed_test_that_was_taken_away_is_named(watched):
    """A test fails; the witness signs; delete the result and promote."""
    kit = watched.team.pack()
    event = watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.hide(kit.digest, str(event.descriptor.digest))

    with pytest.raises(CheckFailedError, match="lists test-result FAILED by eve"):
        watched.promote(kit)


def test_a_signed_number_that_was_taken_away_is_named(watched):
    """A signed accuracy is bad and the Kitfile's is good: delete the signed one."""
    watched.policy = policy_of(METRIC)
    kit = watched.team.pack()
    event = watched.team.test_result(kit, accuracy="0.5")
    watched.witness()
    watched.hide(kit.digest, str(event.descriptor.digest))

    with pytest.raises(CheckFailedError, match="lists test-result PASSED by eve"):
        watched.promote(kit)
    assert watched.plan(kit).checks[0].is_passed, "without the checkpoint the Kitfile's number would decide"


def test_an_older_signature_that_was_taken_away_is_named(watched):
    """Sign in cosign's older form too, let the witness sign, delete the tag with it."""
    kit = watched.team.pack()
    watched.client.sign(kit.reference, watched.team.signer("rita"))
    watched.witness()
    assert watched.check(kit).is_passed
    tag = f"sha256-{Digest(kit.digest).hex}.sig"
    watched.raw().delete_tag(tag)

    with pytest.raises(CheckFailedError, match=f"lists {tag}#sha256:"):
        watched.promote(kit)


def test_an_attestation_of_the_older_form_that_was_taken_away_is_named(watched):
    """A failed test in cosign's older form; the witness signs; delete the tag with it, or put a good one there."""
    kit = watched.team.pack()
    tag = watched.team.older_form(kit, TestResult("FAILED"), "eve")
    watched.witness()
    watched.team.older_form(kit, TestResult("PASSED"), "eve")
    with pytest.raises(CheckFailedError, match=f"lists {tag}#sha256:"):
        watched.promote(kit)
    watched.raw().delete_tag(tag)
    with pytest.raises(CheckFailedError, match=f"lists {tag}#sha256:"):
        watched.promote(kit)


@MEDIA
def test_a_stages_tag_that_was_taken_away_is_told(watched):
    """Promote; let the witness sign; delete the stage's tag and promote another version, as into an empty stage."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    watched.promote(kits[0])
    watched.witness()
    watched.raw().delete_tag("production")

    with pytest.raises(CheckFailedError, match="and its tag production is gone"):
        watched.promote(kits[1])
    assert watched.strict(may_be_empty=True).answer == "no"
    assert watched.promote(kits[0]).is_moved, "what was there may be put back"


def test_a_stages_tag_that_was_moved_by_hand_is_told(watched):
    """Let the witness sign; move the stage's tag by hand, forward, and back onto a version with a genuine record."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(3)]
    watched.witness()
    for kit in kits[:2]:
        watched.promote(kit)
    watched.witness()
    for target in (kits[2], kits[0]):
        watched.raw().set_tag("production", watched.raw().resolve(target.digest))
        found = watched.check(kits[2])
        assert not found.is_passed
        assert "no recorded promotion leads from there" in found.actual
        assert watched.strict().answer == "no"


def test_a_record_of_a_promotion_that_was_taken_away_is_named(watched):
    """Promote twice, let the witness sign, delete the first version's record."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    for kit in kits:
        watched.promote(kit)
    watched.witness()
    (event,) = watched.events(kits[1], predicate_types.PROMOTION)
    watched.hide(kits[1].digest, event)

    found = watched.check(kits[0])
    assert not found.is_passed
    assert "lists promotion to production by rita" in found.actual


def test_a_freeze_that_was_taken_away_with_its_tag_is_named(watched):
    """Freeze; let the witness sign; delete the freeze and the anchor that it hangs on."""
    kit = watched.team.pack()
    watched.client.freeze(watched.repository, stage="production", reason="quarter end", policy=watched.policy)
    watched.witness()
    anchor = anchor_of("production")
    (freeze,) = watched.raw().referrers(anchor.digest)
    watched.hide(anchor.digest, freeze.digest)
    watched.raw().delete_manifest(anchor.digest)

    with pytest.raises(CheckFailedError, match=r"lists freeze .*by nobody known .* about production"):
        watched.promote(kit)


LISTS_BY_TAG = pytest.mark.parametrize("watched", ["fallback tags"], indirect=True)


@LISTS_BY_TAG
def test_a_freeze_that_a_list_calls_something_else_holds(watched):
    """Freeze; say in the list of the stage's anchor that the freeze is a statement of another type."""
    kit = watched.team.pack()
    watched.client.freeze(watched.repository, stage="production", reason="quarter end", policy=watched.policy)
    watched.mislabel(anchor_of("production").digest)
    watched.policy = replace(watched.policy, checkpoint=None)

    with pytest.raises(CheckFailedError, match=r"frozen since .*quarter end"):
        watched.promote(kit)


@LISTS_BY_TAG
def test_a_stages_tag_stays_the_stages_whatever_a_list_calls_that(watched):
    """Promote; say in the list of the stage's anchor that its statements are of another type; move the tag by hand."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    watched.promote(kits[0])
    watched.mislabel(anchor_of("production").digest)

    with pytest.raises(TagOwnedError, match="is the tag of the stage production"):
        watched.client.tag(kits[1].reference, "production")


@LISTS_BY_TAG
def test_a_statement_that_a_list_calls_something_else_counts_as_taken_away(watched):
    """Let the witness sign; say in the list of a version that its record is of another type, so that no history has it.

    The witness that comes after it covers nothing up either.
    """
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    watched.promote(kits[0])
    watched.witness()
    assert watched.check(kits[1]).is_passed
    watched.mislabel(kits[0].digest)

    found = watched.check(kits[1])
    assert not found.is_passed
    assert "lists promotion to production by rita" in found.actual
    with pytest.raises(CheckFailedError, match=r"lacks what checkpoint 2 lists: .*promotion to production by rita"):
        watched.witness()


@pytest.mark.parametrize("stage", ["production", "staging"])
def test_evidence_of_what_is_compared_is_held_against_the_checkpoint_too(watched, stage):
    """Promote after the checkpoint; take the signed number of the version that the stage has now away."""
    watched.policy = policy_of({"notWorseThan": {"stage": stage, "metric": "accuracy"}})
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(3)]
    watched.team.test_result(kits[1], accuracy="0.99")
    watched.promote_into(kits[0], stage)
    watched.witness()
    watched.promote_into(kits[1], stage)
    assert "0.99" in watched.plan(kits[2]).checks[0].actual
    watched.hide(str(kits[1].digest), watched.events(kits[1], predicate_types.TEST_RESULT)[0])

    assert watched.plan(kits[2]).checks[0].is_passed
    found = watched.check(kits[2])
    assert not found.is_passed
    assert "test-result" in found.actual


def test_a_compared_version_can_be_demanded_to_be_listed(watched):
    """Promote what is younger than the checkpoint, and hide what was said about it since."""
    checks = {"notWorseThan": {"stage": "production", "metric": "accuracy"}}
    first = watched.team.pack("1.0", "c0")
    watched.policy = policy_of(checks)
    watched.witness()
    second = watched.team.pack("1.1", "c1")
    watched.promote(second)
    watched.policy = policy_of(checks, checkpoint={"maxAgeHours": 24, "listed": True})

    found = watched.check(first)
    assert not found.is_passed
    assert f"{second.digest.short} is younger than that" in found.actual
    watched.witness()
    assert watched.check(first).is_passed


def test_a_compared_version_that_was_taken_away_is_told(watched):
    """Delete the version that production has, with its tag: there is nothing to beat any more."""
    watched.policy = policy_of({"notWorseThan": {"stage": "production", "metric": "accuracy"}})
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    watched.promote(kits[0])
    watched.witness()
    watched.raw().delete_manifest(kits[0].digest)

    found = watched.check(kits[1])
    assert not found.is_passed
    assert "its tag production is gone" in found.actual


@MEDIA
def test_an_older_checkpoint_that_was_put_back_is_told_to_who_saw_the_newer_one(watched):
    """Keep the checkpoint from before the rejection, and put it back together with the state of that time."""
    kit = watched.team.pack()
    old = watched.witness()
    watched.client.reject(kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann"))
    watched.witness()
    assert not watched.plan(kit).is_ready
    (event,) = watched.events(kit, predicate_types.APPROVAL)
    watched.hide(kit.digest, event)
    watched.raw().set_tag(old.reference.tag, watched.raw().resolve(old.reference.digest))

    with pytest.raises(CheckFailedError, match="checkpoint 1 by wes was put back: number 2 was seen before"):
        watched.promote(kit)
    assert watched.check(kit, memory=Memory()).is_passed, "who remembers nothing cannot know"
    least = policy_of(checkpoint={"maxAgeHours": 24, "minVersion": 2})
    assert "older than number 2" in watched.check(kit, memory=Memory(), policy=least).actual


def test_an_older_checkpoint_is_told_by_the_record_of_a_promotion_to_who_remembers_nothing(watched):
    """Promote; reject the next version; put the checkpoint back from before; ask with a client that keeps nothing."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    old = watched.witness()
    event = watched.team.test_result(kits[1], result="FAILED")
    watched.witness()
    watched.promote(kits[0])
    watched.hide(kits[1].digest, str(event.descriptor.digest))
    watched.raw().set_tag(old.reference.tag, watched.raw().resolve(old.reference.digest))

    for kit in kits:
        found = watched.check(kit, memory=Memory())
        assert not found.is_passed
        assert "checkpoint 1 by wes was put back: a promotion on record saw number 2" in found.actual


def test_a_plan_that_people_approved_is_not_carried_out_under_an_older_checkpoint(watched):
    """Plan under checkpoint 2; put number 1 back; promote by that plan on a machine that remembers nothing."""
    kit = watched.team.pack()
    old = watched.witness()
    watched.team.test_result(kit)
    watched.witness()
    approved = PromotionPlan.from_json(json.loads(json.dumps(watched.plan(kit).to_json())))
    assert [item.version for item in approved.checkpoints] == [2]
    watched.raw().set_tag(old.reference.tag, watched.raw().resolve(old.reference.digest))

    with pytest.raises(PromotionError, match=r"the plan was made with checkpoint 2 of .*, and it is 1 now"):
        watched.promote(kit, approved_plan=approved, memory=Memory())


def test_a_checkpoint_that_was_taken_away_is_told(watched):
    """Delete the checkpoint's tag."""
    kit = watched.team.pack()
    made = watched.witness()
    assert watched.check(kit).is_passed
    watched.raw().delete_tag(made.reference.tag)

    assert "checkpoint 1 by wes was there, and is gone" in watched.check(kit).actual
    assert "there is no checkpoint by wes" in watched.check(kit, memory=Memory()).actual


def test_a_plan_that_people_approved_is_not_carried_out_without_a_checkpoint_that_it_rests_on(watched):
    """Two witnesses, of whom one is enough: after a green plan, delete what one lists together with its checkpoint."""
    kit = watched.team.pack()
    watched.witness()
    event = watched.team.test_result(kit, result="FAILED")
    made = watched.witness("win")
    approved = watched.plan(kit, memory=Memory())
    assert [item.version for item in approved.checkpoints] == [1, 1]
    watched.hide(kit.digest, str(event.descriptor.digest))
    assert not watched.check(kit, memory=Memory()).is_passed
    watched.raw().delete_tag(made.reference.tag)
    assert watched.check(kit, memory=Memory()).is_passed, "who remembers nothing cannot know"

    with pytest.raises(PromotionError, match=r"made with checkpoint 1 of .*, and that is gone"):
        watched.promote(kit, approved_plan=approved, memory=Memory())


@pytest.mark.parametrize("change", ["it is deleted", "it is no checkpoint"])
def test_a_checkpoint_that_was_taken_away_is_told_by_the_record_of_a_promotion(watched, change):
    """Two witnesses, of whom one is enough: delete or break the checkpoint of one; ask where nothing is remembered."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    made = watched.witness("win")
    watched.promote(kits[0])
    watched.witness()
    assert watched.check(kits[1], memory=Memory()).is_passed
    if change == "it is deleted":
        watched.raw().delete_tag(made.reference.tag)
    else:
        watched.raw().set_tag(made.reference.tag, watched.raw().resolve(kits[1].digest))

    found = watched.check(kits[1], memory=Memory())
    assert not found.is_passed
    assert made.reference.tag in found.actual or "no checkpoint by win any more: a promotion on record" in found.actual


def test_a_number_that_never_was_is_told_with_its_author_and_goes_with_the_authors_trust(watched):
    """A releaser signs a record that saw checkpoint 1000000000, and so stops the stage for everybody."""
    kits = [watched.team.pack(f"1.{n}", f"c{n}") for n in range(2)]
    watched.witness()
    watched.promote(kits[0])
    (event,) = watched.events(kits[0], predicate_types.PROMOTION)
    (record,) = [item for item in read_evidence(watched.raw(), str(kits[0].digest)) if item.descriptor.digest == event]
    lie = json.loads(json.dumps(dict(record.statement.predicate)))
    lie["verdict"]["checkpoints"][0]["version"] = 10**9
    statement = Statement.build(kits[0].digest, predicate_types.PROMOTION, lie)
    attached = watched.client.attach(kits[0].reference, statement, signer=watched.team.signer("rita"))

    found = watched.check(kits[1])
    assert not found.is_passed
    assert f"saw number 1000000000 (record {attached.descriptor.digest} by rita)" in found.actual
    left = tuple(who for who in watched.trust.identities if who.id != "rita")
    watched.trust = replace(watched.trust, identities=left)
    assert "1000000000" not in watched.check(kits[1]).actual


class ListsTwice:
    """Whoever runs the registry: at first the list of a digest is empty, and what it is from then on."""

    def __init__(self, inner, digest):
        self._inner, self._digest, self.asked = inner, digest, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def referrers(self, digest, **options):
        self.asked += digest == self._digest
        return [] if digest == self._digest and self.asked == 1 else self._inner.referrers(digest, **options)


@MEDIA
def test_the_evidence_that_is_judged_is_what_the_checkpoint_is_compared_with(watched):
    """Reject; let the witness sign; show one list to the checks, without the "no", and the whole one afterwards."""
    kit = watched.team.pack()
    watched.client.reject(kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann"))
    watched.witness()
    lying = ListsTwice(watched.raw(), str(kit.digest))
    made = plan_promotion(
        lying,
        str(kit.digest),
        lying,
        stage="production",
        policy=watched.policy,
        trust=watched.trust,
        memory=watched.of_client,
    )

    assert not made.is_ready
    assert any("lists approval REJECTED for production by ann" in check.actual for check in made.checks)
    assert lying.asked >= 1


def test_the_checkpoint_of_another_repository_is_none(watched):
    """Copy the checkpoint of an innocent repository to this one's tag."""
    kit = watched.team.pack()
    watched.team.pack(repository="other/iris")
    made = watched.witness(repository="other/iris")
    watched.client.copy(f"other/iris@{made.reference.digest}", "staging/iris:mine")
    watched.raw().set_tag(made.reference.tag, watched.raw().resolve("mine"))

    found = watched.check(kit)
    assert not found.is_passed
    assert "checkpoint 1 is one of" in found.actual
    assert "other/iris, and not of" in found.actual


def test_a_checkpoint_by_a_key_without_the_role_counts_for_nothing(watched):
    """A releaser signs a checkpoint; and puts it at the witness's tag."""
    kit = watched.team.pack()
    with pytest.raises(PromotionError, match="would count for nothing: rita has no role for checkpoint: witness"):
        watched.witness("rita")
    forged = forge(watched, {}, by="rita")
    assert "there is no checkpoint by wes" in watched.check(kit).actual
    watched.raw().set_tag(tag_of(watched, "wes"), watched.raw().resolve(forged))

    assert "is not signed by wes" in watched.check(kit).actual


def test_a_checkpoint_whose_payload_has_no_type_that_can_be_written_is_red(watched):
    """Put an unsigned bundle at the witness's tag, whose payloadType is half of a surrogate pair."""
    kit = watched.team.pack()
    content = b'{"mediaType": "%b", "verificationMaterial": {}, "dsseEnvelope": ' % BUNDLE.encode()
    content += b'{"payload": "e30=", "payloadType": "\\ud800", "signatures": [{"sig": "AAAA"}]}}'
    layer = Descriptor(BUNDLE, Digest.of(content), len(content))
    put(watched, [layer], {layer: content}, tag_of(watched, "wes"))

    assert "payloadType" in watched.check(kit).actual
    with pytest.raises(KitOpsError, match="payloadType"):
        watched.witness()


def test_a_witness_without_the_role_any_more_counts_for_nothing(watched):
    """Take the role away after the checkpoint was made."""
    kit = watched.team.pack()
    watched.witness()
    left = tuple(replace(who, roles=frozenset()) if who.id == "wes" else who for who in watched.trust.identities)
    watched.trust = replace(watched.trust, identities=left)

    assert not watched.check(kit).is_passed


def test_an_expired_or_old_checkpoint_is_red(watched):
    """Stop the witness."""
    kit = watched.team.pack()
    watched.witness(valid_hours=48)
    assert watched.check(kit, moment=hours(23)).is_passed
    assert "is older than 24 hours" in watched.check(kit, moment=hours(25)).actual
    watched.policy = policy_of(checkpoint={"maxAgeHours": 100})
    assert watched.check(kit, moment=hours(47)).is_passed
    assert "expired on" in watched.check(kit, moment=hours(49)).actual


def test_a_checkpoint_from_the_future_is_red(watched):
    """Let a witness's clock run ahead, so that the checkpoint never grows old."""
    kit = watched.team.pack()
    forge(watched, {str(kit.digest): ()}, issued_on=hours(48), expires_on=hours(72))

    assert "is dated in the future" in watched.check(kit).actual


@pytest.mark.parametrize("change", ["a shard is left out", "a shard is another", "a shard is twice", "a layer more"])
def test_leaves_that_are_not_those_of_the_root_are_red(watched, change):
    """Keep what the witness signed, and change the leaves beside it."""
    kit = watched.team.pack()
    made = watched.witness()
    node = watched.raw().fetch_manifest(made.reference.digest)
    bundle, shard = node.layers
    other = Leaves({str(kit.digest): ("sha256:" + "0" * 64,)}).shards()[""]
    wrong = Descriptor(LEAVES, Digest.of(other), len(other), {PREFIX: ""})
    layers = {
        "a shard is left out": [bundle],
        "a shard is another": [bundle, wrong],
        "a shard is twice": [bundle, shard, shard],
        "a layer more": [bundle, shard, replace(wrong, annotations={PREFIX: "0"})],
    }[change]
    put(watched, layers, {wrong: other}, made.reference.tag)

    found = watched.check(kit)
    assert not found.is_passed
    assert "the leaves of checkpoint 1 are not those that wes signed" in found.actual


def test_leaves_that_are_gone_or_changed_are_red(watched):
    """Take the bytes of a shard away, or change them in place."""
    kit = watched.team.pack()
    made = watched.witness()
    shard = watched.raw().fetch_manifest(made.reference.digest).layers[1]
    path = watched.raw().blob_path(shard.digest)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"production"', b'"productioN"').replace(b"0", b"1"))
    assert not watched.check(kit).is_passed
    path.unlink()
    assert not watched.check(kit).is_passed
    path.write_bytes(content)
    assert watched.check(kit).is_passed


def test_two_checkpoints_with_one_number_are_told_until_the_next(watched):
    """A witness signs two different checkpoints with one number, one for you and one for others."""
    kit = watched.team.pack()
    watched.witness()
    assert watched.check(kit).is_passed
    forge(watched, {str(kit.digest): ("sha256:" + "0" * 64,)}, version=1)

    assert "two checkpoints with number 1 by wes" in watched.check(kit).actual
    forge(watched, {str(kit.digest): ()}, version=2)
    assert watched.check(kit).is_passed


def test_one_witness_that_was_rolled_back_takes_nothing_from_the_other(watched):
    """Two witnesses; put one's old checkpoint back; a client that remembers nothing."""
    kit = watched.team.pack()
    old = watched.witness()
    event = watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.witness("win")
    watched.hide(kit.digest, str(event.descriptor.digest))
    watched.raw().set_tag(old.reference.tag, watched.raw().resolve(old.reference.digest))

    assert "checkpoint 1 by win lists test-result FAILED" in watched.check(kit, memory=Memory()).actual


def test_two_witnesses_are_two_people(watched):
    """Ask for two, and let one sign."""
    kit = watched.team.pack()
    watched.policy = policy_of(checkpoint={"maxAgeHours": 24, "witnesses": 2})
    watched.witness()
    assert "2 witnesses are needed" in watched.check(kit).actual
    watched.witness("win")
    assert watched.check(kit).is_passed


def test_a_witness_covers_no_loss_up(watched):
    """Take evidence away, and let the witness make the next checkpoint."""
    kit = watched.team.pack()
    event = watched.team.test_result(kit, result="FAILED")
    made = watched.witness()
    watched.hide(kit.digest, str(event.descriptor.digest))

    for memory in (watched.of_witness, Memory()):
        with pytest.raises(CheckFailedError, match="lacks what checkpoint 1 lists: test-result FAILED by eve"):
            watched.witness(memory=memory)
    assert watched.raw().resolve(made.reference.tag).digest == made.reference.digest


def test_a_witness_whose_checkpoint_was_put_back_goes_on_from_the_newest(watched):
    """Put an older checkpoint back, so that the witness compares with too little."""
    kit = watched.team.pack()
    old = watched.witness()
    event = watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.hide(kit.digest, str(event.descriptor.digest))
    watched.raw().set_tag(old.reference.tag, watched.raw().resolve(old.reference.digest))

    with pytest.raises(CheckFailedError, match="lacks what checkpoint 2 lists"):
        watched.witness()


def test_a_schedule_makes_no_first_checkpoint(watched):
    """Take the checkpoint away where the witness remembers nothing: a new first one would miss nothing."""
    watched.team.pack()
    made = watched.witness()
    watched.raw().delete_tag(made.reference.tag)

    with pytest.raises(NotFoundError, match="has no checkpoint by wes to renew"):
        watched.witness(memory=Memory(), renew_only=True)


def test_a_version_that_is_younger_can_be_demanded_to_be_listed(watched):
    """Hide what is younger than the checkpoint: possible, unless the policy says that a version has to be listed."""
    kits = [watched.team.pack("1")]
    watched.witness()
    kits.append(watched.team.pack("2", "younger"))

    found = watched.check(kits[1])
    assert found.is_passed
    assert "younger than that and not yet witnessed" in found.actual
    demanding = policy_of(checkpoint={"maxAgeHours": 24, "listed": True})
    assert not watched.check(kits[1], policy=demanding).is_passed
    assert watched.check(kits[0], policy=demanding).is_passed


def tag_of(watched, by):
    return checkpoint_tag(watched.team.keys[by].public_key)


def forge(watched, digests, *, by="wes", version=1, issued_on=None, expires_on=None):
    """Sign whatever, as somebody who has the key and another program."""
    name = watched.raw().reference.name
    shards = [
        (Descriptor(LEAVES, Digest.of(content), len(content), {PREFIX: prefix}), content)
        for prefix, content in Leaves(digests).shards().items()
    ]
    root = root_of(shard for shard, _ in shards)
    predicate = {
        "version": version,
        "issuedOn": format_timestamp(issued_on or hours(0)),
        "expiresOn": format_timestamp(expires_on or hours(24)),
        "repository": name,
        "digests": len(digests),
        "evidence": 0,
    }
    subject = (ResourceDescriptor(name, digest={"sha256": root.hex}),)
    statement = Statement.of(subject, predicate_types.CHECKPOINT, predicate)
    signed = sign_statement(statement, watched.team.signer(by))
    bundle = Descriptor(BUNDLE, Digest.of(signed), len(signed))
    layers = [bundle, *(shard for shard, _ in shards)]
    return put(watched, layers, {bundle: signed, **dict(shards)}, tag_of(watched, by))


def put(watched, layers, blobs, tag):
    empty = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
    repository = watched.raw()
    for descriptor, content in {**blobs, empty: b"{}"}.items():
        repository.push_blob(descriptor, BytesSource(content))
    manifest = Manifest.build(config=empty, layers=layers, artifact_type=ARTIFACT)
    return repository.push_manifest(manifest, tag=tag).digest
