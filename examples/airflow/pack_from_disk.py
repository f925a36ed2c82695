"""Where workers do share a disk: pack a folder that is there, unpack the model next to it.

The first task only packs, the second looks through what was packed for secrets; the third packs the same folder
straight into the registry for everybody, with provenance and, where the connection has a key, a signature. The digest
is the same.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_kitops.operators import KitPackAndPushOperator, KitPackOperator, KitScanOperator, KitUnpackOperator


@dag(
    schedule=None,
    catchup=False,
    params={"context_dir": "/shared/models/wine", "target_dir": "/shared/serving/wine"},
    tags=["kitops"],
    doc_md=__doc__,
)
def pack_from_disk():
    pack = KitPackOperator(task_id="pack", context_dir="{{ params.context_dir }}", push_to="wine:from-disk")
    scan = KitScanOperator(task_id="scan", reference=pack.output)
    publish = KitPackAndPushOperator(
        task_id="publish", context_dir="{{ params.context_dir }}", push_to="published/wine:from-disk"
    )
    scan >> publish
    KitUnpackOperator(
        task_id="unpack",
        reference=publish.output,
        target_dir="{{ params.target_dir }}",
        filters=["model"],
        exists="overwrite",
    )


pack_from_disk = pack_from_disk()
