"""A layer's content before compression: counted while it comes out, and compared with the digest recorded for it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from kitops_orchestration.errors import DigestMismatchError


class PlainContent(io.RawIOBase):
    """Content after decompression.

    ``spend`` hears how many bytes came out, and may refuse more: what a layer unpacks to is not bounded by its size.
    """

    def __init__(self, stream: BinaryIO, spend: Callable[[int], None] | None, *, is_hashed: bool) -> None:
        super().__init__()
        self._stream = cast(io.RawIOBase, stream)
        self._spend = spend
        self._hash = hashlib.sha256() if is_hashed else None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer``; raises what ``spend`` raises."""
        count = self._stream.readinto(buffer) or 0
        if self._spend is not None:
            self._spend(count)
        if self._hash is not None:
            self._hash.update(memoryview(buffer)[:count])
        return count

    def check(self, stored_digest: str, diff_id: str) -> None:
        """Compare what has passed with ``diff_id``; content that is stored as it is has ``stored_digest``.

        Raises:
            DigestMismatchError: the config records another digest.
        """
        found = f"sha256:{self._hash.hexdigest()}" if self._hash is not None else stored_digest
        is_comparable = diff_id.partition(":")[0] == found.partition(":")[0]
        if is_comparable and diff_id != found:
            raise DigestMismatchError(
                f"layer {stored_digest} unpacks to {found}, its config says {diff_id}",
                advice="the ModelKit contradicts itself: do not use it",
            )
