"""Nothing but decorated functions: one writes a ModelKit, the other reads it, on whatever machine each runs."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.hooks import KitOpsHook

KITFILE = "manifestVersion: 1.0.0\npackage: {name: hello}\nmodel: {name: hello, path: model.txt}\n"


@dag(schedule=None, catchup=False, tags=["kitops"], doc_md=__doc__)
def taskflow():
    @task.kit_pack(push_to="hello:latest")
    def write(context_dir: Path) -> dict:
        (context_dir / "model.txt").write_text("hello")
        (context_dir / "Kitfile").write_text(KITFILE)
        return {"annotations": {"org.opencontainers.image.source": "https://example.com/hello"}}

    @task
    def pin(modelkit: dict) -> str:
        return str(KitOpsHook().client.resolve(modelkit))

    @task.kit_unpack(reference="{{ ti.xcom_pull('pin') }}")
    def read(model_dir: Path) -> str:
        return (model_dir / "model.txt").read_text()

    pin(write()) >> read()


taskflow = taskflow()
