"""The example as users run it: ``make demo-dagster``."""

from __future__ import annotations

import dagster as dg

from dagster_kitops import require_modelkit
from kitops_orchestration import KitClient


def test_the_demo_tells_the_story_in_a_dozen_lines(demo):
    _, lines = demo
    assert len(lines) <= 12
    text = "\n".join(lines)
    assert "all steps succeeded" in text
    assert "same digest: True" in text
    assert "FAILED" not in text


def test_the_same_recipe_again_is_the_same_digest_and_moves_nothing(demo, demo_again, demo_environment):
    def reference(lines):
        return next(line for line in lines if line.startswith("ModelKit"))

    assert reference(demo_again) == reference(demo[1])
    assert any(line.startswith("moved      0 bytes") for line in demo_again)
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("wine_kit")).asset_materialization
    assert event.tags["kitops/unchanged"] == "true"


def test_the_registry_alone_tells_how_the_staged_kit_was_made(demo_environment):
    client = KitClient((demo_environment / "registry").as_uri())
    lineage = client.lineage("staging/wine:staging")
    with dg.DagsterInstance.get() as instance:
        staged = require_modelkit(instance, ["wine_kit", "staging"])
        run = instance.get_run_by_id(lineage.run["runId"])
    assert lineage.digest == staged.digest
    assert run is not None
    assert run.is_success
    assert "scikit-learn/wine" in [item.shown for item in lineage.data]
    assert [item.predicate.to_stage for item in lineage.promotions] == ["staging"]
