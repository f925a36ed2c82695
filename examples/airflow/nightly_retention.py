"""Every night: old experiments go from the development repositories, and what is in use stays.

In use is what a stage has or had before, what is on record as deployed, what another ModelKit stands on, and what
has a tag besides those of the experiments. The first runs only say what would go; then set ``dry_run`` to False.
The registry has to allow deleting, and frees the space by its own rules.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_kitops.operators import KitRetentionOperator


@dag(
    schedule="@daily",
    catchup=False,
    params={"repositories": ["wine"], "dry_run": True},
    tags=["kitops"],
    doc_md=__doc__,
)
def nightly_retention():
    @task
    def repositories(params=None) -> list[str]:
        return list(params["repositories"])

    KitRetentionOperator.partial(
        task_id="retain",
        matches="experiment-*",
        keep_last=10,
        keep_days=30,
        dry_run="{{ params.dry_run }}",
        map_index_template="{{ task.repository }}",
    ).expand(repository=repositories())


nightly_retention = nightly_retention()
