"""Train, pack, push, and tell everybody: the asset's event carries the digest, and the tag is its partition.

``@task.kit_pack`` trains and packs in one task, so that no disk has to be shared; the ModelKit goes to the team's
folder registry first, and from there to the registry that others pull from.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.assets import modelkit_asset
from airflow_kitops.operators import KitInspectOperator, KitPushOperator, KitSignOperator

REGISTRY = os.environ.get("KITOPS_EXAMPLE_REGISTRY", "ghcr.io/my-org")
WINE = modelkit_asset(f"{REGISTRY}/wine", name="wine")
KITFILE = """\
manifestVersion: 1.0.0
package: {name: wine, version: 1.0.0}
model: {name: wine, path: model.json}
datasets: [{name: training, path: wine.csv}]
"""


@dag(schedule=None, catchup=False, params={"version": "v1.0.0"}, tags=["kitops"], doc_md=__doc__)
def train_and_publish():
    @task.kit_pack(push_to="wine:{{ params.version }}")
    def train(context_dir: Path) -> None:
        rows = [(13.2, 1), (12.4, 0), (13.9, 1), (12.1, 0)]
        threshold = sum(alcohol for alcohol, _ in rows) / len(rows)
        (context_dir / "wine.csv").write_text("".join(f"{alcohol},{grape}\n" for alcohol, grape in rows))
        (context_dir / "model.json").write_text(json.dumps({"threshold": threshold}))
        (context_dir / "Kitfile").write_text(KITFILE)

    push = KitPushOperator(
        task_id="push",
        source=train(),
        destination=f"{REGISTRY}/wine:{{{{ params.version }}}}",
        outlets=[WINE],
        partition_by_tag=True,
    )
    sign = KitSignOperator(task_id="sign", reference=push.output)
    KitInspectOperator(task_id="inspect", reference=sign.output)


train_and_publish = train_and_publish()
