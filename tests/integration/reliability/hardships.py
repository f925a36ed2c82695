"""What befalls a whole process and not one request: it is killed, has no disk, no files, another clock.

The verb runs in a process of its own (``child.py``), never in that of the tests: its limits and its end are its own.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .faulty_way import FaultyWay, Plan
from .verbs import Place

HARDSHIPS = ("kill", "kill-after", "full-disk", "read-only", "few-files", "clock-back")
"""``kill`` is -9 when a request arrives, ``kill-after`` when the registry has done what it asks for; ``full-disk`` lets
no file grow over some bytes; ``few-files`` leaves 64 descriptors; ``clock-back`` is a clock of two days ago."""
AT_REQUESTS = ("kill", "kill-after")
"""These meet a request, by its number; the others the whole verb."""
ROOT = Path(__file__).resolve().parents[3]
FULL_DISK_BYTES = (0, 300, 4096)
"""How long a file may become on a full disk: one cell each."""
_OLD_SECONDS = 30 * 86_400
_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define BACK (2 * 86400)
int clock_gettime(clockid_t which, struct timespec *found) {
    int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = next(which, found);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) found->tv_sec -= BACK;
    return failed;
}
time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *found, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def possible() -> tuple[str, ...]:
    """Return the hardships that this machine can make; what is missing is told where it is shown."""
    missing = set()
    if shutil.which("cc") is None:
        missing.add("clock-back")  # a library in front of the system's clock has to be compiled
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        missing.add("read-only")  # root writes everywhere, unless that right is taken away
    return tuple(name for name in HARDSHIPS if name not in missing)


@dataclass(frozen=True)
class Ended:
    """How a child ended: ``done``, ``told`` (an error of ours), ``killed``, or anything else, which is a fault."""

    how: str
    said: str


def run_child(
    verb: str,
    place: Place,
    host: str,
    *,
    hardship: str = "",
    size: int = 0,
    kills: tuple[FaultyWay, Plan] | None = None,
) -> Ended:
    """Run a verb in a process; with ``kills`` the request that the plan names ends it."""
    command = [sys.executable, "-m", "tests.integration.reliability.child"]
    home = place.folder / "home"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",  # a full disk would cut the bytecode of everybody
        "KITOPS_ORCHESTRATION_CACHE": str(home / "cache"),
        "KITOPS_ORCHESTRATION_STATE": str(home / "state"),
        "TMPDIR": str(home / "tmp"),
    }
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    if hardship == "clock-back":
        environment["LD_PRELOAD"] = str(clock(place.folder.parent))
    if hardship == "read-only" and os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    told = {
        "verb": verb,
        "host": host,
        "name": place.name,
        "folder": str(place.folder),
        "hardship": hardship,
        "size": size,
        "key": base64.b64encode(place.keys.private_pem).decode(),
    }
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if kills is not None:
        way, way.plan = kills[0], kills[1]
        way.plan.kill = lambda: process.pid
    out, err = process.communicate(json.dumps(told), timeout=240)
    if process.returncode == -9:
        return Ended("killed", "")
    how = {0: "done", 3: "told"}.get(process.returncode, "fault")
    return Ended(how, out.strip() if how == "told" else err.strip()[-2000:])


def clock(folder: Path) -> Path:
    """Compile what stands before the system's clock, once for a folder."""
    library = folder / "clock.so"
    if not library.exists():
        (folder / "clock.c").write_text(_CLOCK)
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "clock.c"), "-ldl"]
        subprocess.run(command, check=True, timeout=120)
    return library


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write away from a folder and all folders in it, for the time of the block."""
    places = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    modes = [(path, path.stat().st_mode) for path in places]
    for path in reversed(places):
        path.chmod(0o555)
    try:
        yield
    finally:
        for path, mode in modes:
            path.chmod(mode)


def make_old(folder: Path) -> None:
    """Let everything in a folder that a process left be of a month ago: the sweeper leaves alone what is young."""
    then = time.time() - _OLD_SECONDS
    for path in leftovers(folder):
        for inner in [*path.rglob("*"), path]:  # a folder is as young as the newest in it
            os.utime(inner, (then, then), follow_symlinks=False)


def leftovers(folder: Path) -> list[Path]:
    """Return what has the name of something unfinished, and is not inside of such a thing."""
    found = [path for path in folder.rglob(".*") if ".kitops-tmp" in path.name or ".partial" in path.name]
    return sorted(path for path in found if not any(other in path.parents for other in found))
