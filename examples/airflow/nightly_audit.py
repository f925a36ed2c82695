"""Every night: is what each tag of a repository points at whole, and signed by somebody who counts?

What is not is named, and the run is red. The catalog, a site for people who look, is published whatever the audit says.
"""

from __future__ import annotations

import os

from airflow.sdk import dag, task

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitCatalogOperator, KitValidateOperator, KitVerifyOperator

SITE = os.environ.get("KITOPS_EXAMPLE_SITE", "/srv/models")


@dag(schedule="@daily", catchup=False, params={"repository": "wine"}, tags=["kitops"], doc_md=__doc__)
def nightly_audit():
    @task
    def tags(params=None) -> list[str]:
        repository = params["repository"]
        return [f"{repository}:{tag}" for tag in KitOpsHook().client.tags(repository) if not tag.startswith("deploy-")]

    found = tags()
    # Without reading a layer: that every blob is there finds a push that was cut, and costs little.
    whole = KitValidateOperator.partial(
        task_id="validate", reads_layers=False, map_index_template="{{ task.reference }}"
    ).expand(reference=found)
    verified = KitVerifyOperator.partial(task_id="verify", map_index_template="{{ task.reference }}").expand(
        reference=found
    )
    whole >> verified
    KitCatalogOperator(task_id="catalog", places="{{ params.repository }}", into=SITE)

    @task
    def report(verdicts: list[dict]) -> str:
        return f"{len(list(verdicts))} tags are signed"

    report(verified.output)


nightly_audit = nightly_audit()
