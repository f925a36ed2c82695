"""Where workers do share a disk: pack a folder that is there, unpack another one next to it."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_kitops.operators import KitPackOperator, KitUnpackOperator


@dag(
    schedule=None,
    catchup=False,
    params={"context_dir": "/shared/models/wine", "target_dir": "/shared/serving/wine"},
    tags=["kitops"],
    doc_md=__doc__,
)
def pack_from_disk():
    pack = KitPackOperator(task_id="pack", context_dir="{{ params.context_dir }}", push_to="wine:from-disk")
    KitUnpackOperator(
        task_id="unpack",
        reference=pack.output,
        target_dir="{{ params.target_dir }}",
        filters=["model"],
        exists="overwrite",
    )


pack_from_disk = pack_from_disk()
