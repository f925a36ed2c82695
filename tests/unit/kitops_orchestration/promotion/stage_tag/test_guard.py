"""A tag that a policy's stage owns is moved by its promotion alone, whatever the command; a freeze outlives the tag."""

from __future__ import annotations

import json

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import CheckFailedError, NotFoundError, TagOwnedError
from kitops_orchestration.oci.referrers import ANCHOR_PREFIX
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.promotion.retention.retain import RetentionRule
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of

LOW = {"metric": {"name": "accuracy", "min": "0.9"}}


@pytest.fixture(params=["folder", "registry"])
def place(request, team):
    """The team, with a folder or with a registry that speaks HTTP."""
    if request.param == "registry":
        server = request.getfixturevalue("embedded_registry")
        team.client = KitClient(server.host)
    return team


def go(team, packed, policy, by="rita", **more):
    more = {"stage": "production", "policy": policy, "trust": team.trust, "signer": team.signer(by), **more}
    return team.client.promote(packed.reference, **more)


@pytest.fixture
def owned(place):
    """Two versions, one of them promoted to production under a policy."""
    policy, kits = place.policy(LOW), [place.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    go(place, kits[0], policy)
    place.client.copy(kits[1].reference, "prod/iris:1.0.1")
    return place, policy, kits


def raw(team, name="prod/iris"):
    """What somebody with the registry's rights and another program has."""
    return open_repository(team.client.reference(name).without_target())


WAYS = {
    "tag": lambda team, kit: team.client.tag("prod/iris:1.0.1", "production"),
    "copy": lambda team, kit: team.client.copy(kit.reference, "prod/iris:production"),
    "push": lambda team, kit: team.client.push(kit.reference, "prod/iris:production"),
    "pack": lambda team, kit: team.pack("production", "other", repository="prod/iris"),
    "remove": lambda team, kit: team.client.remove("prod/iris:production"),
    "remove of several": lambda team, kit: team.client.remove("prod/iris:1.0.1,production"),
    "promote without a policy": lambda team, kit: team.client.promote(
        kit.reference, stage="production", destination="prod/iris", signer=team.signer("rita")
    ),
    "promote to another stage": lambda team, kit: team.client.promote(
        kit.reference, stage="mine", destination="prod/iris:production", signer=team.signer("rita")
    ),
    "rollback without a policy": lambda team, kit: team.client.rollback(
        "prod/iris", stage="production", to="1.0.1", reason="hurry"
    ),
    "low level": lambda team, kit: team.client.repository("prod/iris").set_tag(
        "production", team.client.repository("prod/iris").resolve(kit.digest)
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_command_moves_the_tag_of_a_stage(owned, way):
    """Move production's tag with every command that moves tags."""
    team, _, kits = owned
    with pytest.raises(TagOwnedError, match="is the tag of the stage production") as caught:
        WAYS[way](team, kits[1])

    assert "promote" in caught.value.advice
    assert team.client.resolve("prod/iris:production").digest == kits[0].digest
    assert team.client.resolve("prod/iris:1.0.1").digest == kits[1].digest


def test_an_archive_moves_no_tag_of_a_stage_and_nothing_of_it_is_imported(owned, tmp_path):
    """Export a ModelKit that is tagged production elsewhere, and import it."""
    team, _, kits = owned
    team.client.copy(kits[1].reference, "elsewhere/iris:production")
    team.pack("3.0.0", "third", repository="elsewhere/iris")
    team.client.save(["elsewhere/iris:3.0.0", "elsewhere/iris:production"], tmp_path / "kits.tar")

    with pytest.raises(TagOwnedError, match=r"would move tags of stages: .*prod/iris:production is the tag of"):
        team.client.load(tmp_path / "kits.tar", into="prod/iris")
    assert "3.0.0" not in team.client.tags("prod/iris")


def test_without_stages_the_rest_of_an_archive_comes_in_and_the_stages_tags_stay(owned, tmp_path):
    team, policy, kits = owned
    team.client.copy(kits[1].reference, "elsewhere/iris:production")
    team.pack("3.0.0", "third", repository="elsewhere/iris")
    team.client.save(["elsewhere/iris:3.0.0", "elsewhere/iris:production"], tmp_path / "kits.tar")

    for _ in range(2):
        found = team.client.load(tmp_path / "kits.tar", into="prod/iris", without_stages=True)
        assert {item.reference.tag: item.instead_of for item in found} == {
            "3.0.0": None,
            f"production-{kits[1].digest.short}": "production",
        }
    assert team.client.resolve("prod/iris:production").digest == kits[0].digest
    go(team, kits[1], policy)
    again = team.client.load(tmp_path / "kits.tar", into="prod/iris")
    assert {item.reference.tag for item in again} == {"3.0.0", "production"}, "what is there already moves nothing"


def test_its_own_promotion_and_rollback_move_it(owned):
    team, policy, kits = owned
    assert go(team, kits[1], policy).is_moved
    back = team.client.rollback(
        "staging/iris", stage="production", reason="drift", policy=policy, trust=team.trust, signer=team.signer("rita")
    )
    assert back.digest == kits[0].digest


def test_the_anchor_of_a_stage_is_shown_as_no_version_and_no_command_takes_it_away(owned):
    """Remove, or overwrite, what says that the tag is a stage's."""
    team, _, kits = owned
    assert team.client.tags("prod/iris") == ["1.0.0", "1.0.1", "production"]
    anchor = f"{ANCHOR_PREFIX}production"
    for attack in (
        lambda: team.client.remove(f"prod/iris:{anchor}"),
        lambda: team.client.tag("prod/iris:1.0.1", anchor),
        lambda: team.client.copy(kits[1].reference, f"prod/iris:{anchor}"),
    ):
        with pytest.raises(TagOwnedError, match="holds what is known of a stage"):
            attack()


def test_a_tag_that_no_stage_owns_moves_as_ever(place):
    packed = place.pack()
    place.client.tag(packed.reference, "production")
    place.client.promote(packed.reference, stage="canary")
    place.client.tag(packed.reference, "canary")
    assert place.client.remove(f"{packed.reference.without_target()}:canary")


# Freezes ---------------------------------------------------------------------------------------------------------


def test_a_freeze_outlives_the_tag_and_the_version(owned):
    """Freeze; then remove the tag, or delete the anchor, with a raw registry client; then promote another version."""
    team, policy, kits = owned
    team.client.freeze("prod/iris", stage="production", reason="audit", policy=policy)
    assert raw(team).resolve(f"{ANCHOR_PREFIX}production").digest == anchor_of("production").digest
    raw(team).delete_tag("production") if team.client.registry.startswith("file:") else raw(team).set_tag(
        "production", raw(team).resolve(kits[1].digest)
    )
    with pytest.raises(CheckFailedError, match="audit"):
        go(team, team.pack("1.0.2", "c2"), policy)

    raw(team).delete_manifest(anchor_of("production").digest)
    with pytest.raises(NotFoundError):
        raw(team).resolve(f"{ANCHOR_PREFIX}production")
    with pytest.raises(CheckFailedError, match="audit"):
        go(team, team.pack("1.0.2", "c2"), policy)


def test_an_empty_stage_can_be_frozen(place):
    packed, policy = place.pack(), place.policy(LOW)
    place.client.freeze("staging/iris", stage="production", reason="not yet", policy=policy)
    with pytest.raises(CheckFailedError, match="not yet"):
        go(place, packed, policy)


def test_a_thaw_ends_what_it_names_and_a_freeze_that_it_did_not_know_holds(owned):
    """Thaw one freeze while another is attached by a machine whose clock is behind."""
    team, policy, kits = owned
    team.client.freeze("prod/iris", stage="production", reason="audit", policy=policy)
    rita = {"policy": policy, "signer": team.signer("rita")}
    team.client.freeze("prod/iris", stage="production", reason="over", is_frozen=False, **rita)
    team.client.freeze("prod/iris", stage="production", reason="fire", policy=policy, created_on="2020-01-01T00:00:00Z")
    with pytest.raises(CheckFailedError, match="fire"):
        go(team, kits[1], policy)
    team.client.freeze("prod/iris", stage="production", reason="out", is_frozen=False, **rita)
    assert go(team, kits[1], policy).is_moved


def test_a_version_in_a_stage_is_not_deleted_with_the_stages_tag(owned):
    """Delete, by its digest, the manifest that production points at, or the anchor."""
    team, policy, kits = owned
    repository = team.client.repository("prod/iris")
    for digest in (kits[0].digest, anchor_of("production").digest):
        with pytest.raises(TagOwnedError):
            repository.delete_manifest(digest)
    assert team.client.resolve("prod/iris:production").digest == kits[0].digest
    go(team, kits[1], policy)
    repository.delete_manifest(kits[0].digest)  # the stage's tag went on
    assert "1.0.0" not in team.client.tags("prod/iris")


def test_retention_without_the_policy_leaves_what_a_stage_has(owned):
    """Move production's tag by hand onto a version without a record, and clean up without a policy."""
    team, _, kits = owned
    raw(team).set_tag("production", raw(team).resolve(kits[1].digest))
    result = team.client.retain("prod/iris", RetentionRule(matches="*", keep_last=0), dry_run=False)
    assert kits[1].digest not in [version.digest for version in result.removed]
    assert team.client.resolve("prod/iris:production").digest == kits[1].digest


FROZEN_WAYS = {
    "tag": lambda team, kit: team.client.tag(kit.reference, "qa"),
    "copy": lambda team, kit: team.client.copy(kit.reference, "staging/iris:qa"),
    "pack": lambda team, kit: team.pack("qa", "other"),
    "remove": lambda team, kit: team.client.remove("staging/iris:qa"),
    "promote": lambda team, kit: team.client.promote(kit.reference, stage="qa"),
    "promote to another stage": lambda team, kit: team.client.promote(
        kit.reference, stage="mine", destination="staging/iris:qa"
    ),
}


@pytest.mark.parametrize("way", FROZEN_WAYS)
def test_a_frozen_stage_that_no_policy_ever_entered_is_closed_to_every_command(place, way):
    """Freeze a stage that is used without a policy; then move its tag with every command."""
    kits = [place.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    place.client.promote(kits[0].reference, stage="qa")
    place.client.freeze("staging/iris", stage="qa", reason="audit")
    with pytest.raises(CheckFailedError, match=r"frozen since .*: audit"):
        FROZEN_WAYS[way](place, kits[1])
    assert place.client.resolve("staging/iris:qa").digest == kits[0].digest

    place.client.freeze("staging/iris", stage="qa", reason="over", is_frozen=False)
    FROZEN_WAYS[way](place, kits[1])


def test_oras_moves_and_deletes_no_tag_of_a_stage(team, embedded_registry):
    """Push to production's tag with oras, put a manifest there by a request, delete it, and delete another with it."""
    team.client = KitClient(embedded_registry.host)
    policy, kits = team.policy(LOW), [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    go(team, kits[0], policy)
    team.client.copy(kits[1].reference, "prod/iris:1.0.1")
    client, where = team.client.oras("prod/iris"), f"{embedded_registry.host}/prod/iris"
    manifest = team.client.repository("prod/iris").fetch_manifest(kits[1].digest)
    url = f"http://{embedded_registry.host}/v2/prod/iris/manifests/"
    for write in (
        lambda: client.upload_manifest(json.loads(manifest.content), client.get_container(f"{where}:production")),
        lambda: client.do_request(url + "production", "PUT", manifest.content, {"Content-Type": manifest.media_type}),
        lambda: client.do_request(url + "%70roduction", "DELETE"),
        lambda: client.delete_tag(f"{where}:production", "production"),
        lambda: client.delete_tag(f"{where}:1.0.0", "1.0.0"),
    ):
        with pytest.raises(TagOwnedError):
            write()
    assert team.client.resolve("prod/iris:production").digest == kits[0].digest
    assert client.delete_tag(f"{where}:1.0.1", "1.0.1")
