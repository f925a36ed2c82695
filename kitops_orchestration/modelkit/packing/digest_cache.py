"""Digests of layers whose files have not changed, so that repacking reads no file.

The key covers path, size, mode, mtime, ctime, inode and device of every entry.  A file touched so shortly
before it was read that a second change could hide in the same clock tick is never cached.
"""

# What has to stay true: a wrong hit would give a ModelKit the digest of other content.  So a key holds everything
# that changes when a file does, and a file that was touched a moment ago is not kept: a second change within one tick
# of the file system's clock would not show.

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.disk.small_files import SmallFiles
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.packing.walk import Entry
from kitops_orchestration.oci.descriptor import Digest

_FORMAT = b"layer-digests-1"
_TICK_NS = 2_000_000_000  # the coarsest file clock in use (FAT) ticks every two seconds
_STAMP = struct.Struct("<qqQQQI?")


@dataclass(frozen=True, slots=True)
class CachedDigests:
    """What one hash pass over a layer found out."""

    digest: Digest
    diff_id: Digest
    size: int
    """Of the stored bytes."""


def key_of(entries: Iterable[Entry], form: str) -> str:
    """Return the cache key of a layer; ``form`` names layer format, compression and encoder."""
    hasher = hashlib.sha256(_FORMAT + form.encode() + b"\0")
    for entry in entries:
        # A directory is nothing but its name and mode; its times change with every file beside the layer.
        mtime, ctime, inode, device = (0, 0, 0, 0) if entry.is_dir else entry.stamp
        hasher.update(os.fsencode(entry.path) + b"\0")
        hasher.update(_STAMP.pack(mtime, ctime, inode, device, entry.size, entry.mode, entry.is_dir))
    return hasher.hexdigest()


def is_settled(entries: Iterable[Entry], *, now_ns: int | None = None) -> bool:
    """Tell whether every file was last changed long enough ago for its times to prove it unchanged.

    ``now_ns`` is when reading began.
    """
    limit = (time.time_ns() if now_ns is None else now_ns) - _TICK_NS
    return all(entry.is_dir or (entry.stamp[0] < limit and entry.stamp[1] < limit) for entry in entries)


class DigestCache:
    """Digests by key; safe for many processes."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = SmallFiles(folder or settings.cache_dir() / "layer-digests")

    def get(self, key: str) -> CachedDigests | None:
        """Return what is known for ``key``; a damaged file counts as nothing."""
        content = self._files.get(key)
        if content is None:
            return None
        try:
            value = json.loads(content)
            return CachedDigests(Digest(value["digest"]), Digest(value["diffId"]), int(value["size"]))
        except (ValueError, KeyError, TypeError, InvalidReferenceError, RecursionError):
            return None

    def put(self, key: str, digests: CachedDigests) -> None:
        """Remember digests. A cache that cannot be written is no reason to fail."""
        value = {"digest": digests.digest, "diffId": digests.diff_id, "size": digests.size}
        self._files.put(key, json.dumps(value).encode())
