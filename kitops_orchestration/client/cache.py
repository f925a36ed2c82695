"""What this package keeps on the machine to be faster: measuring it, pruning it, throwing it away.

Whoever uses a part of it holds a lock on it (``flock``), which ends with the process: what is locked stays.
"""

# What has to stay true: nothing that is in use is removed.  Use shows in a lock, not in an age: a model server may use
# an unpacked ModelKit for months.

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.disk.leftovers import GRACE_SECONDS, is_held
from kitops_orchestration.errors import KitOpsError

LOCKS = "locks"
"""Never removed: two processes that lock different files of one name do not see each other."""
_LOCK_SUFFIX = ".lock"
_OF_SMALL_FILES = ("layer-digests", "evidence")
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class CachePart:
    """One folder of the cache: digests of layers, unpacked ModelKits, uploads to go on with."""

    name: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Item:
    """What is kept or removed as a whole."""

    part: str
    path: Path
    used_at: float
    is_leftover: bool
    """Of a process that died: its age is no reason to keep it."""


def info() -> list[CachePart]:
    """Return the parts of the cache by name; an empty list where there is no cache."""
    root = settings.cache_dir()
    return [_measured(path.name, [path]) for path in sorted(root.iterdir())] if root.is_dir() else []


def clear() -> list[CachePart]:
    """Remove everything in the cache that nobody is using, and return what it was.

    Raises:
        KitOpsError: a part cannot be removed; those before it are gone.
    """
    return _remove([item for item in _items() if not _is_held(item.path)], is_dry=False)


def prune(*, unused_seconds: float = 30 * _DAY_SECONDS, dry_run: bool = False) -> list[CachePart]:
    """Remove what was not used for so long, and what processes that died left; return what it was.

    Raises:
        KitOpsError: something cannot be removed; what came before it is gone.
    """
    now = time.time()
    old = [item for item in _items() if item.used_at <= now - (GRACE_SECONDS if item.is_leftover else unused_seconds)]
    return _remove([item for item in old if not _is_held(item.path)], is_dry=dry_run)


def _items() -> Iterator[_Item]:
    root = settings.cache_dir()
    for part in sorted(root.iterdir()) if root.is_dir() else []:
        if part.name == LOCKS:
            continue
        if not part.is_dir() or part.is_symlink():
            yield _Item(part.name, part, _used_at(part), is_leftover=False)
            continue
        for path in _entries(part):
            if path.suffix != _LOCK_SUFFIX:
                is_leftover = part.name in ("spool", "views") or path.name.startswith(".")
                yield _Item(part.name, path, _used_at(path), is_leftover)


def _entries(part: Path) -> list[Path]:
    """Return what is used as a whole: mostly a folder; in some parts one of thousands of small files in folders."""
    if part.name not in _OF_SMALL_FILES:
        return sorted(part.iterdir())
    return sorted(file for folder in part.iterdir() if folder.is_dir() for file in folder.iterdir())


def _used_at(path: Path) -> float:
    """Return when an entry was used last; whoever uses one touches it."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()  # it went away meanwhile: nothing to remove


def _is_held(path: Path) -> bool:
    """Tell whether a process has the entry, or the lock beside it, locked."""
    return any(is_held(each) for each in (path, path.with_name(path.name + _LOCK_SUFFIX)))


def _remove(items: list[_Item], *, is_dry: bool) -> list[CachePart]:
    parts: dict[str, list[Path]] = {}
    for item in items:
        parts.setdefault(item.part, []).append(item.path)
    gone = [_measured(name, paths) for name, paths in parts.items()]
    for item in [] if is_dry else items:
        _take_away(item.path)
    return gone


def _take_away(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except FileNotFoundError:
        return  # another process was faster
    except OSError as error:
        raise KitOpsError(
            f"cannot remove {error.filename or path}: {error.strerror}", advice="check who owns it, and try again"
        ) from error


def _measured(name: str, paths: list[Path]) -> CachePart:
    """Count files and bytes; a file with several names is counted once."""
    seen: set[tuple[int, int]] = set()
    files = size = 0
    for file in (file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))):
        try:
            info = file.lstat()
        except OSError:
            continue
        if not file.is_dir() and (info.st_dev, info.st_ino) not in seen:
            seen.add((info.st_dev, info.st_ino))
            files, size = files + 1, size + info.st_size
    return CachePart(name, files, size)
