"""What CI runs says of every part how it ended: by the exit status, and by the lines that pytest closed with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
# As pytest closed runs of this suite; "-q" would leave the signs of equality away.
LONG = "======= 1 failed, 2375 passed, 4 skipped, 143 deselected in 332.42s (0:05:32) ======="
SHORT = "========================= 47 passed in 10.91s ========================="
SKIPPED = "========================= 1 skipped in 0.02s ========================="
HUNTED = "secrets of the tests stand in what they left:"
STOPPED = "!!!!!!!!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!!!!!!"


def ci(
    folder: Path,
    *,
    first: str = LONG,
    servers: str = SHORT,
    environment: str = SKIPPED,
    status: int = 0,
    lint: str = "true",
):
    """Run the script itself in a checkout whose parts only say how they ended."""
    (folder / ".ci").mkdir()
    shutil.copy(RUN, folder / ".ci" / "run")
    (folder / "servers").write_text(f"{servers}\n")
    (folder / "Makefile").write_text(
        f"test:\n\t@echo '{first}'\n\t@echo '{SHORT}'\n\t@cat servers; exit {status}\nlint:\n\t@sleep 0.2; {lint}\n"
    )
    extras = folder / ".ci" / "extras"
    extras.write_text(
        "#!/usr/bin/env bash\n"
        f'for name in "$@"; do echo "== $name: Python 3.11.7, oras 0.2.43"; echo \'{environment}\'; done\n'
        f"exit {int(environment == STOPPED)}\n"
    )
    extras.chmod(0o755)
    return subprocess.run([str(folder / ".ci" / "run")], capture_output=True, text=True, timeout=60, check=False)


def test_it_shows_how_each_run_of_pytest_closed(tmp_path: Path) -> None:
    done = ci(tmp_path)
    assert done.returncode == 0, done.stderr
    closed = done.stdout.split("pytest closed with:\n")[1].splitlines()
    head = "Python 3.11.7, oras 0.2.43"
    assert closed[:3] == [LONG, SHORT, SHORT]
    assert closed[3:5] == [f"== none: {head}", SKIPPED]
    assert [line.split(":")[0] for line in closed[5::2]] == ["== signing"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"status": 1}, "make test failed"),
        ({"lint": "false"}, "make lint failed"),
        ({"environment": STOPPED}, "unit tests with fewer extras failed"),
        ({"environment": STOPPED}, "3 of 5 runs of pytest came to their end"),
        ({"servers": STOPPED}, "4 of 5 runs of pytest came to their end"),
    ],
)
def test_a_part_that_fails_or_does_not_come_to_its_end_fails_it(tmp_path: Path, part: dict, said: str) -> None:
    done = ci(tmp_path, **part)
    assert done.returncode == 1
    assert said in done.stderr


OURS, SERVER = "tests/unit/test_a.py::test_a", "tests/e2e/airflow/test_b.py::test_b[1]"


def ci_with_failures(
    folder: Path,
    failed: list[str],
    *,
    again: int = 0,
    closed: str = "===== 1 passed in 3.20s =====",
    counted: int | None = None,
    servers: str = "",
):
    """The same where `make test` leaves a list of what failed; `again` and `closed` are how the second try ends.

    Args:
        counted: how many the first run says that failed, where these are not those of the list.
        servers: how the tests with servers closed.
    """
    cache = folder / ".pytest_cache" / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(failed, True), indent=2), encoding="utf-8")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # A second try is pytest; the list of names is read by the interpreter.
    python.write_text(
        "#!/bin/sh\n"
        f'case "$*" in "-m pytest "*) echo "tried again: $*"; echo "{closed}"; exit {again};; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    number = len(failed) if counted is None else counted
    return ci(folder, status=1, first=SHORT, servers=servers or f"======= {number} failed, 47 passed in 10.91s =======")


def test_a_test_with_servers_that_passes_alone_is_named_and_forgiven(tmp_path: Path) -> None:
    done = ci_with_failures(tmp_path, [SERVER])
    assert done.returncode == 0, done.stderr
    assert f"failed in the first run:\n{SERVER}\n" in done.stdout
    assert "tried again: -m pytest --last-failed tests/e2e" in done.stdout


def test_a_server_that_did_not_start_is_an_accident_too(tmp_path: Path) -> None:
    done = ci_with_failures(tmp_path, [SERVER], servers="======= 47 passed, 1 error in 10.91s =======")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("failed", "how", "tried"),
    [
        ([SERVER], {"again": 1, "closed": "===== 1 failed in 3.20s ====="}, True),
        ([SERVER], {"closed": "===== 1 skipped in 3.20s ====="}, True),
        ([SERVER], {"closed": "===== 1 passed, 1 skipped in 3.20s ====="}, True),
        ([SERVER], {"counted": 2}, False),
        ([SERVER], {"servers": f"{STOPPED}\n======= 1 failed, 9 passed in 1.91s ======="}, False),
        ([SERVER], {"servers": STOPPED}, False),
        ([SERVER], {"servers": "INTERNALERROR> boom\n===== 1 failed, 9 passed in 1.91s ====="}, False),
        ([SERVER], {"servers": "======= 1 failed, 9 passed, 1 error in 1.91s ======="}, False),
        ([SERVER], {"servers": f"{HUNTED}\n======= 9 passed, 1 error in 1.91s ======="}, False),
        (["tests/e2e/airflow/test_b.py"], {"servers": "======= 9 passed, 1 error in 1.91s ======="}, False),
        ([OURS], {}, False),
        ([SERVER, OURS], {}, False),
        ([f"tests/e2e/airflow/test_b{i}.py::test_b" for i in range(4)], {}, False),
        ([], {}, False),
    ],
    ids=[
        "fails again",
        "is skipped now",
        "one of two is skipped now",
        "more failed than there are names",
        "stopped in the middle",
        "no closing line",
        "pytest itself broke",
        "an error beside it",
        "a secret was left",
        "a file that cannot be read",
        "a test of our own",
        "one of them of our own",
        "in four files",
        "no list of names",
    ],
)
def test_what_is_no_accident_of_a_busy_machine_fails_it(
    tmp_path: Path, failed: list[str], how: dict, tried: bool
) -> None:
    done = ci_with_failures(tmp_path, failed, **how)
    assert done.returncode == 1
    assert "make test failed" in done.stderr
    assert ("tried again" in done.stdout) is tried
