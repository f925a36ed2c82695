"""A run that is tried again goes on with the upload that another worker could not finish."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

from dagster_kitops import KitOpsResource, ModelKitIOManager, modelkit_asset
from dagster_kitops.upload_memory import PREFIX
from kitops_orchestration.settings import MIB
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

FOLDER, REGISTRY = "UPLOAD_FOLDER", "UPLOAD_REGISTRY"
SIZE = 66 * MIB  # more than one chunk of 64 MiB
BREAKS_AT = 48 * MIB


def location() -> dg.RepositoryDefinition:
    """What each worker loads: a resource, and so a client, of its own."""

    @modelkit_asset(repository="team/big", tag="v1")
    def big():
        return Path(os.environ[FOLDER])

    kitops = KitOpsResource(registry=os.environ[REGISTRY], retries=0, resumes_uploads=True)
    made = dg.Definitions(assets=[big], resources={"kitops": kitops}, executor=dg.in_process_executor)
    return made.get_repository_def()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    folder = tmp_path / "big"
    folder.mkdir()
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\npackage:\n  name: big\nmodel:\n  path: model.bin\n")
    with (folder / "model.bin").open("wb") as file:
        file.write(b"weights")
        file.truncate(SIZE)
    with EmbeddedRegistry() as server:
        server.add_fault(Fault("PATCH", "/blobs/uploads/", drops=True, after_bytes=BREAKS_AT))
        monkeypatch.setenv(FOLDER, str(folder))
        monkeypatch.setenv(REGISTRY, server.host)
        yield server


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


def push(instance, *, after: str | None = None) -> tuple[str, bool]:
    """Run the step, or what a run left undone; return the run's id, and whether it succeeded."""
    for cached in (ReconstructableJob.get_definition, ReconstructableJob.get_repository_definition):
        cached.cache_clear()  # another worker has not loaded them before
    job = ReconstructableRepository.for_file(__file__, "location").get_reconstructable_job("__ASSET_JOB")
    options = dg.ReexecutionOptions.from_failure(after, instance) if after is not None else None
    with dg.execute_job(job, instance=instance, reexecution_options=options) as result:
        return result.run_id, result.success


def sent(registry, *, since: int) -> int:
    return sum(request.bytes_received for request in registry.requests[since:] if "/blobs/uploads/" in request.path)


def saved(instance) -> list[str]:
    """Return the addresses of open uploads that the instance has."""
    with instance.run_storage.connect() as connection:
        found = connection.exec_driver_sql("select key, value from kvs").all()
    return [address for key, row in found if key.startswith(PREFIX) for address, _ in json.loads(row).values()]


def test_a_run_that_goes_on_with_another_sends_only_what_is_missing(registry, instance, capfd, caplog):
    caplog.set_level("DEBUG")
    first, is_pushed = push(instance)
    assert not is_pushed
    (address,) = saved(instance)
    before = len(registry.requests)

    again, is_pushed = push(instance, after=first)

    assert is_pushed
    assert sent(registry, since=before) < SIZE - BREAKS_AT + MIB
    assert saved(instance) == []
    printed = capfd.readouterr()
    events = [str(entry) for run in (first, again) for entry in instance.all_logs(run)]
    said = printed.out + printed.err + caplog.text + "".join(events)
    assert f"{BREAKS_AT} of " in said
    assert address.rpartition("/")[2] not in said


def test_two_steps_of_an_io_manager_write_to_no_upload_of_each_other(registry, instance):
    """One run, one repository, the same bytes: only the step that left an upload goes on with it."""

    def stored(name: str):
        @dg.asset(name=name, metadata={"kitops/repository": "team/big", "kitops/tag": name}, io_manager_key="modelkits")
        def asset() -> Path:
            return Path(os.environ[FOLDER])

        return asset

    kitops = KitOpsResource(registry=registry.host, retries=0, resumes_uploads=True)
    result = dg.materialize(
        [stored("one"), stored("two")],
        resources={"kitops": kitops, "modelkits": ModelKitIOManager(kitops=kitops)},
        instance=instance,
        raise_on_error=False,
    )

    ended = {event.step_key: event.is_step_success for event in result.all_events if event.is_step_success}
    ended |= {event.step_key: False for event in result.all_events if event.is_step_failure}
    assert sorted(ended.values()) == [False, True]
    assert len(saved(instance)) == 1, "what the other step left is still its own"
    assert sent(registry, since=0) > SIZE + BREAKS_AT


def test_a_run_of_its_own_writes_to_no_upload_of_another(registry, instance):
    _, is_pushed = push(instance)
    assert not is_pushed
    before = len(registry.requests)
    _, is_pushed = push(instance)
    assert is_pushed
    assert sent(registry, since=before) > SIZE
