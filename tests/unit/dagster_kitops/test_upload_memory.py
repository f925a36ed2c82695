"""The instance's memory of uploads that broke off; tests/scenario/dagster/test_upload_goes_on.py uses it in runs."""

import json

import dagster as dg
import pytest

from dagster_kitops import KitOpsResource
from dagster_kitops.upload_memory import PREFIX, InstanceCheckpoint
from kitops_orchestration.oci.reference import folder_registry

KEY = "upload ghcr.io/team/big@sha256:abc"
ADDRESS = "https://registry/upload/1"


@pytest.fixture
def instance():
    """One of the test's own: wiping runs and events leaves what an instance remembers."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def rows(instance) -> list[str]:
    """Return what the run storage has of uploads."""
    with instance.run_storage.connect() as connection:
        found = connection.exec_driver_sql("select key, value from kvs").all()
    return [value for key, value in found if key.startswith(PREFIX)]


def test_a_re_execution_has_what_its_first_run_saved_and_no_other_run_has(instance):
    first = dg.DagsterRun(job_name="j")
    again = dg.DagsterRun(job_name="j", root_run_id=first.run_id, parent_run_id=first.run_id)
    InstanceCheckpoint(instance, first).save(KEY, ADDRESS)
    assert InstanceCheckpoint(instance, again).load(KEY) == ADDRESS
    assert InstanceCheckpoint(instance, dg.DagsterRun(job_name="j")).load(KEY) is None
    InstanceCheckpoint(instance, again).clear(KEY)
    assert InstanceCheckpoint(instance, first).load(KEY) is None


def test_two_steps_of_one_run_write_to_no_upload_of_each_other(instance, tmp_path):
    """They may push the same bytes to one repository, each in a process of its own."""
    found, clients = [], []

    @dg.asset
    def one(kitops: KitOpsResource):
        clients.append(kitops.get_client())
        kitops._checkpoint().save(KEY, ADDRESS)
        found.append(kitops._checkpoint().load(KEY))

    @dg.asset(deps=[one])
    def two(kitops: KitOpsResource):
        clients.append(kitops.get_client())
        assert kitops.get_client() is clients[1] is not clients[0]  # it has the memory of its step
        found.append(kitops._checkpoint().load(KEY))

    kitops = KitOpsResource(registry=folder_registry(tmp_path), resumes_uploads=True)
    dg.materialize([one, two], instance=instance, resources={"kitops": kitops})
    assert found == [ADDRESS, None]


def test_there_are_as_many_rows_as_repositories(instance):
    for number in range(3):
        memory = InstanceCheckpoint(instance, dg.DagsterRun(job_name="j"))
        memory.save(f"upload ghcr.io/team/big@sha256:{number}", ADDRESS)
        memory.save(f"upload ghcr.io/team/other@sha256:{number}", ADDRESS)
    assert len(rows(instance)) == 2


class Away:
    """A storage that does not answer."""

    def get_cursor_values(self, keys):
        raise OSError("no answer for https://registry/upload?_state=secret")

    set_cursor_values = get_cursor_values


class Instance:
    daemon_cursor_storage = Away()


def test_a_storage_that_is_away_costs_the_going_on_and_tells_no_address(caplog):
    memory = InstanceCheckpoint(Instance(), dg.DagsterRun(job_name="j"))
    memory.save(KEY, "https://registry/upload?_state=secret")
    assert memory.load(KEY) is None
    memory.clear(KEY)
    assert "OSError" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_older_than_a_day_is_forgotten(instance):
    memory = InstanceCheckpoint(instance, dg.DagsterRun(job_name="j"))
    memory.save(KEY, ADDRESS)
    assert memory.load(KEY) == ADDRESS
    (row,) = rows(instance)
    old = {name: [address, when - 25 * 3600] for name, (address, when) in json.loads(row).items()}
    with instance.run_storage.connect() as connection:
        connection.exec_driver_sql("update kvs set value = ? where key like ?", (json.dumps(old), f"{PREFIX}%"))
    assert memory.load(KEY) is None
    assert rows(instance) == ["{}"]  # nor is its address in the database any longer
