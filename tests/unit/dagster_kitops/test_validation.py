"""Definitions argue when they are loaded: what would fail hours later, or would be false without anybody noticing."""

import dagster as dg
import pytest

from dagster_kitops import (
    KitOpsResource,
    ModelKitIOManager,
    ModelKitSignerResource,
    PromotionStage,
    build_modelkit_asset_spec,
    build_modelkit_integrity_checks,
    build_modelkit_tag_sensor,
    build_observable_modelkits,
    build_promotion_assets,
    build_rollback_job,
    modelkit_asset,
    modelkit_assets,
    validate_modelkits,
)

DAYS = dg.StaticPartitionsDefinition(["2026-01-01", "2026-01-02"])
REGIONS = dg.StaticPartitionsDefinition(["eu", "us"])
KITOPS = KitOpsResource(registry="ghcr.io", namespace="acme")


def kit(name, repository="team/tiny", **options):
    @modelkit_asset(name=name, repository=repository, **options)
    def body():
        raise NotImplementedError

    return body


def definitions(*assets, kitops=KITOPS, **others):
    return dg.Definitions(assets=[*assets], resources={"kitops": kitops}, **others)


def refused(of, *said):
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        of()
    for text in said:
        assert text in str(caught.value)


def test_what_is_right_is_returned_and_loads():
    one = kit("one", partitions_def=DAYS, extra_tags=["newest-{partition}"])
    two = kit("two", "team/other", tag="v1", extra_tags=["stable"])
    stages = build_promotion_assets(source=one, stages=["staging", PromotionStage("live", destination="prod/tiny")])
    checks = build_modelkit_integrity_checks(assets=[one, two])
    defs = validate_modelkits(definitions(one, two, *stages, asset_checks=checks))
    dg.Definitions.validate_loadable(defs)


def test_two_assets_with_one_tag_of_one_repository_are_named():
    pair = definitions(kit("one"), kit("two", extra_tags=["latest"], tag="v1"))
    refused(lambda: validate_modelkits(pair), "one and two", "ghcr.io/acme/team/tiny:latest")
    validate_modelkits(definitions(kit("one"), kit("two", tag="v2")))


def test_two_code_locations_that_would_move_one_tag_are_named():
    training, serving = definitions(kit("one")), definitions(kit("two", "team/other"), kit("three"))
    refused(lambda: validate_modelkits(training, beside=[serving]), "one and three (elsewhere)", "team/tiny:latest")
    same_name = definitions(kit("one"))
    refused(lambda: validate_modelkits(training, beside=[same_name]), "one and one (elsewhere)")


def test_of_other_code_locations_nothing_but_the_places_counts():
    """Their own mistakes are theirs to tell, and they are not returned."""
    others = [definitions(kit("two", "team/a"), kit("three", "team/a")), definitions(kit("one", "team/b", sign=True))]
    defs = validate_modelkits(definitions(kit("one")), beside=others)
    assert [spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()] == ["one"]


def test_one_repository_in_two_registries_is_no_pair():
    other = KitOpsResource(registry="quay.io")
    defs = dg.Definitions(
        assets=[kit("one"), kit("two", resource_key="other")], resources={"kitops": KITOPS, "other": other}
    )
    validate_modelkits(defs)


def test_registries_that_are_variables_are_told_apart_by_their_names():
    def pair(variable):
        resources = {
            "kitops": KitOpsResource(registry=dg.EnvVar("ONE")),
            "other": KitOpsResource(registry=dg.EnvVar(variable)),
        }
        return dg.Definitions(assets=[kit("one"), kit("two", resource_key="other")], resources=resources)

    validate_modelkits(pair("TWO"))
    refused(lambda: validate_modelkits(pair("ONE")), "$ONE/team/tiny:latest")


def test_a_stage_with_another_assets_tag_is_named():
    one, other = kit("one"), kit("other", tag="staging")
    stages = build_promotion_assets(source=one, stages=["staging"])
    refused(lambda: validate_modelkits(definitions(one, other, *stages)), "one/staging", "team/tiny:staging")


@pytest.mark.parametrize(
    "stages",
    [
        ["latest"],
        [PromotionStage("a", tag="x"), PromotionStage("b", tag="x")],
        [PromotionStage("a", destination="prod/tiny", tag="x"), PromotionStage("b", tag="x")],
    ],
)
def test_stages_that_share_a_tag_are_named(stages):
    refused(lambda: build_promotion_assets(source=kit("one"), stages=stages), "would both move the tag")


def test_two_specs_with_one_place_are_named():
    specs = [build_modelkit_asset_spec(name, repository="team/tiny") for name in ("one", "two")]
    refused(lambda: modelkit_assets(specs=specs), "one and two", "team/tiny:latest")


@pytest.mark.parametrize("options", [{"tag": "v1"}, {"extra_tags": ["latest"]}])
def test_partitions_that_share_a_tag_are_refused(options):
    refused(lambda: kit("one", partitions_def=DAYS, **options), "all partitions would move one tag", "-{partition}")


def test_a_place_for_partitions_without_any_is_refused():
    refused(lambda: kit("one", tag="v-{partition}"), "{partition}", "no partitions")
    stages = [PromotionStage("live", destination="prod/{partition}")]
    refused(lambda: build_promotion_assets(source=kit("one"), stages=stages), "no partitions")


@pytest.mark.parametrize("repository", ["Team/Tiny", "team/tiny:v1", "team tiny", "", "https://ghcr.io/team/tiny"])
def test_a_repository_that_is_none_is_refused_by_every_builder(repository):
    for build in (
        lambda: kit("one", repository),
        lambda: build_modelkit_asset_spec("one", repository=repository),
        lambda: build_promotion_assets(source="one", stages=[PromotionStage("a", destination=repository or "A")]),
        lambda: build_modelkit_tag_sensor(repositories={repository: "one"}),
        lambda: validate_modelkits(definitions(dg.AssetSpec("one", metadata={"kitops/repository": repository}))),
    ):
        refused(build)


def test_a_password_in_a_repository_is_not_repeated():
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        kit("one", "ada:hunter2@ghcr.io/team/tiny")
    assert "hunter2" not in str(caught.value)


def test_stages_take_partitions_group_and_owners_of_their_source():
    source = kit("one", partitions_def=DAYS, group_name="models", owners=["team:ml"])
    for stage in build_promotion_assets(source=source, stages=["staging", "live"]):
        spec = stage.get_asset_spec(stage.key)
        assert (spec.partitions_def, spec.group_name, spec.owners) == (DAYS, "models", ["team:ml"])
    (own,) = build_promotion_assets(source=source, stages=["staging"], group_name="live", owners=["team:ops"])
    assert own.get_asset_spec(own.key).group_name == "live"
    assert own.get_asset_spec(own.key).owners == ["team:ops"]


def test_other_partitions_than_the_sources_are_refused():
    source = kit("one", partitions_def=DAYS)
    refused(lambda: build_promotion_assets(source=source, stages=["a"], partitions_def=REGIONS), "other partitions")
    unpartitioned = kit("one")
    refused(lambda: build_promotion_assets(source=unpartitioned, stages=["a"], partitions_def=DAYS))


def test_a_stage_of_a_key_alone_without_the_sources_partitions_does_not_load_at_all():
    stages = build_promotion_assets(source="one", stages=["staging"])
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="one/staging"):
        dg.Definitions.validate_loadable(definitions(kit("one", partitions_def=DAYS), *stages))


def test_stages_and_checks_of_other_partitions_are_named():
    one = kit("one", partitions_def=DAYS)
    stages = build_promotion_assets(source="one", stages=["staging"], partitions_def=REGIONS)
    refused(lambda: validate_modelkits(definitions(one, *stages)), "one/staging has other partitions than one")
    checks = build_modelkit_integrity_checks(assets=["one"])
    refused(lambda: validate_modelkits(definitions(one, asset_checks=checks)), "the check modelkit_integrity")


def test_a_check_of_somebody_else_may_have_what_partitions_it_wants():
    @dg.asset_check(asset="one")
    def theirs():
        raise NotImplementedError

    validate_modelkits(definitions(kit("one", partitions_def=DAYS), asset_checks=[theirs]))


def test_a_stage_that_its_policy_does_not_know_is_refused(tmp_path):
    policy = tmp_path / "promotion.yaml"
    policy.write_text("version: 1\nstages:\n  staging: {tag: staging}\n")
    build_promotion_assets(source="one", stages=[PromotionStage("staging", policy_path=policy)])
    stages = [PromotionStage("production", policy_path=policy)]
    refused(lambda: build_promotion_assets(source="one", stages=stages), "stage production of one", "staging")
    policy.write_text("version: 1\nstagez: {}\n")
    refused(lambda: build_promotion_assets(source="one", stages=stages), "stagez")


def test_a_policy_that_is_on_the_steps_machine_alone_is_read_there(tmp_path):
    build_promotion_assets(source="one", stages=[PromotionStage("production", policy_path=tmp_path / "elsewhere.yaml")])


def test_signing_without_a_key_is_named():
    refused(lambda: validate_modelkits(definitions(kit("one", sign=True))), "one is to be signed")
    signing = KitOpsResource(registry="ghcr.io", signer=ModelKitSignerResource(private_key_path="env://KEY"))
    validate_modelkits(definitions(kit("one", sign=True), kitops=signing))


SIGNER = ModelKitSignerResource(private_key_path="release.key")


def test_a_signer_that_signs_for_nobody_is_named():
    idle = KitOpsResource(registry="ghcr.io", signer=SIGNER, attach_provenance=False)
    refused(lambda: validate_modelkits(definitions(kit("one"), kitops=idle)), "signer", "signs nothing of one")


@pytest.mark.parametrize(
    "used",
    [
        lambda idle: definitions(kit("one", sign=True), kitops=idle),
        lambda idle: definitions(one := kit("one"), *build_promotion_assets(source=one, stages=["live"]), kitops=idle),
        lambda idle: definitions(kit("one"), jobs=[build_rollback_job(source="one", stages=["live"])], kitops=idle),
        lambda idle: definitions(kit("one"), kitops=KitOpsResource(registry="ghcr.io", signer=SIGNER)),
        lambda idle: definitions(build_observable_modelkits({"a": "team/a:v1"}), kitops=idle),
    ],
    ids=["an asset", "a stage", "a job", "provenance", "what is read alone"],
)
def test_a_signer_that_something_uses_is_none(used):
    validate_modelkits(used(KitOpsResource(registry="ghcr.io", signer=SIGNER, attach_provenance=False)))


def test_an_io_manager_that_signs_uses_the_signer_of_its_registry():
    idle = KitOpsResource(registry="ghcr.io", signer=SIGNER, attach_provenance=False)

    @dg.asset(metadata={"kitops/repository": "team/one"}, io_manager_key="modelkits")
    def one():
        raise NotImplementedError

    def made(**options):
        return dg.Definitions(assets=[one], resources={"modelkits": ModelKitIOManager(kitops=idle, **options)})

    validate_modelkits(made(sign=True))
    refused(lambda: validate_modelkits(made()), "signs nothing of one")


def test_a_sensor_and_an_observed_asset_agree_on_the_version():
    base = build_observable_modelkits({"base": "vendors/base:v1"})
    right = build_modelkit_tag_sensor(repositories={"vendors/base": "base"}, tags="v1")
    wrong = build_modelkit_tag_sensor(repositories={"vendors/base": "base"}, tags="latest")
    validate_modelkits(definitions(base, sensors=[right]))
    refused(lambda: validate_modelkits(definitions(base, sensors=[wrong])), "vendors/base:v1", "its tag latest")
    defs = definitions(base, sensors=[wrong])
    with dg.build_sensor_context(definitions=defs, resources={"kitops": KITOPS}) as context:
        refused(lambda: wrong(context), "its tag latest")


@pytest.mark.parametrize("tags", ["*", "v*", ">=1.0"])
def test_a_set_of_tags_is_no_version_of_one_asset(tags):
    refused(lambda: build_modelkit_tag_sensor(repositories={"a": "a"}, tags=tags), "many tags")
    build_modelkit_tag_sensor(repositories={"a": "a"}, tags=tags, emit=None)
    versions = dg.DynamicPartitionsDefinition(name="versions")
    build_modelkit_tag_sensor(repositories={"a": "a"}, tags=tags, dynamic_partitions_def=versions)


def test_all_that_is_wrong_is_said_at_once():
    bad = definitions(kit("one", sign=True), kit("two"))
    refused(lambda: validate_modelkits(bad), "one and two", "one is to be signed")


def test_storage_addresses_name_their_registry():
    one = kit("one")
    defs = validate_modelkits(definitions(one, *build_promotion_assets(source=one, stages=["staging"])))
    addresses = {spec.metadata["dagster/uri"] for spec in defs.resolve_all_asset_specs()}
    assert addresses == {"ghcr.io/acme/team/tiny"}


def test_every_asset_has_a_code_version():
    one = kit("one")

    @modelkit_assets(specs=[build_modelkit_asset_spec("two", repository="a/b")])
    def many(context):
        raise NotImplementedError

    stages = build_promotion_assets(source=one, stages=["staging"])
    specs = definitions(one, many, *stages).resolve_all_asset_specs()
    assert len(specs) == 3
    assert all(spec.code_version for spec in specs)
