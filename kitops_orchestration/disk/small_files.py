"""A folder of many small files, each found by a hexadecimal name: what a cache is made of.

Safe for many processes: a file is written whole or not at all.  A cache that cannot be written, or only be read, is
no reason to fail.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kitops_orchestration.disk.write import HiddenFile

MAX_PER_FOLDER = 512
"""Of the files in one of the 256 folders; the half that was not used for longest goes when there are more."""


class SmallFiles:
    """Keeps content in ``folder/<first two digits>/<the others>``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        """Return the content, or ``None``; what is used stays when the cache is pruned."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep content, if that is possible."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with HiddenFile(path.parent, path.name, mode=0o600) as file:
                file.write(content)
                file.commit(path, is_synced=False)
            _trim(path.parent)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]


def _trim(folder: Path) -> None:
    paths = list(folder.iterdir())
    if len(paths) > MAX_PER_FOLDER:
        for old in sorted(paths, key=lambda path: path.stat().st_mtime)[: len(paths) // 2]:
            old.unlink(missing_ok=True)
