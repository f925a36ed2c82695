"""What was asked of the embedded registry, so that tests can assert what moved and what did not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and its answer.  Header names are lower case; ``authorization`` holds the scheme alone."""

    host: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int
    """0 when the connection was dropped before an answer."""
    bytes_received: int
    bytes_sent: int

    @property
    def is_blob_body(self) -> bool:
        """True when content of a blob moved, in either direction."""
        is_download = self.method == "GET" and self.status in (200, 206) and self.bytes_sent > 0
        return "/blobs/" in self.path and (self.bytes_received > 0 or is_download)


class RequestLog:
    """Records in the order in which requests arrived; a request is in it before its client sees an answer."""

    def __init__(self) -> None:
        self._records: dict[int, Callable[[], RequestRecord]] = {}
        self._next = itertools.count()
        self._lock = threading.Lock()

    def open(self, look: Callable[[], RequestRecord]) -> int:
        """Begin a record; ``look`` tells how far the request is."""
        with self._lock:
            number = next(self._next)
            self._records[number] = look
            return number

    def close(self, number: int) -> None:
        """Keep the last look at a request that ended, and let go of the request."""
        with self._lock:
            if number in self._records:
                record = self._records[number]()
                self._records[number] = lambda: record

    def clear(self) -> None:
        """Forget all records."""
        with self._lock:
            self._records.clear()

    def all(self) -> list[RequestRecord]:
        """Return the records as they are now."""
        with self._lock:
            return [look() for look in self._records.values()]
