"""What the workers do: a road over both of them, pushes to be killed, a wait, many packs at a time."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.operators import KitPromoteOperator, KitRecordDeploymentOperator, KitVerifyOperator
from airflow_kitops.sensors import KitTagSensor

MIB = 1024 * 1024
LARGE_BYTES = 160 * MIB  # two chunks of 64 MiB and a rest
AGAIN = {"retries": 1, "retry_delay": timedelta(seconds=1)}


def write_kit(folder: Path, name: str, *, size: int) -> None:
    """Write a ModelKit's files, the same on every worker and in every try."""
    with (folder / "weights.bin").open("wb") as file:
        for number in range(size // MIB):
            file.write(hashlib.sha256(f"{name} {number}".encode()).digest() * (MIB // 32))
    (folder / "Kitfile").write_text(
        f'manifestVersion: "1.0.0"\npackage: {{name: {name}}}\nmodel: {{path: weights.bin}}\n'
    )


def machine() -> dict[str, str]:
    return {"home": os.environ["HOME"], "temporary": tempfile.gettempdir(), "working": str(Path.cwd())}


@dag(schedule=None, catchup=False)
def road():
    @task.kit_pack(queue="a", push_to="team/road:v1", sign=True, attach_provenance=True)
    def pack(context_dir: Path) -> None:
        write_kit(context_dir, "road", size=MIB)

    verified = KitVerifyOperator(task_id="verify", queue="b", reference=pack())
    promoted = KitPromoteOperator(task_id="promote", queue="b", reference=verified.output, stage="staging")
    seen = KitTagSensor(task_id="seen", queue="a", reference="team/road:staging", deferrable=True, poke_interval=2)

    @task.kit_unpack(queue="b", reference=seen.output)
    def unpack(model_dir: Path) -> dict[str, str]:
        digest = hashlib.sha256((model_dir / "weights.bin").read_bytes()).hexdigest()
        return {**machine(), "folder": str(model_dir), "sha256": digest}

    record = KitRecordDeploymentOperator(
        task_id="record",
        queue="a",
        reference=promoted.output,
        environment="staging",
        target={"kind": "vm", "name": "a"},
    )
    promoted >> seen
    unpack() >> record


@dag(schedule=None, catchup=False, params={"name": "large"})
def large():
    @task.kit_pack(queue="any", push_to="team/{{ params.name }}:v1", **AGAIN)
    def pack(context_dir: Path, params: dict[str, str]) -> None:
        write_kit(context_dir, params["name"], size=LARGE_BYTES)

    @task.kit_unpack(queue="any", reference=pack())
    def unpack(model_dir: Path) -> int:
        return (model_dir / "weights.bin").stat().st_size

    unpack()


@dag(schedule=None, catchup=False, params={"name": "awaited"})
def waiting():
    # Retries: Airflow 3.3.2 takes a task for killed that is resumed before it has heard of its first half's end.
    patience = {"poke_interval": 2, "timeout": 600, "retries": 3, "retry_delay": timedelta(seconds=1)}
    KitTagSensor(task_id="seen", queue="any", reference="team/awaited:v1", deferrable=True, **patience)
    # No worker begins this one: what its template says is found out in the triggerer.
    reference = "team/{{ params.name }}:v1"
    KitTagSensor(task_id="begun_there", queue="any", reference=reference, start_from_trigger=True, **patience)


@dag(schedule=None, catchup=False)
def many():
    @task.kit_pack(queue="any", push_to="team/many:{{ task.op_kwargs['tag'] }}", **AGAIN)
    def pack(context_dir: Path, tag: str) -> None:
        write_kit(context_dir, tag, size=MIB)

    pack.expand(tag=[f"v{number}" for number in range(16)])


road()
large()
waiting()
many()
