"""Options in mappings are looked at when a definition is loaded, and not in a step hours later."""

import inspect

import dagster as dg
import pytest

from dagster_kitops import build_modelkit_asset_spec, mlflow_modelkit_asset, modelkit_asset
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
