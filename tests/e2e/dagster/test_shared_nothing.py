"""Every step in a process of its own, with nothing to share but the registry and the event log."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import latest_metadata, latest_modelkit


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("SHARED_NOTHING_BASE", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    path = Path(__file__).with_name("shared_nothing.py")
    spec = importlib.util.spec_from_file_location("shared_nothing", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shared_nothing", module)
    spec.loader.exec_module(module)
    return module


def test_steps_in_separate_processes_need_no_shared_disk(pipeline, tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = dg.execute_job(
            dg.build_reconstructable_job(
                "shared_nothing", "everything", reconstructor_working_directory=str(Path(__file__).parent)
            ),
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
        assert result.success
        digests = {latest_modelkit(instance, key).digest for key in ("tiny", ["tiny", "staging"])}
        served = latest_metadata(instance, "served")
        distilled = latest_modelkit(instance, "distilled")
    assert len(digests) == 1
    assert served["files"] == ["model.bin"]
    assert distilled.reference.repository == "distilled"
    machines = {path.name for path in (tmp_path / "machines").iterdir()}
    assert len(machines) >= 3
    assert str(served["process"]) in machines


def test_a_step_works_after_the_machines_of_the_others_are_gone(pipeline, tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        for selection in (["tiny"], [dg.AssetKey(["tiny", "staging"])], ["served"], ["distilled"]):
            assets = [*pipeline.defs.assets]
            assert dg.materialize(
                assets, selection=selection, instance=instance, resources=pipeline.defs.resources
            ).success
            shutil.rmtree(tmp_path / "machines", ignore_errors=True)
        assert latest_metadata(instance, "served")["files"] == ["model.bin"]
