"""Digests of layers whose files have not changed, so that repacking reads no file.

The key covers path, size, mode, mtime, ctime, inode and device of every entry.  A file touched so shortly
before it was read that a second change could hide in the same clock tick is never cached.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.modelkit.walk import Entry
from kitops_orchestration.oci.descriptor import Digest

_FORMAT = b"layer-digests-1"
_TICK_NS = 2_000_000_000  # the coarsest file clock in use (FAT) ticks every two seconds
_MAX_PER_FOLDER = 512
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
    """A folder of small files; safe for many processes, each file is written whole or not at all."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or settings.cache_dir() / "layer-digests"

    def get(self, key: str) -> CachedDigests | None:
        """Return what is known for ``key``; a damaged file counts as nothing."""
        path = self._path(key)
        try:
            value = json.loads(path.read_bytes())
            found = CachedDigests(Digest(value["digest"]), Digest(value["diffId"]), int(value["size"]))
        except (OSError, ValueError, KeyError, TypeError, InvalidReferenceError):
            return None
        with contextlib.suppress(OSError):  # a cache that others own may be read all the same
            os.utime(path)
        return found

    def put(self, key: str, digests: CachedDigests) -> None:
        """Remember digests. A cache that cannot be written is no reason to fail."""
        path = self._path(key)
        value = {"digest": digests.digest, "diffId": digests.diff_id, "size": digests.size}
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
            try:
                with os.fdopen(handle, "w") as file:
                    json.dump(value, file)
                Path(temporary).replace(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
            self._trim(path.parent)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key[2:]

    @staticmethod
    def _trim(folder: Path) -> None:
        names = list(folder.iterdir())
        if len(names) > _MAX_PER_FOLDER:
            for old in sorted(names, key=lambda path: path.stat().st_mtime)[: len(names) // 2]:
                old.unlink(missing_ok=True)
