"""One writer at a time on one machine, where a registry has no compare-and-set.

OCI registries keep tags and fallback indexes that are read, changed and written back.  On one machine a lock file
makes that one step, over all threads and processes; between machines nothing can.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kitops_orchestration.settings import cache_dir


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold the lock called ``name`` (any text); other processes and threads wait.

    Raises:
        OSError: the cache folder cannot be written to.
    """
    with _locked(_digits(name)[:32]):
        yield


@contextmanager
def brief_machine_lock(name: str) -> Iterator[None]:
    """Hold a lock for one change of an index; where the cache folder cannot be written to, go on without it.

    There is a subject, and so a name, for every version that anybody ever signed: names share 4096 files, which are
    never removed.  So hold one of these at a time.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # what follows is looked at again in any case
            stack.enter_context(_locked(f"brief-{_digits(name)[:3]}"))
        yield


def _digits(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@contextmanager
def _locked(file_name: str) -> Iterator[None]:
    with file_lock(cache_dir() / "locks" / f"{file_name}.lock"):
        yield


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, made where it is missing; raises :class:`OSError` where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # flock, not lockf: POSIX locks belong to the process, and threads would walk through them.
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
