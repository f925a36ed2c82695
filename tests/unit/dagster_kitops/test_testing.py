import subprocess
import sys
from pathlib import Path

import dagster as dg

from dagster_kitops import latest_modelkit, modelkit_asset
from dagster_kitops.testing import FakeKitOpsResource


def test_a_users_test_needs_no_registry(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    fake = FakeKitOpsResource()
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([tiny], resources={"kitops": fake}, instance=instance).success
        recorded = latest_modelkit(instance, "tiny")
    assert fake.get_client().tags(fake.reference("team/tiny")) == ["latest"]
    assert recorded.reference.layout_dir.is_dir()


def test_the_folder_is_gone_with_the_process():
    script = "from dagster_kitops.testing import FakeKitOpsResource as F; print(F().registry.removeprefix('file://'))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()
