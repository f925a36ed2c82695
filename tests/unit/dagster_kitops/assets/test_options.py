"""Options in mappings are looked at when a definition is loaded, and not in a step hours later."""

import inspect

import dagster as dg
import pytest

from dagster_kitops import (
    PromotionStage,
    build_approval_job,
    build_catalog_asset,
    build_modelkit_asset_spec,
    build_observable_mlflow_models,
    build_observable_modelkits,
    build_promotion_job,
    build_rollback_job,
    mlflow_modelkit_asset,
    modelkit_asset,
)
from dagster_kitops.assets.options import AssetOptions, MultiAssetOptions, SpecOptions

KINDS = {
    "pack_options": (modelkit_asset, {"compression": "gzip"}),
    "export_options": (mlflow_modelkit_asset, {"name": "churn"}),
}
WRONG = {
    "pack_options": [({"compresion": "gzip"}, "compression"), ({"exclude": 7}, "exclude")],
    "export_options": [({"datasetz": "all"}, "datasets"), ({"name": 7}, "name")],
}


@pytest.mark.parametrize(
    ("field", "options", "said"), [(field, *case) for field, cases in WRONG.items() for case in cases]
)
def test_an_unknown_option_and_a_wrong_type_are_told_when_the_definition_is_loaded(field, options, said):
    decorator, _ = KINDS[field]
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        decorator(repository="team/tiny", **{field: options})
    (given,) = options
    assert given in str(caught.value)
    assert said in str(caught.value)
    assert f"{field} of the asset for team/tiny" in str(caught.value)


@pytest.mark.parametrize("field", KINDS)
def test_an_option_that_the_asset_sets_itself_is_refused(field):
    decorator, _ = KINDS[field]
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="extra_tags"):
        decorator(repository="team/tiny", **{field: {"extra_tags": ("x",)}})


@pytest.mark.parametrize("field", KINDS)
def test_right_options_load(field):
    decorator, options = KINDS[field]

    @decorator(repository="team/tiny", **{field: options})
    def tiny():
        raise NotImplementedError

    assert isinstance(tiny, dg.AssetsDefinition)


def parameters(function):
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("options", "function", "left_out"),
    [
        # What is left out the builders say themselves, or Dagster has only in newer releases.
        (AssetOptions, dg.asset, {"compute_fn", "metadata", "code_version", "check_specs", "kinds", "output_required"}),
        (
            MultiAssetOptions,
            dg.multi_asset,
            {"outs", "deps", "required_resource_keys", "can_subset", "specs", "code_version"},
        ),
        (SpecOptions, dg.AssetSpec.replace_attributes, {"self", "key", "legacy_freshness_policy"}),
    ],
)
def test_the_options_that_are_handed_through_are_dagsters_own(options, function, left_out):
    ours, theirs = set(options.__annotations__), parameters(function)
    assert ours - theirs == set()
    assert theirs - ours <= left_out | {"kwargs", "is_virtual"}


def test_a_specs_metadata_is_put_beside_what_the_translation_wrote():
    spec = build_modelkit_asset_spec("a", repository="team/a", metadata={"team": "ml"})
    assert (spec.metadata["kitops/repository"], spec.metadata["team"]) == ("team/a", "ml")


QUEUE = {"dagster-celery/queue": "large"}


@pytest.mark.parametrize("build", [build_promotion_job, build_rollback_job, build_approval_job])
def test_jobs_for_people_take_what_their_step_needs(build):
    policy = dg.RetryPolicy(max_retries=1)
    stages = [PromotionStage("staging")]
    job = build(source="a", stages=stages, op_tags=QUEUE, pool="registry", retry_policy=policy)
    (op,) = job.all_node_defs
    assert (op.tags, op.pool, op.retry_policy) == (QUEUE, "registry", policy)


@pytest.mark.parametrize(
    "observed",
    [
        lambda **options: build_observable_modelkits({"a": "team/a:v1"}, **options),
        lambda **options: build_observable_mlflow_models({"a": "a@champion"}, **options),
        lambda **options: build_catalog_asset(places="team/a", into="site", **options),
    ],
    ids=["ModelKits", "models of MLflow", "the catalog"],
)
def test_a_step_without_content_takes_tags_and_has_none_by_default(observed):
    assert QUEUE.items() <= observed(op_tags=QUEUE).op.tags.items()
    assert not QUEUE.items() & observed().op.tags.items()
