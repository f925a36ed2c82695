"""Every hour: a witness signs what each repository holds, so that nothing is taken away unseen.

The connection ``kitops_witness`` has the witness's key, which nobody else has and which signs nothing else, and the
trust policy that gives its owner the role ``witness``. The first checkpoint of a repository is made by hand, with
``kitctl checkpoint``: this only renews, so that whoever deletes a checkpoint does not get a new one that misses
nothing. When something is gone that the last one lists, the task fails with its name, and nothing is written.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_kitops.hooks import KitOpsHook


@dag(
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    params={"repositories": ["wine"], "valid_hours": 24},
    tags=["kitops"],
    doc_md=__doc__,
)
def hourly_checkpoint():
    @task
    def repositories(params=None) -> list[str]:
        return list(params["repositories"])

    @task(map_index_template="{{ task.op_kwargs['repository'] }}", retries=2)
    def checkpoint(repository: str, params=None) -> dict:
        client = KitOpsHook("kitops_witness").client
        return client.checkpoint(repository, valid_hours=params["valid_hours"], renew_only=True).to_json()

    checkpoint.expand(repository=repositories())


hourly_checkpoint = hourly_checkpoint()
