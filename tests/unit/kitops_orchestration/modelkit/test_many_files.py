"""A ModelKit of very many files costs each file the same, however many there are; ``--soak`` takes 100,000.

What is counted: how often files are opened and folders listed, and what memory grows by, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PER_FOLDER = 250
COUNTED = """
import json, re, sys
from pathlib import Path

from kitops_orchestration.client import KitClient
from kitops_orchestration.modelkit import GateRules

base, count = Path(sys.argv[1]), int(sys.argv[2])
context = base / "kit"
for number in range(count):
    folder = context / "data" / f"{number // 250:04}"
    if number % 250 == 0:
        folder.mkdir(parents=True)
    (folder / f"{number:06}").write_bytes(b"%07d" % number)
(context / "Kitfile").write_text("{manifestVersion: 1.0.0, package: {name: many}, datasets: [{name: d, path: data}]}")

client = KitClient(f"file://{base}/registry")
seen = []
WATCHED = ("open", "os.scandir", "os.listdir")
sys.addaudithook(lambda event, told: seen.append((event, str(told[0]))) if event in WATCHED else None)


def peak():
    # What getrusage says begins with what the process had that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])


def counted(call):
    seen.clear()
    before = peak()
    answer = call()
    opened = sum(event == "open" and path[-6:].isdigit() for event, path in seen)
    listed = sum(event != "open" for event, _ in seen)
    others = sum(event == "open" for event, _ in seen) - opened
    return answer, [opened, listed, others, peak() - before]


packed, pack = counted(lambda: client.pack(context, "many:v1", gate_rules=GateRules(on_content="warn")))
unpacked, unpack = counted(lambda: client.unpack("many:v1", base / "out"))
files = sum(1 for path in (base / "out").rglob("*") if path.is_file())
last = (base / "out" / "data" / f"{(count - 1) // 250:04}" / f"{count - 1:06}").read_bytes()
print(json.dumps({"pack": pack, "unpack": unpack, "files": files, "last": last.decode()}))
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory, is_soak: bool) -> dict[int, dict]:
    found = {}
    for count in (1_000, 100_000 if is_soak else 3_000):
        folder: Path = tmp_path_factory.mktemp(f"files{count}")
        # Without bytecode: what Python writes while it imports would be counted.
        command = [sys.executable, "-B", "-c", COUNTED, str(folder), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
        assert done.returncode == 0, done.stderr
        found[count] = json.loads(done.stdout)
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    return found


def test_every_file_arrives(counts):
    for count, said in counts.items():
        assert said["files"] == count + 1  # and the Kitfile
        assert said["last"] == f"{count - 1:07}"


@pytest.mark.parametrize(("verb", "most"), [("pack", 6), ("unpack", 1)])
def test_a_file_is_opened_as_often_as_with_few(counts, verb, most):
    """To be looked at by the gate, hashed, and packed, each told twice by Python; to be written."""
    (few, one), (many, other) = counts.items()
    assert one[verb][0] <= most * few
    assert other[verb][0] / many <= one[verb][0] / few


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_folders_are_listed_and_other_files_opened_by_the_folder_and_not_by_the_file(counts, verb):
    (few, one), (many, other) = counts.items()
    more_folders = (many - few) / PER_FOLDER
    assert other[verb][1] - one[verb][1] <= 3 * more_folders
    assert other[verb][2] - one[verb][2] <= 10


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_memory_grows_by_a_list_of_the_files_at_most(counts, verb):
    (few, one), (many, other) = counts.items()
    assert one["pack"][3] > 0  # else nothing was measured
    kilobytes = other[verb][3] - one[verb][3]
    assert kilobytes <= 4 * (many - few) + 16 * 1024  # names, sizes, times; the heap itself moves by some MiB
