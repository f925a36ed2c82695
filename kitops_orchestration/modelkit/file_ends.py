"""A file of a layer as it passes: its beginning and its end are kept, and what lies between is not at hand."""

from __future__ import annotations

from kitops_orchestration.modelkit.packing.gate.weights import NotAtHandError

_HEAD_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 256 * 1024


class FileEnds:
    """A file of which the first 16 MiB and the last 256 KiB are at hand."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail = b""
        self._at = 0

    def add(self, piece: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        taken = min(len(piece), _HEAD_BYTES - len(self._head))
        self._head += piece[:taken]
        if taken < len(piece):
            self._tail = (self._tail + bytes(piece[taken:]))[-_TAIL_BYTES:]
        self.size += len(piece)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def seekable(self) -> bool:
        """Say yes: what is not at hand raises when it is read."""
        return True

    def read(self, count: int = -1) -> bytes:
        """Return bytes from the place on; raises :class:`NotAtHandError` for the middle of a long file."""
        end = self.size if count < 0 else min(self.size, self._at + count)
        start, self._at = self._at, max(self._at, end)
        if end <= len(self._head):
            return bytes(self._head[start:end])
        tail_at = self.size - len(self._tail)
        if start >= tail_at:
            return self._tail[start - tail_at : end - tail_at]
        if start < len(self._head) and tail_at == len(self._head):
            return bytes(self._head[start:]) + self._tail[: end - tail_at]
        raise NotAtHandError
