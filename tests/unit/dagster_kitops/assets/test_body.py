from __future__ import annotations

import dagster as dg
import pytest

from dagster_kitops import modelkit_asset
from dagster_kitops.assets.body import Body, bound
from dagster_kitops.resources import KitOpsResource


class Training(dg.Config):
    epochs: int = 3


@dg.asset
def features():
    return [1, 2]


def wrapped(function):
    return dg.asset(bound(Body(function, "kitops"), lambda context, kitops, value: (kitops.registry, value)))


KITOPS = KitOpsResource(registry="localhost:5000")


def test_inputs_config_and_context_reach_the_body_even_with_postponed_annotations():
    @wrapped
    def model(context: dg.AssetExecutionContext, features: list, config: Training):
        return context.asset_key.to_user_string(), features, config.epochs

    result = dg.materialize(
        [features, model], resources={"kitops": KITOPS}, run_config=dg.RunConfig(ops={"model": Training(epochs=5)})
    )
    assert result.output_for_node("model") == ("localhost:5000", ("model", [1, 2], 5))


def test_the_body_may_ask_for_the_resource_itself():
    @wrapped
    def model(kitops: KitOpsResource):
        return kitops.registry

    assert dg.materialize([model], resources={"kitops": KITOPS}).output_for_node("model")[1] == "localhost:5000"


def test_a_direct_call_runs_the_body():
    @wrapped
    def model(features: list):
        return features

    assert model(dg.build_asset_context(), features=[7], kitops=KITOPS) == ("localhost:5000", [7])


def test_name_and_description_are_those_of_the_body():
    @wrapped
    def churn():
        """Churn, in one sentence."""

    assert churn.key == dg.AssetKey("churn")
    assert churn.descriptions_by_key[churn.key] == "Churn, in one sentence."


def test_a_generator_is_refused_when_it_is_defined():
    def stream():
        yield 1

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="stream has to return"):
        wrapped(stream)


def test_inputs_may_come_as_keyword_arguments(run, context_dir):
    seen = {}

    @dg.asset
    def features():
        return 7

    @modelkit_asset(repository="team/tiny", ins={"table": dg.AssetIn("features")})
    def tiny(**inputs):
        seen.update(inputs)
        return context_dir

    assert run([features, tiny]).success
    assert seen == {"table": 7}
