"""What is being written has a name of one shape, and a lock; what a killed process left is found by both.

A process that is killed cannot tidy up.  So everything that this package writes starts under a hidden name that only
this package gives (``.NAME.<16 hexadecimal digits>.kitops-tmp``), and its writer holds a lock on it (``flock``), which
ends with the process.  The next who writes into the same folder, or opens the repository that it is in, looks for such
names and removes those that are

* of this user: what belongs to others is theirs to remove,
* not locked by anybody, and
* older than an hour, because a writer locks its file only after it made it; a download that can be resumed is kept
  for a week.  A folder is as old as the newest that is found in it, because its own time stands still while work goes
  on below.

The note beside a download (``.end``) belongs to it: it is not locked, and goes with it alone.  A folder that is a link
is not looked through: in somebody else's layout it leads where its owner wants.

A file system without locks keeps its leftovers: there nobody can tell whether a writer still lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_SECONDS = 3600.0
"""A leftover that is younger stays."""
RESUMABLE_SECONDS = 7 * 86_400.0
"""A download that somebody may want to go on with is kept for so long."""

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.kitops-tmp(\.end)?", re.DOTALL)
_RESUMABLE = re.compile(r"\..*\.[0-9a-f]{16}\.partial(\.end)?", re.DOTALL)
_NAME_BYTES = 200  # file systems take names of 255 bytes, and the ends of ours need some
_REMEMBERED_FOLDERS = 1024
_MOST_LOOKED_AT = 10_000
"""Entries of one folder whose times are asked for."""
_NOTE = ".end"

_swept: dict[str, float] = {}
_swept_lock = threading.Lock()


def temporary_path(folder: Path, name: str) -> Path:
    """Return a new hidden path in ``folder`` for what will be called ``name``; nothing is made."""
    return folder / f".{_shortened(name)}.{secrets.token_hex(8)}.kitops-tmp"


def resumable_path(final_path: Path, mark: str) -> Path:
    """Return a hidden path beside ``final_path`` that every process finds again; ``mark`` has 16 hexadecimal digits."""
    return final_path.with_name(f".{_shortened(final_path.name)}.{mark}.partial")


def _shortened(name: str) -> str:
    encoded = os.fsencode(name)
    return name if len(encoded) <= _NAME_BYTES else encoded[:_NAME_BYTES].decode("utf-8", "ignore")


def lock(file_descriptor: int) -> None:
    """Say that this process is writing here, until the descriptor is closed; where there are no locks, go on."""
    with contextlib.suppress(OSError):
        fcntl.flock(file_descriptor, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Tell whether a process has a file or folder locked; what cannot be asked counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_left(path: Path, *, least_age_seconds: float = GRACE_SECONDS) -> bool:
    """Tell whether something unfinished has lost its writer: of this user, as old as that, and locked by nobody."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return _is_ours_and_old(status, least_age_seconds) and not is_held(path)


def _is_ours_and_old(status: os.stat_result, least_age_seconds: float) -> bool:
    return status.st_uid == os.geteuid() and time.time() - _changed_at(status) >= least_age_seconds


def sweep_now_and_then(folder: Path) -> None:
    """Call :func:`sweep`, once an hour and process for each folder: a push may write a thousand files into one."""
    key, now = str(folder), time.monotonic()
    with _swept_lock:
        if now - _swept.get(key, -GRACE_SECONDS) < GRACE_SECONDS or not is_real_folder(folder):
            return
        if len(_swept) >= _REMEMBERED_FOLDERS:
            _swept.clear()
        _swept[key] = now
    sweep(folder)


def is_real_folder(path: Path) -> bool:
    """Tell whether this is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def sweep(folder: Path) -> list[Path]:
    """Remove what killed processes left in ``folder``, and return the paths; never raises, and follows no link."""
    found = [folder / name for name in _hidden_names(folder)]
    notes = [path for path in found if path.name.endswith(_NOTE)]
    removed = [gone for path in found if path not in notes for gone in _removed(path)]
    # One whose download was published, or is gone, before its own end came.
    alone = [path for path in notes if path not in removed and not os.path.lexists(_noted_by(path))]
    return removed + [gone for path in alone for gone in _removed(path)]


def _hidden_names(folder: Path) -> list[str]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        with os.scandir(descriptor) as entries:
            return [entry.name for entry in entries if _least_age(entry.name) is not None]
    except OSError:
        return []
    finally:
        os.close(descriptor)


def _noted_by(note: Path) -> Path:
    return note.with_name(note.name.removesuffix(_NOTE))


def _least_age(name: str) -> float | None:
    """Return how old a leftover of this name has to be, in seconds; ``None`` for what is not ours."""
    if _TEMPORARY.fullmatch(name):
        return GRACE_SECONDS
    return RESUMABLE_SECONDS if _RESUMABLE.fullmatch(name) else None


def _removed(path: Path) -> list[Path]:
    least_age = _least_age(path.name)
    try:
        status = path.lstat()
        if least_age is None or not _is_ours_and_old(status, least_age):
            return []
        if stat.S_ISDIR(status.st_mode) and _has_younger(path, least_age):
            return []
        return _remove_unless_held(path, status)
    except OSError:
        return []


def _has_younger(folder: Path, least_age_seconds: float) -> bool:
    now = time.time()
    times = itertools.islice(_times_below(folder), _MOST_LOOKED_AT)
    # A time that has not come yet is no work of now: it came with what was unpacked.
    return any(0 <= now - changed < least_age_seconds for changed in times)


def _times_below(folder: Path) -> Iterator[float]:
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    yield entry.stat(follow_symlinks=False).st_mtime
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


def _changed_at(status: os.stat_result) -> float:
    # A second name for a blob has the blob's old time of change; that it was made shows in the inode's time alone.
    is_second_name = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
    return max(status.st_mtime, status.st_ctime) if is_second_name else status.st_mtime


def _remove_unless_held(path: Path, status: os.stat_result) -> list[Path]:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return []  # a link or a device of this name is not ours
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(status, os.fstat(descriptor)):
            return []  # another process took the name meanwhile
        note = path.with_name(path.name + _NOTE)
        gone = [path]
        if stat.S_ISDIR(status.st_mode):
            remove_tree(path)
        else:
            # While this is locked nobody goes on with the download, and so nobody writes the note.
            with contextlib.suppress(OSError):
                note.unlink()
                gone.append(note)
            path.unlink()
    finally:
        os.close(descriptor)
    return [item for item in gone if not os.path.lexists(item)]


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, also where folders in it may not be written to; what resists stays."""
    for place, names, _ in os.walk(folder):
        for name in names:
            inner = Path(place) / name
            if not inner.is_symlink():
                with contextlib.suppress(OSError):
                    inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
