"""Small content by digest, kept on this machine: what a digest names never changes, so it is fetched once.

Evidence is read again and again, by every plan, passport and timeline.  Which statements there *are* is asked of
the registry each time; only what they say comes from here, and its digest is checked whenever it is read.
"""

from __future__ import annotations

from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.disk.small_files import SmallFiles
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.descriptor import Digest

MAX_BYTES = 256 * 1024
"""What is larger is fetched each time."""


class ContentCache:
    """Small content by digest; safe for many processes."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = SmallFiles(folder or settings.cache_dir() / "evidence")

    def get(self, digest: str) -> bytes | None:
        """Return the content, or ``None``; a file that was damaged or changed counts as nothing."""
        name = _name(digest)
        content = self._files.get(name) if name is not None else None
        return content if content is not None and Digest.of(content) == digest else None

    def put(self, digest: str, content: bytes) -> None:
        """Keep content. A cache that cannot be written is no reason to fail."""
        name = _name(digest)
        if name is not None and len(content) <= MAX_BYTES:
            self._files.put(name, content)


def _name(digest: str) -> str | None:
    try:
        checked = Digest(digest)
    except InvalidReferenceError:
        return None
    # Only sha256 is checked when it is read, so nothing else is kept.
    return checked.hex if checked.algorithm == "sha256" else None
