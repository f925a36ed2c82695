"""A data scientist sets the alias ``champion`` in MLflow; what follows is a release, with a person's word in it.

The move starts one run: the version becomes a signed ModelKit, its signature and its content are checked, somebody is
asked, and what was shown goes to the production repository. MLflow then shows where the ModelKit is and that it was
released, and the alias ``released`` follows. Moves that come while somebody thinks wait for their turn.

MLflow is the connection ``mlflow_default``, the registry ``kitops_default``, with a key and a trust policy. The watcher
looks every five seconds; a webhook of MLflow (``[kitops] mlflow_webhook_conn_id``) makes that at once.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.assets import mlflow_model_asset, model_versions_from
from airflow_kitops.operators import (
    KitApprovePromotionOperator,
    KitExportRunOperator,
    KitValidateOperator,
    KitVerifyOperator,
)

POLICY = os.environ.get("KITOPS_EXAMPLE_RELEASE_POLICY", str(Path(__file__).with_name("release.yaml")))
CHAMPION = mlflow_model_asset("wine", on="alias", matches="champion", name="wine champion", poll_interval_seconds=5)


@dag(schedule=[CHAMPION], catchup=False, max_active_runs=1, tags=["kitops"], doc_md=__doc__)
def champion_to_production():
    @task(multiple_outputs=True)
    def champion(triggering_asset_events=None) -> dict:
        return model_versions_from(triggering_asset_events)[-1]

    version = champion()
    export = KitExportRunOperator(
        task_id="export",
        source=version["modelUri"],
        push_to="candidates/wine:v{{ ti.xcom_pull(task_ids='champion', key='version') }}",
        mlflow_conn_id="mlflow_default",
        sign=True,
    )
    verify = KitVerifyOperator(task_id="verify", reference=export.output)
    validate = KitValidateOperator(task_id="validate", reference=export.output)
    approve = KitApprovePromotionOperator(
        task_id="approve",
        reference=verify.output,
        stage="released",
        destination="production/wine",
        policy=POLICY,
        role="risk",
        subject="Release version {{ ti.xcom_pull(task_ids='champion', key='version') }} of wine?",
        mlflow_alias=True,
        mlflow_conn_id="mlflow_default",
    )
    validate >> approve


champion_to_production = champion_to_production()
