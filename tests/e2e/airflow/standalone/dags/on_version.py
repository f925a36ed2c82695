"""A consumer whose watcher looks once in an hour: only a webhook can be the reason that it runs."""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_kitops.assets import mlflow_model_asset, model_versions_from


@dag(
    schedule=[mlflow_model_asset("wine", on="version", name="wine versions", poll_interval_seconds=3600)],
    catchup=False,
    max_active_runs=1,
)
def on_version():
    @task
    def tell(triggering_asset_events=None) -> list[str]:
        return [found["modelUri"] for found in model_versions_from(triggering_asset_events)]

    tell()


on_version()
