"""What CI runs says of every part how it ended: by the exit status, and by the lines that pytest closed with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"
# As pytest closed runs of this suite; "-q" would leave the signs of equality away.
LONG = "======= 1 failed, 2375 passed, 4 skipped, 143 deselected in 332.42s (0:05:32) ======="
SHORT = "========================= 47 passed in 10.91s ========================="
SKIPPED = "========================= 1 skipped in 0.02s ========================="
STOPPED = "!!!!!!!!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!!!!!!"


def ci(folder: Path, *, servers: str = SHORT, environment: str = SKIPPED, status: int = 0, lint: str = "true"):
    """Run the script itself in a checkout whose parts only say how they ended."""
    (folder / ".ci").mkdir()
    shutil.copy(RUN, folder / ".ci" / "run")
    (folder / "Makefile").write_text(
        f"test:\n\t@echo '{LONG}'\n\t@echo '{SHORT}'\n\t@echo '{servers}'; exit {status}\nlint:\n\t@sleep 0.2; {lint}\n"
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
