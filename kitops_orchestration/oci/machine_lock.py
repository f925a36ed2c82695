"""One writer at a time on one machine, where a registry has no compare-and-set.

OCI registries keep tags and fallback indexes that are read, changed and written back.  On one machine a lock file
makes that one step, over all threads and processes; between machines nothing can.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from kitops_orchestration.settings import cache_dir


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold the lock called ``name`` (any text); other processes and threads wait.

    Raises:
        OSError: the cache folder cannot be written to.
    """
    path = cache_dir() / "locks" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    # flock, not lockf: POSIX locks belong to the process, and threads would walk through them.
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def machine_lock_if_possible(name: str) -> Iterator[None]:
    """The same; where the cache folder cannot be written to, go on without it."""
    try:
        lock = machine_lock(name)
        lock.__enter__()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
