"""Whatever befalls one request of a verb: it is done, or it says an error and the next call does it.  Nothing is lost.

A sample, of which the seed is printed; ``KITOPS_TEST_SEED`` repeats one.  ``make soak`` goes through as many cells as
fit into its time, and writes ``docs/reference/reliability.md``.
"""

from __future__ import annotations

import os
import random

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.testing.builders import push_random_modelkit

from .faulty_way import FAULTS, FaultyWay, Plan
from .hardships import HARDSHIPS, leftovers, possible, run_child
from .table import GOOD, Table
from .verbs import VERBS, client_of

pytest.importorskip("cryptography")

LATE = 4
TO_DISK = ("pull", "unpack")
"""Verbs whose result is on this machine: what befalls a disk befalls them."""


@pytest.fixture
def table(docker_registry, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "state"))
    with FaultyWay(docker_registry.host) as way:
        yield Table(way, docker_registry.host, tmp_path)


def test_a_sample_of_faults_loses_nothing(table, is_soak):
    """Each kind of fault befalls one verb of all."""
    seed = int(os.environ.get("KITOPS_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"KITOPS_TEST_SEED={seed}")
    order = random.Random(seed)
    asking = [verb for verb in VERBS if table.requests(verb)]  # one that works in a folder sends none
    cells = [
        table.run(verb, fault, order.randrange(table.requests(verb)))
        for fault in FAULTS
        for verb in order.sample(asking, 3 if is_soak else 1)
    ]

    assert [cell for cell in cells if cell.outcome not in GOOD] == [], f"KITOPS_TEST_SEED={seed}"


@pytest.mark.parametrize("verb", ["rollback", "rollback to the previous"])
def test_a_rollback_that_was_refused_late_is_finished_by_the_second_call(table, verb):
    """The stage's tag moves among the last requests: a second call finds it moved, and goes no step further."""
    count = table.requests(verb)
    cells = [table.run(verb, "status-403", at) for at in range(count - LATE, count)]

    assert [cell for cell in cells if cell.outcome not in GOOD] == []
    assert any(cell.outcome == "told, then done" for cell in cells)


@pytest.mark.parametrize("what", ["tag", "manifest"])
def test_what_is_gone_was_deleted_by_the_try_whose_answer_was_lost(embedded_registry, what):
    direct = client_of(embedded_registry.host).repository("iris")
    with FaultyWay(embedded_registry.host) as way:
        for at in range(10):
            digest = push_random_modelkit(direct, tag=f"v{at}", seed=at).descriptor.digest
            repository = client_of(way.host).repository("iris")
            call, target = (repository.delete_tag, f"v{at}") if what == "tag" else (repository.delete_manifest, digest)
            way.plan = Plan("lose-answer", at)
            call(target)
            assert resolve_or_none(direct, target) is None
            if not way.plan.is_met:
                break
            with pytest.raises(NotFoundError):
                call(target)

    assert 1 <= at < 9  # each request of it has met the fault


@pytest.mark.parametrize("hardship", HARDSHIPS)
def test_a_process_that_has_a_hard_time_loses_nothing_and_leaves_nothing(table, hardship):
    """One verb of all; of what befalls a disk, one whose work is on this disk as well."""
    if hardship not in possible():
        pytest.skip(f"this machine cannot make {hardship}: no compiler (cc), or root without setpriv")
    seed = int(os.environ.get("KITOPS_TEST_SEED") or random.SystemRandom().randrange(10**6))
    order = random.Random(seed)
    verbs = [order.choice([verb for verb in VERBS if table.points(verb, hardship)])]
    verbs += [order.choice(TO_DISK)] if hardship in ("full-disk", "read-only") else []
    cells = [table.run(verb, hardship, order.randrange(table.points(verb, hardship))) for verb in verbs]

    assert [cell for cell in cells if cell.outcome not in GOOD] == [], f"KITOPS_TEST_SEED={seed}"


def test_a_process_meets_what_it_is_to_meet(table):
    """Hardships that did not happen would all be survived."""
    outcomes = {
        (verb, hardship): table.run(verb, hardship, 0).outcome
        for verb, hardship in (("unpack", "full-disk"), ("unpack", "read-only"), ("push", "kill"))
        if hardship in possible()
    }

    assert set(outcomes.values()) == {"told, then done"}, outcomes


def test_what_a_killed_process_left_would_be_seen(table):
    place = table._place()
    (place.folder / ".out.0123456789abcdef.kitops-tmp" / "content").mkdir(parents=True)
    (place.folder / "layout" / ".uploads").mkdir(parents=True)
    (place.folder / "layout" / ".uploads" / ".blob.0123456789abcdef.partial").touch()

    assert [path.name for path in leftovers(place.folder)] == [
        ".out.0123456789abcdef.kitops-tmp",
        ".blob.0123456789abcdef.partial",
    ]


def test_an_error_that_is_none_of_ours_is_a_fault(table):
    ended = run_child("no such verb", table._place(), "127.0.0.1:1")

    assert ended.how == "fault"
    assert "KeyError" in ended.said


def test_a_state_that_lacks_something_is_told(table):
    """The comparison itself: a verb that was not called has not done what it does."""
    cell = table.run("attest", "drop", 0, calls=False)

    assert cell.outcome == "lost"
    assert "a.example/report" in cell.what
