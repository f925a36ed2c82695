"""Small content by digest, kept on this machine: what a digest names never changes, so it is fetched once.

Evidence is read again and again, by every plan, passport and timeline.  Which statements there *are* is asked of
the registry each time; only what they say comes from here, and its digest is checked whenever it is read.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.descriptor import Digest

MAX_BYTES = 256 * 1024
"""What is larger is fetched each time."""


class ContentCache:
    """A folder of small files; safe for many processes, each file is written whole or not at all."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or settings.cache_dir() / "evidence"

    def get(self, digest: str) -> bytes | None:
        """Return the content, or ``None``; a file that was damaged or changed counts as nothing."""
        path = self._path(digest)
        try:
            content = b"" if path is None else path.read_bytes()
        except OSError:
            return None
        if path is None or Digest.of(content) != digest:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what is used stays when the cache is pruned
        return content

    def put(self, digest: str, content: bytes) -> None:
        """Keep content. A cache that cannot be written is no reason to fail."""
        path = self._path(digest)
        if path is None or len(content) > MAX_BYTES:
            return
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _path(self, digest: str) -> Path | None:
        try:
            checked = Digest(digest)
        except InvalidReferenceError:
            return None
        # Only sha256 is checked when it is read, so nothing else is kept.
        return self._folder / checked.hex[:2] / checked.hex if checked.algorithm == "sha256" else None
