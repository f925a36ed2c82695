"""From a training run to predictions out of a stage, as Dagster assets. Nothing but digests passes between steps.

``trained_run`` logs a model to MLflow; ``wine_kit`` is that run as a ModelKit; checks ask the registry about it;
``wine_kit/staging`` is the same digest in another repository; ``predictions`` unpacks only the model, wherever it runs.
Two environment variables say where things are: ``MLFLOW_TRACKING_URI`` and ``KITOPS_REGISTRY``::

    dagster dev -f examples/dagster/run_to_production.py
"""

import os
from pathlib import Path

import dagster as dg

from dagster_kitops import (
    KitOpsResource,
    ModelKitIOManager,
    PromotionStage,
    build_modelkit_integrity_checks,
    build_modelkit_provenance_checks,
    build_modelkit_smoke_checks,
    build_promotion_assets,
    latest_metadata,
    mlflow_modelkit_asset,
)

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class Training(dg.Config):
    C: float = 0.5
    max_iter: int = 500


@dg.asset(kinds={"mlflow", "scikitlearn"})
def trained_run(config: Training) -> dg.MaterializeResult:
    """A classifier of the wine data, logged to MLflow."""
    import mlflow
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    params = config.model_dump()
    mlflow.set_experiment("wine")
    same = " and ".join(f"params.{name} = '{value}'" for name, value in params.items())
    if earlier := mlflow.search_runs(filter_string=f"{same} and status = 'FINISHED'", output_format="list"):
        return trained(earlier[0])  # the same recipe was followed before: nothing new to learn

    wine = load_wine(as_frame=True)
    rows, held_out = train_test_split(wine.frame, test_size=0.25, random_state=7, stratify=wine.frame["target"])
    features = list(wine.feature_names)
    with mlflow.start_run(run_name="logistic") as run:
        mlflow.log_params(params)
        mlflow.log_input(mlflow.data.from_pandas(rows, name="scikit-learn/wine", targets="target"), context="training")
        model = make_pipeline(StandardScaler(), LogisticRegression(**params)).fit(rows[features], rows["target"])
        mlflow.log_metric("accuracy", float(model.score(held_out[features], held_out["target"])))
        mlflow.sklearn.log_model(
            model, name="wine", input_example=held_out[features].head(3), pip_requirements=["scikit-learn"]
        )
    return trained(mlflow.get_run(run.info.run_id))


def trained(run) -> dg.MaterializeResult:
    """The event of a training run: its id is all that the next step needs."""
    return dg.MaterializeResult(
        data_version=dg.DataVersion(run.info.run_id),
        metadata={"mlflow_run_id": run.info.run_id, "accuracy": run.data.metrics["accuracy"]},
    )


@mlflow_modelkit_asset(repository="dev/wine", deps=[trained_run], pool="kitops_registry")
def wine_kit(context: dg.AssetExecutionContext):
    """The run as a ModelKit: model, run record, model card; its datasets by reference."""
    return latest_metadata(context.instance, trained_run.key)["mlflow_run_id"]


checks = [
    *build_modelkit_integrity_checks(assets=[wine_kit], blocking=True),
    *build_modelkit_provenance_checks(assets=[wine_kit], blocking=True),
    *build_modelkit_smoke_checks(assets=[wine_kit], blocking=True),
]

stages = build_promotion_assets(
    source=wine_kit,
    stages=[PromotionStage("staging", destination="staging/wine")],
    auto=True,
    io_manager_key="modelkits",
)


@dg.asset(ins={"kit": dg.AssetIn(key=["wine_kit", "staging"], metadata={"kitops/include": ["model"]})})
def predictions(kit: Path) -> dg.MaterializeResult:
    """What the staged model says of the first three wines."""
    import mlflow.pyfunc
    from sklearn.datasets import load_wine

    model = mlflow.pyfunc.load_model(str(kit / "model"))
    labels = [int(label) for label in model.predict(load_wine(as_frame=True).data.head(3))]
    return dg.MaterializeResult(
        metadata={
            "labels": labels,
            "unpacked": sorted(path.name for path in kit.iterdir()),
            "host": os.uname().nodename,
        }
    )


kitops = KitOpsResource(registry=dg.EnvVar("KITOPS_REGISTRY"))
defs = dg.Definitions(
    assets=[trained_run, wine_kit, *stages, predictions],
    asset_checks=checks,
    resources={"kitops": kitops, "modelkits": ModelKitIOManager(kitops=kitops)},
)
