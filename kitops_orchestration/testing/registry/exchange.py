"""One request and its answer, with the network's faults in between."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from kitops_orchestration.oci.descriptor import EMPTY
from kitops_orchestration.testing.registry.faults import Fault
from kitops_orchestration.testing.registry.log import RequestRecord

PIECE_BYTES = 64 * 1024
_DISCARD_BYTES = 256 * 1024  # as Go's server does
_LINGER_SECONDS = 2.0


class DroppedConnectionError(Exception):
    """The connection is to be closed without a word."""


class Exchange:
    """What a route sees: the request, its body in pieces, and a way to answer."""

    def __init__(
        self,
        handler: BaseHTTPRequestHandler,
        *,
        host: str,
        fault: Fault | None,
        bytes_per_second: int | None,
        stopping: threading.Event,
    ) -> None:
        parts = urlsplit(handler.path)
        self.host = host
        self.method = handler.command
        self.path = parts.path
        self.queries = parse_qs(parts.query, keep_blank_values=True)
        self.query = {key: values[0] for key, values in self.queries.items()}
        self.headers: Message = handler.headers
        self.fault = fault
        self._raw_query = parts.query
        self._handler = handler
        self._bytes_per_second = bytes_per_second
        # Slow is steady: pieces of a twentieth of a second, not seconds of silence and a gush.
        self._piece_bytes = max(1, min(PIECE_BYTES, bytes_per_second // 20)) if bytes_per_second else PIECE_BYTES
        self._stopping = stopping
        self._received = self._sent = self._status = 0
        self._body_left = self._declared()
        self.is_body_read = self._body_left == 0

    @property
    def content_length(self) -> int | None:
        """Declared length of the request body; ``None`` when it is chunked."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return None
        return int(self.headers.get("Content-Length") or 0)

    def body(self) -> Iterator[bytes]:
        """Yield the request body; raises :class:`DroppedConnectionError` when it breaks off."""
        if "100-continue" in self.headers.get("Expect", "").lower() and self._status == 0:
            self._handler.send_response_only(100)
            self._handler.end_headers()
        pieces = self._chunked() if self.content_length is None else self._plain()
        for data in pieces:
            kept = self._cut(data, self._received)
            self._received += len(kept)
            self._pace(len(data))
            yield kept
            self._act(self._received)
        self.is_body_read = True

    def read_body(self) -> bytes:
        """Return the whole request body."""
        return b"".join(self.body())

    def send(
        self,
        status: int,
        *,
        headers: Mapping[str, str] = EMPTY,
        body: bytes | BinaryIO = b"",
        length: int | None = None,
    ) -> None:
        """Answer; ``length`` bytes of a stream, or all of ``body``.  A HEAD answer has no body."""
        stream, size = (io.BytesIO(body), len(body)) if isinstance(body, bytes) else (body, length or 0)
        if self._truncates:
            size = min(size, self.fault.after_bytes or 0) if self.fault else size
        self._status = status
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        if status not in (204, 304) and status >= 200:
            self._handler.send_header("Content-Length", str(size))
        if not self.is_body_read and not self._discard():
            self._handler.send_header("Connection", "close")
            self._handler.close_connection = True
        self._handler.end_headers()
        if self.method != "HEAD":
            self._send_stream(stream, size)

    def send_error(self, status: int, code: str, message: str, headers: Mapping[str, str] = EMPTY) -> None:
        """Answer with the specification's error document."""
        document = {"errors": [{"code": code, "message": message, "detail": None}]}
        self.send_json(status, document, headers)

    def send_json(self, status: int, document: Any, headers: Mapping[str, str] = EMPTY) -> None:
        """Answer with a JSON document; a media type in ``headers`` wins."""
        types = {"Content-Type": "application/json"}
        self.send(status, headers={**types, **headers}, body=json.dumps(document).encode())

    def record(self) -> RequestRecord:
        """Return what happened."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"].split(" ")[0]
        return RequestRecord(
            self.host, self.method, self.path, self._raw_query, headers, self._status, self._received, self._sent
        )

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than the registry runs."""
        self._stopping.wait(seconds)

    def linger(self) -> None:
        """Take what a client still sends after its answer: closing at once would destroy the answer on its way."""
        connection = self._handler.connection
        connection.settimeout(_LINGER_SECONDS)
        try:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(PIECE_BYTES):
                pass
        except OSError:
            return

    def _discard(self) -> bool:
        """Skip a short unread body, so that the connection lives on; False for a long one."""
        if not 0 <= self._body_left <= _DISCARD_BYTES or "100-continue" in self.headers.get("Expect", "").lower():
            return False
        while self._body_left:
            skipped = len(self._handler.rfile.read1(self._body_left))
            if not skipped:
                raise DroppedConnectionError
            self._body_left -= skipped
        return True

    @property
    def _truncates(self) -> bool:
        return self.fault is not None and self.fault.truncates

    def _declared(self) -> int:
        length = self.content_length
        return -1 if length is None else length

    def _plain(self) -> Iterator[bytes]:
        while self._body_left:
            data = self._handler.rfile.read1(min(self._piece_bytes, self._body_left))
            if not data:
                raise DroppedConnectionError
            self._body_left -= len(data)
            yield data

    def _chunked(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            while size:
                data = self._handler.rfile.read1(min(self._piece_bytes, size))
                if not data:
                    raise DroppedConnectionError
                size -= len(data)
                yield data
            self._handler.rfile.readline()
        self._handler.rfile.readline()

    def _chunk_size(self) -> int:
        line = self._handler.rfile.readline()
        if not line:
            raise DroppedConnectionError
        return int(line.split(b";")[0], 16)

    def _send_stream(self, stream: BinaryIO, size: int) -> None:
        left = size
        while left:
            data = stream.read(min(self._piece_bytes, left))
            if not data:
                raise DroppedConnectionError
            left -= len(data)
            data = self._damage(self._cut(data, self._sent))
            self._pace(len(data))
            self._sent += len(data)  # before it is sent: whoever has it finds it in the log
            self._handler.wfile.write(data)
            self._act(self._sent)

    def _cut(self, data: bytes, done: int) -> bytes:
        """Keep what passes before the place where the fault acts."""
        place = self._place
        return data[: max(0, place - done)] if place is not None and done + len(data) > place else data

    def _act(self, done: int) -> None:
        place = self._place
        if place is None or done < place or self.fault is None:
            return
        if self.fault.stall_seconds is not None:
            self._handler.wfile.flush()
            self.wait(self.fault.stall_seconds)
        raise DroppedConnectionError

    @property
    def _place(self) -> int | None:
        if self.fault is None or not (self.fault.drops or self.fault.stall_seconds is not None):
            return None
        return self.fault.after_bytes or 0

    def _damage(self, data: bytes) -> bytes:
        if self.fault is None or not self.fault.corrupts:
            return data
        place = (self.fault.after_bytes or 0) - self._sent
        if not 0 <= place < len(data):
            return data
        return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]

    def _pace(self, count: int) -> None:
        if self._bytes_per_second:
            self.wait(count / self._bytes_per_second)


def http_date(seconds_from_now: float) -> str:
    """Return a time for ``Retry-After`` in its date form."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds_from_now))
