"""The way to a registry on which one request fails: a proxy in front of a real one.

Requests are counted from 0.  The one whose number is ``at`` meets the fault, all others pass untouched.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

STATUSES = (401, 403, 404, 405, 409, 413, 416, 429, 500, 502, 503, 504)
FAULTS = (
    "drop",
    "lose-answer",
    "delay",
    "truncate",
    "corrupt",
    "silence",
    "drip",
    *(f"status-{number}" for number in STATUSES),
)
"""What may befall a request; ``lose-answer`` is a drop after the registry did what was asked."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_SILENCE_SECONDS = 3.0
_DELAY_SECONDS = 0.2


@dataclass
class Plan:
    """Which request fails, and how."""

    fault: str | None = None
    at: int = -1
    kill: Callable[[], int] | None = None
    """Gives the process that ends with -9: when the request arrives, or (``lose-answer``) when it was done."""
    count: int = 0
    is_met: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> str | None:
        """Count a request; return what befalls it."""
        with self.lock:
            number, self.count = self.count, self.count + 1
            if number != self.at:
                return None
            self.is_met = True
        if self.fault != "lose-answer":
            self.end_process()
        return self.fault

    def end_process(self) -> None:
        """Kill the process, where there is one."""
        if self.kill is not None:
            os.kill(self.kill(), signal.SIGKILL)


class FaultyWay:
    """Leads to the registry at ``host``; ``plan`` is replaced before each run."""

    def __init__(self, host: str) -> None:
        self._target = host
        self.plan = Plan()
        way = self

        class Handler(_Handler):
            def begin(self) -> tuple[str | None, str]:
                return way.plan.take(), way._target

            def after(self) -> None:
                way.plan.end_process()

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away: it was killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # as it was handed in


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def begin(self) -> tuple[str | None, str]:
        raise NotImplementedError

    def after(self) -> None:
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass

    def _serve(self) -> None:
        fault, target = self.begin()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "drop":
            self._hang_up()
            return
        if fault is not None and fault.startswith("status-"):
            self._answer(int(fault.removeprefix("status-")), [], b'{"errors":[{"code":"DENIED","message":"test"}]}')
            return
        if fault == "silence":
            time.sleep(_SILENCE_SECONDS)
            self._hang_up()
            return
        if fault == "delay":
            time.sleep(_DELAY_SECONDS)
        status, headers, content = self._forward(target, body)
        if fault == "lose-answer":
            self.after()
            self._hang_up()
            return
        if fault == "corrupt" and content:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        self._answer(status, headers, content, how=fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve

    def _forward(self, target: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(target, timeout=20)
        try:
            # The Host stays that of the way: addresses that the registry gives lead back here.
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            length = [("Content-Length", answer.getheader("Content-Length") or "0")] if self.command == "HEAD" else []
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in _HOP]
            return answer.status, [*kept, *length], answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, how: str | None = None) -> None:
        self.send_response_only(status)
        for key, value in headers:
            self.send_header(key, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if how == "truncate":
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        elif how == "drip":
            for position in range(min(len(content), 20)):
                self.wfile.write(content[position : position + 1])
                self.wfile.flush()
                time.sleep(0.02)
            self.wfile.write(content[20:])
        else:
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
