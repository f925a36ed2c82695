"""Every night: has each tag of a repository a signature that counts? What has none is named, and the run is red."""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitVerifyOperator


@dag(schedule="@daily", catchup=False, params={"repository": "wine"}, tags=["kitops"], doc_md=__doc__)
def nightly_audit():
    @task
    def tags(params=None) -> list[str]:
        repository = params["repository"]
        return [f"{repository}:{tag}" for tag in KitOpsHook().tags(repository) if not tag.startswith("deploy-")]

    verified = KitVerifyOperator.partial(task_id="verify", map_index_template="{{ task.reference }}").expand(
        reference=tags()
    )

    @task
    def report(signers: list[list[str]]) -> str:
        return f"{len(list(signers))} tags are signed"

    report(verified.output["signers"])


nightly_audit = nightly_audit()
