"""CeleryExecutor with two workers that share nothing: the whole road, and what happens when one of them dies in it.

The tests use one Airflow, in this order; each has repositories of its own.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from airflow_kitops._compat import EVENTS_HAVE_PARTITIONS, TRIGGERS_RENDER_TEMPLATES
from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.settings import MIB
from kitops_orchestration.testing.builders import make_context_dir

LARGE_BYTES = 160 * MIB
CHUNK_BYTES = 64 * MIB

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def open_uploads(registry, repository: str) -> list[Path]:
    return list((registry.storage_dir / "docker/registry/v2/repositories" / repository / "_uploads").glob("*/data"))


def test_the_whole_road_crosses_both_workers(cluster, client) -> None:
    run = cluster.trigger("road")
    assert cluster.finish("road", run) == "success"
    ran = {task: cluster.who_ran("road", run, task) for task in ("pack", "verify", "promote", "unpack", "record")}
    assert ran == {"pack": "a", "verify": "b", "promote": "b", "unpack": "b", "record": "a"}
    packed, seen = cluster.returned("road", run, "pack"), cluster.returned("road", run, "seen")
    assert packed["digest"] == seen["digest"] == client.resolve("team/road:staging").digest
    unpacked = cluster.returned("road", run, "unpack")
    content = hashlib.sha256(b"road 0").digest() * (MIB // 32)
    assert unpacked["sha256"] == hashlib.sha256(content).hexdigest()
    own = str(cluster.home("worker-b"))
    assert all(unpacked[part].startswith(own) for part in ("home", "temporary", "working", "folder"))
    for worker in ("a", "b"):
        assert list((cluster.home(f"worker-{worker}") / "tmp").glob("kitops-*")) == []


def test_a_run_that_is_cleared_and_run_again_adds_nothing(cluster, client) -> None:
    (run,) = (found["dag_run_id"] for found in cluster.call("GET", "/dags/road/dagRuns")["dag_runs"])
    before = client.lineage("team/road:staging").to_json()
    cluster.call("POST", f"/dags/road/dagRuns/{run}/clear", json={"dry_run": False, "only_failed": False})
    assert cluster.finish("road", run) == "success"
    assert cluster.task("road", run, "pack")["try_number"] == 2
    assert cluster.returned("road", run, "pack")["uploadedBytes"] == 0
    after = client.lineage("team/road:staging").to_json()
    assert {name: len(after[name]) for name in ("promotions", "deployments")} == {"promotions": 1, "deployments": 1}
    assert after == before


@pytest.mark.skipif(not EVENTS_HAVE_PARTITIONS, reason="Airflow carries a task's state from try to try since 3.3")
def test_a_worker_killed_between_chunks_is_gone_on_from_by_the_other(
    cluster, client, relay, docker_registry_with_auth
) -> None:
    relay.hold("PATCH /v2/team/large/", number=2)
    run = cluster.trigger("large")
    assert relay.held.wait(120)
    sent_before, first = relay.sent, cluster.who_ran("large", run, "pack")
    cluster.kill(f"worker-{first}")
    assert cluster.finish("large", run) == "success"
    cluster.start_worker(first)
    second = cluster.who_ran("large", run, "pack", attempt=2)
    assert {first, second} == {"a", "b"}
    assert "went on with an upload at 64.0 MiB of 160.0 MiB" in cluster.task_log("large", run, "pack", attempt=2)
    assert CHUNK_BYTES <= sent_before < CHUNK_BYTES + MIB
    assert relay.sent < LARGE_BYTES + MIB  # nothing was sent twice
    assert cluster.returned("large", run, "pack")["digest"] == client.resolve("team/large:v1").digest
    assert cluster.returned("large", run, "unpack") == LARGE_BYTES
    assert open_uploads(docker_registry_with_auth, "team/large") == []


@pytest.mark.skipif(not EVENTS_HAVE_PARTITIONS, reason="without a state from try to try an upload is one request")
def test_a_task_failed_by_hand_leaves_no_open_upload(cluster, client, relay, docker_registry_with_auth) -> None:
    relay.hold("PATCH /v2/team/failed/", number=2)
    run = cluster.trigger("large", name="failed")
    assert relay.held.wait(120)
    assert len(open_uploads(docker_registry_with_auth, "team/failed")) == 1
    cluster.call("PATCH", f"/dags/large/dagRuns/{run}/taskInstances/pack", json={"new_state": "failed"})
    assert cluster.finish("large", run) == "failed"
    end = time.monotonic() + 30
    while open_uploads(docker_registry_with_auth, "team/failed"):
        assert time.monotonic() < end, cluster.task_log("large", run, "pack")
        time.sleep(0.2)
    assert cluster.task("large", run, "pack")["try_number"] == 1
    with pytest.raises(NotFoundError):
        client.resolve("team/failed:v1")


def test_a_wait_outlives_the_scheduler(cluster, client, tmp_path) -> None:
    run = cluster.trigger("waiting")
    end = time.monotonic() + 120
    while {cluster.task("waiting", run, name)["state"] for name in ("seen", "begun_there")} != {"deferred"}:
        assert time.monotonic() < end
        time.sleep(0.3)
    # No worker has had it; before Airflow 3.3 one begins what has a template.
    assert cluster.task("waiting", run, "begun_there")["hostname"] in (None, "") or not TRIGGERS_RENDER_TEMPLATES
    cluster.kill("scheduler")
    digest = client.pack(make_context_dir(tmp_path / "context"), "team/awaited:v1").digest
    cluster.start_scheduler()
    assert cluster.finish("waiting", run) == "success"
    assert cluster.returned("waiting", run, "seen")["digest"] == digest
    assert cluster.returned("waiting", run, "begun_there")["digest"] == digest


def test_sixteen_packs_into_one_repository_of_which_one_is_killed(cluster, client, relay) -> None:
    relay.hold("PUT /v2/team/many/manifests/v7 ")
    run = cluster.trigger("many")
    assert relay.held.wait(120)
    os.kill(who_holds(cluster, relay.held_port), signal.SIGKILL)  # everything is there but the tag
    assert cluster.finish("many", run) == "success"
    tasks = cluster.call("GET", f"/dags/many/dagRuns/{run}/taskInstances")["task_instances"]
    assert sorted(task["try_number"] for task in tasks) == [1] * 15 + [2]
    assert {task["map_index"] for task in tasks if task["try_number"] == 2} == {7}
    tags = {f"v{number}" for number in range(16)}
    assert set(client.tags("team/many")) == tags
    assert len({str(client.resolve(f"team/many:{tag}").digest) for tag in tags}) == 16
    assert all(client.validate(f"team/many:{tag}").is_valid for tag in tags)


def who_holds(cluster, port: int) -> int:
    """Return the process whose socket a port is."""
    for process in (*cluster.tree("worker-a"), *cluster.tree("worker-b")):
        try:
            if any(found.laddr and found.laddr.port == port for found in process.net_connections()):
                return process.pid
        except psutil.Error:
            continue
    raise AssertionError(f"no worker has the port {port}")


@pytest.mark.soak("a minute, for what only says that it starts over")
def test_a_worker_killed_in_a_chunk_starts_over(cluster, client, relay) -> None:
    """The registry does not let anybody go on with it; what matters is the digest, and that it is said."""
    relay.hold("PATCH /v2/team/torn/", number=9)  # none: bytes are counted
    run = cluster.trigger("large", name="torn")
    end = time.monotonic() + 120
    while relay.sent < CHUNK_BYTES + 4 * MIB:
        assert time.monotonic() < end
        time.sleep(0.001)
    first = cluster.who_ran("large", run, "pack")
    cluster.kill(f"worker-{first}")
    assert cluster.finish("large", run) == "success"
    cluster.start_worker(first)
    assert "sent again" in cluster.task_log("large", run, "pack", attempt=2)
    assert relay.sent < 2 * LARGE_BYTES + MIB
    assert cluster.returned("large", run, "pack")["digest"] == client.resolve("team/torn:v1").digest
