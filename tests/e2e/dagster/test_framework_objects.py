"""Framework objects as outputs and inputs, through MLflow's flavours; the steps share no files."""

from __future__ import annotations

import dagster as dg
from sklearn.linear_model import LogisticRegression

from dagster_kitops import ModelKitIOManager, latest_modelkit
from dagster_kitops.testing import FakeKitOpsResource


def test_an_estimator_travels_as_a_modelkit(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")

    @dg.asset(metadata={"kitops/flavor": "sklearn"})
    def classifier() -> LogisticRegression:
        return LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])

    seen = []

    @dg.asset
    def scored(classifier: LogisticRegression) -> None:
        seen.append(list(classifier.predict([[0.0], [3.0]])))

    kitops = FakeKitOpsResource()
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [classifier, scored], resources={"io_manager": ModelKitIOManager(kitops=kitops)}, instance=instance
        )
        assert result.success
        recorded = latest_modelkit(instance, "classifier")
    assert seen == [[0, 1]]
    assert recorded.metadata["kitops/framework"] == "sklearn"
    kitfile = kitops.get_client().inspect(recorded.reference).kitfile
    assert kitfile.model.path == "model"
