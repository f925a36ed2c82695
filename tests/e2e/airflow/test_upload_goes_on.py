"""Airflow's own task state (3.3) carries an interrupted upload from one try to the next."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_kitops._compat import EVENTS_HAVE_PARTITIONS
from kitops_orchestration.settings import MIB
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

SIZE = 66 * MIB  # more than one chunk of 64 MiB
BREAKS_AT = 48 * MIB


@pytest.fixture
def big(tmp_path: Path) -> Path:
    folder = tmp_path / "big"
    folder.mkdir()
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\npackage:\n  name: big\nmodel:\n  path: model.bin\n")
    with (folder / "model.bin").open("wb") as file:
        file.write(b"weights")
        file.truncate(SIZE)
    return folder


def make_known(dag: Any, folder: Path) -> None:
    """Write a DAG that is in no file of the DAG folder to Airflow's database, as the DAG processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(dag_folder=folder / "none", bundle_path=folder, bundle_name="dags-folder")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.mark.skipif(not EVENTS_HAVE_PARTITIONS, reason="Airflow carries a task's state from try to try since 3.3")
def test_the_second_try_sends_only_what_is_missing(
    airflow_database, returned, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd, caplog
) -> None:
    from airflow.sdk import DAG

    from airflow_kitops.operators import KitPackAndPushOperator

    with EmbeddedRegistry() as remote:
        connection = {"conn_type": "kitops", "host": remote.host, "extra": {"retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        remote.add_fault(Fault("PATCH", "/blobs/uploads/", drops=True, after_bytes=BREAKS_AT))
        with DAG("upload_goes_on") as dag:
            KitPackAndPushOperator(
                task_id="pack", context_dir=str(big), push_to="team/big:v1", retries=1, retry_delay=timedelta(0)
            )
        make_known(dag, tmp_path)
        run = dag.test()
        sent = [request for request in remote.requests if "/blobs/uploads/" in request.path]

    (task_instance,) = run.get_task_instances()
    assert (str(run.state), task_instance.try_number) == ("success", 2)
    assert len([request for request in sent if request.bytes_received >= BREAKS_AT]) == 1
    assert sum(request.bytes_received for request in sent) < SIZE + MIB
    addresses = {request.path.rsplit("/", 1)[-1] for request in sent if request.method == "PATCH"}
    printed = capfd.readouterr()
    said = printed.out + printed.err + caplog.text + json.dumps(returned(run, "pack"))
    assert "connection lost" in said
    assert not [address for address in addresses if address in said]
