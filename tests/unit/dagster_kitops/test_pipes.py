import os
import subprocess
import sys
from contextlib import contextmanager

import dagster as dg
from dagster._core.pipes.utils import extract_message_or_forward_to_stdout
from dagster_pipes import PipesDefaultMessageWriter

from dagster_kitops import build_modelkit_integrity_checks, build_promotion_assets, latest_modelkit

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


class PodLogs(dg.PipesMessageReader):
    """Reads messages as `PipesK8sClient` does: lines among others in what a pod writes to stderr."""

    @contextmanager
    def read_messages(self, handler):
        self.handler = handler
        yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDERR}

    def consume(self, log: str) -> None:
        for line in log.splitlines():
            extract_message_or_forward_to_stdout(self.handler, line)

    def no_messages_debug_text(self) -> str:
        return "in the pod's log"


def test_a_pod_reports_its_kit_in_its_log(tmp_path, instance, kitops, context_dir):
    script = tmp_path / "train.py"
    script.write_text("import sys; print('Epoch 1: loss 0.5', file=sys.stderr)\n" + SCRIPT)

    @dg.asset(metadata={"kitops/repository": "team/tiny"})
    def remote(context: dg.AssetExecutionContext):
        reader = PodLogs()
        extras = {"registry": kitops.registry, "context_dir": str(context_dir)}
        with dg.open_pipes_session(
            context=context, context_injector=dg.PipesEnvContextInjector(), message_reader=reader, extras=extras
        ) as session:
            environment = {**os.environ, **session.get_bootstrap_env_vars()}
            done = subprocess.run(
                [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
            )
            reader.consume(done.stderr)
        (made,) = session.get_results()
        return made

    checks = build_modelkit_integrity_checks(assets=[remote])
    stages = build_promotion_assets(source=remote, stages=["staging"])
    result = dg.materialize([remote, *checks, *stages], instance=instance, resources={"kitops": kitops})
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    recorded = latest_modelkit(instance, "remote")
    assert recorded.metadata["kitops/modelkit"]["layers"][0]["kind"]
    assert latest_modelkit(instance, ["remote", "staging"]).digest == recorded.digest


def test_the_helper_imports_no_dagster():
    script = "import sys, dagster_kitops.pipes; assert 'dagster' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
