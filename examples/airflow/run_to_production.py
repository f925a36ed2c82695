"""From a training run to a model in staging that answers, as one DAG.

Train and log to MLflow, export the run as a ModelKit, try it out, promote it from dev to staging, and predict with
the model that is in staging. What passes between the tasks is a pinned reference, never a path: each task may run on
another machine. MLflow is where ``MLFLOW_TRACKING_URI`` says, the registry is the connection ``kitops_default``.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.operators import KitExportRunOperator, KitPromoteOperator, KitSmokeTestOperator


@dag(schedule=None, catchup=False, params={"repository": "team/iris"}, tags=["kitops"], doc_md=__doc__)
def run_to_production():
    @task
    def train() -> str:
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        mlflow.set_experiment("iris")
        features, species = load_iris(return_X_y=True, as_frame=True)
        with mlflow.start_run() as run:
            model = LogisticRegression(C=0.5, max_iter=500).fit(features, species)
            mlflow.log_param("C", 0.5)
            mlflow.log_metric("accuracy", model.score(features, species))
            mlflow.log_input(mlflow.data.from_pandas(features, name="iris"), context="training")
            mlflow.sklearn.log_model(model, name="model", input_example=features.head(2))
        return run.info.run_id

    export = KitExportRunOperator(task_id="export", source=train(), push_to="{{ params.repository }}:dev", name="iris")
    tested = KitSmokeTestOperator(task_id="smoke_test", reference=export.output)
    promote = KitPromoteOperator(task_id="promote", reference=tested.output, stage="staging")

    @task.kit_unpack(reference=promote.output, filters=["model"])
    def predict(model_dir: Path) -> str:
        import mlflow
        from sklearn.datasets import load_iris

        model = mlflow.sklearn.load_model(str(model_dir / "model"))
        bunch = load_iris(as_frame=True)
        return str(bunch.target_names[model.predict(bunch.data.tail(1))[0]])

    predict()


run_to_production = run_to_production()

if __name__ == "__main__":
    run_to_production.test()
