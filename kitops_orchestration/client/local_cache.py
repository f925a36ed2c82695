"""What this package keeps on the machine to be faster: measuring it and throwing it away."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError


@dataclass(frozen=True, slots=True)
class CachePart:
    """One folder of the cache: digests of layers, unpacked ModelKits, uploads to go on with."""

    name: str
    files: int
    size_bytes: int


def measure() -> list[CachePart]:
    """Return the parts of the cache by name; an empty list where there is no cache."""
    root = settings.cache_dir()
    return [_measured(path) for path in sorted(root.iterdir())] if root.is_dir() else []


def clear() -> list[CachePart]:
    """Remove everything in the cache and return what it was.

    Raises:
        KitOpsError: a part cannot be removed; those before it are gone.
    """
    gone = measure()
    for part in gone:
        path = settings.cache_dir() / part.name
        try:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError as error:
            raise KitOpsError(
                f"cannot remove {error.filename or path}: {error.strerror}", advice="check who owns it, and try again"
            ) from error
    return gone


def _measured(path: Path) -> CachePart:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return CachePart(path.name, len(files), sum(file.stat().st_size for file in files))
