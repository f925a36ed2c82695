"""Whatever befalls one request of a verb: it is done, or it says an error and the next call does it.  Nothing is lost.

A sample, of which the seed is printed; ``KITOPS_TEST_SEED`` repeats one.  ``make soak`` goes through as many cells as
fit into its time, and writes ``docs/reference/reliability.md``.
"""

from __future__ import annotations

import os
import random

import pytest

from .faulty_way import FAULTS, FaultyWay
from .table import GOOD, Table
from .verbs import VERBS

pytest.importorskip("cryptography")

OF_EACH = 2
"""Cells of each kind of fault."""


@pytest.fixture
def table(docker_registry, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "state"))
    with FaultyWay(docker_registry.host) as way:
        yield Table(way, docker_registry.host, tmp_path)


def test_a_sample_of_faults_loses_nothing(table):
    seed = int(os.environ.get("KITOPS_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"KITOPS_TEST_SEED={seed}")
    order = random.Random(seed)
    cells = [
        table.run(verb, fault, order.randrange(table.requests(verb)))
        for fault in FAULTS
        for verb in order.sample(list(VERBS), OF_EACH)
    ]

    assert [cell for cell in cells if cell.outcome not in GOOD] == [], f"KITOPS_TEST_SEED={seed}"


def test_a_state_that_lacks_something_is_told(table):
    """The comparison itself: a verb that was not called has not done what it does."""
    cell = table.run("attest", "drop", 0, calls=False)

    assert cell.outcome == "lost"
    assert "a.example/report" in cell.what
