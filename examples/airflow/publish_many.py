"""One mapped task packs a model for each country; each map index has its own ModelKit, link and asset event."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.sdk import AssetAlias, dag, task

from airflow_kitops.operators import KitTagOperator


@dag(schedule=None, catchup=False, params={"countries": ["de", "fr", "it"]}, tags=["kitops"], doc_md=__doc__)
def publish_many():
    @task.kit_pack(push_to="countries:{{ task.op_kwargs['country'] }}")
    def train(country: str, context_dir: Path) -> None:
        (context_dir / "model.json").write_text(json.dumps({"country": country}))
        (context_dir / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\npackage: {{name: {country}}}\nmodel: {{name: {country}, path: model.json}}\n"
        )

    @task
    def countries(params=None) -> list[str]:
        return list(params["countries"])

    trained = train.expand(country=countries())
    KitTagOperator.partial(
        task_id="publish",
        tag="published",
        outlets=[AssetAlias("published models")],
        map_index_template="{{ task.tag }}",
    ).expand(reference=trained)


publish_many = publish_many()
