import gc
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


def test_the_folder_is_gone_with_the_last_use():
    fake = FakeKitOpsResource()
    folder = Path(fake.registry.removeprefix("file://"))
    assert folder.is_dir()
    del fake
    gc.collect()
    assert not folder.exists()
