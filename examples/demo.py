"""The main job in one script: an MLflow run becomes a ModelKit, is promoted, and predicts from the stage.

Everything stays in one folder (``demo/``, or the folder given as argument): MLflow on sqlite, and a folder
registry.  Run it twice: the second run moves no layer.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

from kitops_orchestration import KitClient
from kitops_orchestration.oci import folder_registry

PARAMS = {"C": 0.5, "max_iter": 500}


def train(folder: Path) -> str:
    """Train and log a model; return the run's id. An earlier run of the same code and parameters is reused."""
    import mlflow
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("wine")
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment("wine", artifact_location=(folder / "artifacts").as_uri())
    )
    recipe = hashlib.sha256((inspect.getsource(train) + repr(PARAMS)).encode()).hexdigest()[:16]
    if earlier := client.search_runs(
        [experiment_id], f"tags.recipe = '{recipe}' and status = 'FINISHED'", max_results=1
    ):
        return earlier[0].info.run_id

    data = load_wine(as_frame=True)
    rows, held_out = train_test_split(data.frame, test_size=0.25, random_state=7, stratify=data.frame["target"])
    table = folder / "wine-train.csv"
    rows.to_csv(table, index=False)
    with mlflow.start_run(experiment_id=experiment_id, run_name="logistic", tags={"recipe": recipe}) as run:
        dataset = mlflow.data.from_pandas(rows, source=str(table), name="wine-train", targets="target")
        mlflow.log_input(dataset, context="training")
        mlflow.log_params(PARAMS)
        features = list(data.feature_names)
        model = make_pipeline(StandardScaler(), LogisticRegression(**PARAMS)).fit(rows[features], rows["target"])
        mlflow.log_metric("accuracy", float(model.score(held_out[features], held_out["target"])))
        mlflow.sklearn.log_model(
            model,
            name="wine",
            input_example=held_out[features].head(3),
            pip_requirements=["scikit-learn"],
        )
        return run.info.run_id


def predict(model_dir: Path) -> list[int]:
    """Load the unpacked model and predict the first three wines."""
    import mlflow.pyfunc
    from sklearn.datasets import load_wine

    model = mlflow.pyfunc.load_model(str(model_dir))
    return [int(label) for label in model.predict(load_wine(as_frame=True).data.head(3))]


def main(folder: Path) -> None:
    """Run the road from experiment to stage, and tell what happened."""
    folder.mkdir(parents=True, exist_ok=True)
    run_id = train(folder)

    kits = KitClient(folder_registry(folder / "registry"))
    exported = kits.export_run(run_id, "dev/wine:1.0.0", tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    promoted = kits.promote(exported.reference, stage="staging", destination="staging/wine")

    with tempfile.TemporaryDirectory() as scratch:
        unpacked = kits.unpack(promoted.reference, Path(scratch) / "model", filters=["model"])
        labels = predict(unpacked.target_dir / "model")

    moved = exported.pack.uploaded_bytes + promoted.copy.bytes_moved
    lineage = kits.lineage(promoted.reference)
    print(f"ModelKit   {exported.reference}")
    for layer in exported.pack.layers:
        print(f"  {layer.kind:<9}{layer.path:<22}{layer.descriptor.size:>9,} bytes")
    for data in lineage.data:
        print(f"data       {data.shown} ({', '.join(f'{name}:{value[:12]}' for name, value in data.digest.items())})")
    print(f"run        {run_id} in MLflow, accuracy {exported.record.metrics['accuracy'].last:.3f}")
    print(f"promoted   {promoted.reference.without_target()} as '{promoted.reference.tag}', same digest")
    print(f"moved      {moved:,} bytes{'' if moved else ': everything was there already'}; predicts {labels}")
    print(f"look on    .venv/bin/kitctl lineage {promoted.reference.without_target().with_tag('staging')}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    logging.getLogger("alembic").setLevel(logging.ERROR)
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo").absolute())
