"""dagster-celery with two workers that share nothing: the whole road, and what happens when one of them dies in it.

The tests use one Dagster, in this order; each has repositories of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.settings import MIB
from tests.e2e.services import program, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def open_uploads(registry, repository: str) -> list[Path]:
    return list((registry.storage_dir / "docker/registry/v2/repositories" / repository / "_uploads").glob("*/data"))


def messages(port: int) -> str:
    """Return all that is in Redis: what waits in queues, and what workers answered; what was encoded decoded."""
    found = []
    for number in (2, 3):  # the broker's database and that of the results
        store = Redis(host="127.0.0.1", port=port, db=number)
        for key in store.scan_iter():
            kind = store.type(key)
            values = {
                b"list": lambda key=key, store=store: store.lrange(key, 0, -1),
                b"hash": lambda key=key, store=store: store.hgetall(key).values(),
                b"set": lambda key=key, store=store: store.smembers(key),
                b"zset": lambda key=key, store=store: store.zrange(key, 0, -1),
                b"string": lambda key=key, store=store: [store.get(key)],
            }[kind]()
            found += [text for value in values for text in (value.decode(errors="replace"), body_of(value))]
    return "\n".join(found)


def body_of(message: bytes) -> str:
    """Return the body of a message of Celery, which is JSON in base64."""
    with suppress(ValueError, KeyError, TypeError):
        return base64.b64decode(json.loads(message)["body"]).decode(errors="replace")
    return ""


def secrets_in(text: str, registry) -> list[str]:
    login = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    return [secret for secret in (registry.password, login) if secret in text]


def worker_of(cluster, metadata) -> str:
    (found,) = (name for name in ("a", "b") if metadata["home"].startswith(str(cluster.home(f"worker-{name}"))))
    return found


def test_the_whole_road_crosses_both_workers(cluster, client) -> None:
    run = cluster.launch(["road"], ["road", "staging"], ["served"])
    assert cluster.finish(run) == "SUCCESS", cluster.messages(run)[-4000:]
    packed, promoted = cluster.metadata(run, "road"), cluster.metadata(run, "road", "staging")
    served = cluster.metadata(run, "served")
    assert (worker_of(cluster, packed), worker_of(cluster, served)) == ("a", "b")
    assert packed["kitops/digest"] == promoted["kitops/digest"] == client.resolve("crew/staging/road:staging").digest
    content = b"".join(hashlib.sha256(b"road 0").digest() for _ in range(MIB // 32))
    assert served["sha256"] == hashlib.sha256(content).hexdigest()
    own = str(cluster.home("worker-b"))
    assert all(served[part].startswith(own) for part in ("home", "temporary", "working", "folder"))
    assert cluster.checks("road") == {"modelkit_integrity": "SUCCEEDED"}
    for worker in ("a", "b"):
        assert list((cluster.home(f"worker-{worker}") / "tmp").glob("kitops-*")) == []


def test_nothing_starts_a_step_again_whose_worker_was_killed_but_run_monitoring_does(
    cluster, client, relay, docker_registry_with_auth
) -> None:
    relay.hold("PUT /v2/crew/large/manifests/v1 ", and_all_after=True)
    run = cluster.launch(["prepared"], ["large"], max_runtime="45", max_retries="1")
    wait("everything is there but the tag", relay.held.is_set, seconds=90)
    first = next(name for name in ("a", "b") if (cluster.home(f"worker-{name}") / "work" / "large").exists())
    cluster.kill(f"worker-{first}")
    sent_before = relay.sent
    assert (cluster.status(run), cluster.steps(run)["large"]) == ("STARTED", "IN_PROGRESS")
    with pytest.raises(NotFoundError):
        client.resolve("crew/large:v1")
    relay.let_go()
    assert cluster.finish(run) == "FAILURE"
    assert "Exceeded maximum runtime of 45 seconds" in cluster.messages(run)
    (again,) = wait("the run is tried again", lambda: cluster.retries_of(run))
    assert cluster.finish(again) == "SUCCESS", cluster.messages(again)[-4000:]
    assert cluster.steps(again) == {"large": "SUCCESS"}  # what was done is not done again
    large = cluster.metadata(again, "large")
    assert large["kitops/digest"] == client.resolve("crew/large:v1").digest
    assert client.validate("crew/large:v1").is_valid
    # The blobs were there; how much of one is sent until its digest is known depends on the machine.
    assert 48 * MIB <= sent_before < 49 * MIB
    assert relay.sent - sent_before < 49 * MIB
    assert open_uploads(docker_registry_with_auth, "crew/large") == []
    assert len([*cluster.place.glob("worker-*/*/large")]) == 2  # on either worker


def test_a_step_waits_for_a_worker_that_listens_on_its_queue_and_no_message_has_a_secret(
    cluster, redis, docker_registry_with_auth
) -> None:
    cluster.kill("worker-a")
    run = cluster.launch(["prepared"])
    wait("the step is in the queue", lambda: "prepared" in cluster.messages(run) and cluster.status(run) == "STARTED")
    assert cluster.steps(run).get("prepared") != "SUCCESS"
    waiting = messages(redis)
    assert "prepared" in waiting  # else this would not be the message that the worker gets
    assert secrets_in(waiting, docker_registry_with_auth) == []
    cluster.start_worker("a")
    assert cluster.finish(run) == "SUCCESS"
    assert worker_of(cluster, cluster.metadata(run, "prepared")) == "a"


def test_no_secret_is_in_the_database_in_redis_or_in_the_logs_of_all_runs(
    cluster, redis, postgres, docker_registry_with_auth
) -> None:
    dump = Path(program("pg_dump", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))))
    options = ["-h", "127.0.0.1", "-p", str(postgres), "-U", "kitops", "dagster"]
    kept = subprocess.run([dump, *options], check=True, capture_output=True, text=True).stdout
    logs = "".join(cluster.log_of(name) for name in ("worker-a", "worker-b", "code", "daemon", "web"))
    assert "crew/road" in kept
    assert "worker-a" in logs
    assert secrets_in("\n".join([kept, logs, messages(redis)]), docker_registry_with_auth) == []
