"""A registered model becomes a ModelKit in a stage, and all that was written is one YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import pytest

from dagster_kitops import KitOpsWorkspaceComponent, latest_modelkit
from kitops_orchestration.mlflow_bridge.runs.registration import registered_models

POLICY = "version: 1\nstages:\n  staging: {tag: staging}\n"
YAML = """
registry: {registry: REGISTRY}
repositories: ["models/*"]
mlflow: {tracking_uri: "TRACKING", models: ["Clf*"], alias: champion, namespace: models}
checks: {names: [integrity], blocking: true}
promotion: {policy: POLICY}
"""


@pytest.fixture
def champions(tracking: Any, log_classifier: Any) -> Any:
    """Two registered models, of which one has a champion."""
    for name in ("Clf", "Other"):
        with mlflow.start_run():
            log_classifier(registered_model_name=name)
    tracking.client.set_registered_model_alias("Clf", "champion", "1")
    return tracking


def test_only_models_with_the_alias_are_found(champions: Any) -> None:
    assert registered_models(champions.uri) == ["Clf", "Other"]
    assert registered_models(champions.uri, alias="champion") == ["Clf"]


def test_from_mlflow_to_a_stage_with_one_yaml(champions: Any, tmp_path: Path) -> None:
    registry = f"file://{tmp_path}/registry"
    policy = tmp_path / "promotion.yaml"
    policy.write_text(POLICY)
    text = YAML.replace("REGISTRY", registry).replace("TRACKING", champions.uri).replace("POLICY", str(policy))
    component = KitOpsWorkspaceComponent.resolve_from_yaml(text)
    component.write_state_to_path(tmp_path / "state")
    defs = component.build_defs_from_state(dg.ComponentTree.for_test().load_context, tmp_path / "state")
    (kit, stage) = sorted(defs.resolve_all_asset_keys())
    assert (kit.path[0], stage.path[-1]) == ("models", "staging")
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
        assert result.success
        assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
        recorded, promoted = latest_modelkit(instance, kit), latest_modelkit(instance, stage)
        assert recorded is not None
        assert promoted is not None
        assert recorded.digest == promoted.digest
        assert recorded.metadata["kitops/mlflow_run_id"]

    again = KitOpsWorkspaceComponent.resolve_from_yaml(text)
    again.write_state_to_path(tmp_path / "state")  # the ModelKit is in the registry now, too: it stays one asset
    once_more = again.build_defs_from_state(dg.ComponentTree.for_test().load_context, tmp_path / "state")
    assert sorted(once_more.resolve_all_asset_keys()) == [kit, stage]
