import subprocess
import sys

import dagster as dg

from dagster_kitops import latest_modelkit

SCRIPT = """
import sys
from pathlib import Path
from dagster_pipes import open_dagster_pipes
from dagster_kitops.pipes import report_modelkit
from kitops_orchestration import KitClient

with open_dagster_pipes() as pipes:
    result = KitClient(pipes.get_extra("registry")).pack(Path(pipes.get_extra("context_dir")), "team/tiny:v1")
    report_modelkit(pipes, result)
assert "dagster" not in sys.modules
"""


def test_a_process_without_dagster_reports_its_kit(tmp_path, instance, kitops, context_dir):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)

    @dg.asset
    def remote(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient):
        extras = {"registry": kitops.registry, "context_dir": str(context_dir)}
        command = [sys.executable, str(script)]
        return pipes.run(command=command, context=context, extras=extras).get_materialize_result()

    result = dg.materialize([remote], instance=instance, resources={"pipes": dg.PipesSubprocessClient()})
    assert result.success
    recorded = latest_modelkit(instance, "remote")
    event = instance.get_latest_materialization_event(dg.AssetKey("remote")).asset_materialization
    assert event.tags["dagster/data_version"] == recorded.digest
    assert kitops.get_client().resolve(recorded.reference).digest == recorded.digest


def test_the_helper_imports_no_dagster():
    script = "import sys, dagster_kitops.pipes; assert 'dagster' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
