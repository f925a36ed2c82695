"""A test that took longer than it may has failed, whatever caught what stopped it; how long it may, it says itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import time
import pytest

@pytest.fixture
def slow_to_set_up():
    time.sleep(0.4)

def test_that_catches_what_stops_it(slow_to_set_up):
    try:
        time.sleep(20)
    except BaseException:
        pass

@pytest.mark.timeout(60)
def test_that_may_take_long():
    time.sleep(1.5)

@pytest.mark.timeout(timeout=60)
def test_that_says_so_by_name():
    time.sleep(1.5)
"""


def test_the_limit_of_a_test_is_its_own_where_it_has_one(tmp_path):
    (tmp_path / "test_limits.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(
        f"import runpy\nfound = runpy.run_path({str(CONFTEST)!r})\n"
        "pytest_runtest_makereport, pytest_unconfigure = (found[n] for n in "
        "('pytest_runtest_makereport', 'pytest_unconfigure'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={tmp_path}",
         "-o", "timeout=1", "-o", "timeout_method=signal", str(tmp_path / "test_limits.py")],
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip

    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "test_that_catches_what_stops_it took" in done.stdout


def test_files_that_are_begun_first_are_there() -> None:
    named = CONFTEST.read_text().partition('_LONGEST = """\n')[2].partition('"""')[0].split()
    assert len(named) > 10
    assert [name for name in named if not (CONFTEST.parent / name).is_file()] == []
