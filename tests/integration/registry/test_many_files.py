"""Very many files in docker-registry: as many requests as for a few, and memory for a list; ``--soak`` takes 100,000.

What a folder costs is counted in ``tests/unit/kitops_orchestration/modelkit/test_many_files.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.reliability.faulty_way import FaultyWay, Plan

pytestmark = pytest.mark.timeout(1800)

VERBS = ("pack", "pack the next", "inspect", "diff", "unpack")
BASE_KILOBYTES = 24 * 1024
KILOBYTES_OF_EACH = 4
"""A name, a size, a time, a digest; the heap itself moves by some MiB."""
MADE = """
import json, re, sys, time
from pathlib import Path

from kitops_orchestration.client import KitClient
from kitops_orchestration.modelkit import GateRules

verb, host, base = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def peak():
    # What getrusage says begins with what the process had that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])


client, rules = KitClient(host), GateRules(on_content="warn")
calls = {
    "pack": lambda: client.pack(base / "kit", "team/many:v1", attach_files=True, gate_rules=rules),
    "pack the next": lambda: client.pack(base / "kit", "team/many:v2", attach_files=True, gate_rules=rules),
    "inspect": lambda: client.inspect("team/many:v1"),
    "diff": lambda: client.diff("team/many:v1", "team/many:v2"),
    "unpack": lambda: client.unpack("team/many:v1", base / "out"),
}
before, spent = peak(), time.process_time()
answer = calls[verb]()
told = json.dumps(answer.to_json()) if verb == "diff" else ""
print(json.dumps({"grown": peak() - before, "peak": peak(), "cpu": time.process_time() - spent, "told": told[:4000]}))
"""


@pytest.fixture(scope="module")
def counts(docker_registry, tmp_path_factory, is_soak) -> dict[int, dict[str, dict]]:
    found = {}
    with FaultyWay(docker_registry.host) as way:
        for count in (200, 100_000 if is_soak else 2_000):
            base: Path = tmp_path_factory.mktemp(f"files{count}")
            write(base / "kit", count)
            found[count] = {}
            for verb in VERBS:
                if verb == "pack the next":
                    (base / "kit" / "data" / "0000" / "000000").write_bytes(b"another")
                way.plan = Plan()
                command = [sys.executable, "-c", MADE, verb, f"{way.host}", str(base)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
                assert done.returncode == 0, done.stderr
                found[count][verb] = {**json.loads(done.stdout), "requests": way.plan.count}
                print(count, verb, {**found[count][verb], "told": "…"})
            found[count]["files"] = {"count": sum(path.is_file() for path in (base / "out").rglob("*"))}
            shutil.rmtree(base)
            way.plan = Plan()
    return found


def write(context: Path, count: int) -> None:
    for number in range(count):
        folder = context / "data" / f"{number // 250:04}"
        if number % 250 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:06}").write_bytes(b"%07d" % number)
    (context / "Kitfile").write_text(
        "{manifestVersion: 1.0.0, package: {name: many}, datasets: [{name: d, path: data}]}"
    )


def test_every_file_arrives_and_the_one_that_changed_is_told(counts):
    for count, said in counts.items():
        assert said["files"]["count"] == count + 1  # and the Kitfile
        assert "000000" in said["diff"]["told"]


@pytest.mark.parametrize("verb", VERBS)
def test_it_takes_as_many_requests_as_with_few(counts, verb):
    one, other = (said[verb]["requests"] for said in counts.values())
    assert 0 < other <= one + 6  # a large blob is opened, sent and closed by requests of their own


@pytest.mark.parametrize("verb", VERBS)
def test_memory_grows_by_a_list_of_the_files_at_most(counts, verb):
    (few, one), (many, other) = counts.items()
    assert one["pack"]["grown"] > 0  # else nothing was measured
    assert other[verb]["grown"] - one[verb]["grown"] <= KILOBYTES_OF_EACH * (many - few) + BASE_KILOBYTES
