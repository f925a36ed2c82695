"""Every kept input gives a value or an error of ours, in bounds; and what decides that finds each kind of fault.

Each target runs in a process of its own, which may take no more than some CPU and memory for each input.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
NEEDS = {"bundle": "cryptography", "statement": "cryptography", "trust": "cryptography"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=280,
        check=False,
    )


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_is_read_or_refused(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    done = run("tools/fuzz.py", "--corpus", name)

    assert [line for line in done.stdout.splitlines() if "FAULT" in line] == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{name}/") >= len(list((CORPUS / name).iterdir())), "an input ended the process"


def test_every_target_has_inputs_that_it_takes_and_inputs_that_it_refuses() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    for name in TARGETS:
        kinds = {path.name.partition("-")[0] for path in (CORPUS / name).iterdir()}
        wanted = {"good"} if name == "model-card" else {"good", "bad"}  # what a card says is a hint: none is refused
        assert wanted <= kinds, name


PLANTED = """
import sys
from pathlib import Path
sys.path.insert(0, "tools")
import fuzz
fuzz.CPU_SECONDS = 1

def target(data):
    if data == b"error":
        raise KeyError("x")
    if data == b"memory":
        return bytearray(600 << 20)
    if data == b"cpu":
        while True:
            pass
    if data == b"regex":
        import re
        return re.match("(a+)+b", "a" * 200)
    if data == b"refused":
        from kitops_orchestration.errors import KitOpsError
        raise KitOpsError("no")
    return data

sys.exit(fuzz.run_corpus(target, [Path(name) for name in sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("odd", "error", "KeyError: 'x'"),
        ("odd", "memory", "MemoryError"),
        ("odd", "cpu", "TooLongError"),
        ("odd", "regex", "TooLongError"),
        ("good", "refused", "refused (KitOpsError: no)"),
        ("bad", "well", "value"),
        ("good", "well", None),
        ("bad", "refused", None),
    ],
)
def test_what_looks_for_faults_finds_them(tmp_path: Path, name: str, content: str, fault: str | None) -> None:
    path = tmp_path / f"{name}-input"
    path.write_text(content)
    program = tmp_path / "planted.py"
    program.write_text(PLANTED)
    done = run(str(program), str(path))

    assert done.returncode == (0 if fault is None else 1), done.stderr
    assert ("FAULT" in done.stdout) == (fault is not None), done.stdout
    assert fault is None or fault in done.stdout
