"""One connection: http.client's protocol over a socket that can be cancelled and that notices silence.

Every wait is cut into slices of half a second, so that a cancelled transfer ends within one of them, and
there is a limit on the time without a byte but none on the time of a whole transfer.
"""

# What has to stay true:
#
# - No wait is longer than a slice.  A call that blocks longer makes a cancelled transfer hang.
# - A transfer may take as long as it likes; only silence is limited.
# - A connection whose request was not sent to its end, or whose answer was not read to its end, is not used again:
#   the rest would be taken for the next one.
# - A server may answer before it has everything.  It is then wrong to go on sending, and that answer is the one that
#   counts.

from __future__ import annotations

import errno
import http.client
import io
import os
import select
import socket
import ssl
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO, cast

from kitops_orchestration.oci.http.body import Upload, ended_early, filler
from kitops_orchestration.oci.http.url import Origin
from kitops_orchestration.oci.http.wait import SLICE_SECONDS, TooSlowError, Watch, wait_for

BLOCK_BYTES = 256 * 1024
SENDFILE_BYTES = 1024 * 1024
_READER_BYTES = 32 * 1024
"""Holds an answer's header and a small body: one call to the system brings both."""
_CONNECTING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_PIECE_END, _BODY_END = b"\r\n", b"0\r\n\r\n"
"""Of a body in pieces (RFC 9112 section 7.1), each of which begins with its size."""
_INTERIM = b"HTTP/1.1 1"
"""How an answer starts that is none yet: 100 to 199."""
_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class _WatchedReader(io.RawIOBase):
    """The reading side of a socket; holds the socket open until it is closed itself."""

    def __init__(self, sock: socket.socket, watch: Watch, seconds: float) -> None:
        self._sock = sock
        self._hold = sock.makefile("rb", buffering=0)
        self._watch = watch
        self._seconds = seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = _receive(self._sock, buffer, self._watch, self._seconds)
        self._seconds = self._watch.silence_seconds
        return count

    def close(self) -> None:
        self._hold.close()
        super().close()


class _Readable:
    """Gives http.client the file it reads a response from."""

    def __init__(self, sock: socket.socket, watch: Watch, seconds: float) -> None:
        self._arguments = (sock, watch, seconds)

    def makefile(self, _mode: str) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(_WatchedReader(*self._arguments), _READER_BYTES))


class _Answer(http.client.HTTPResponse):
    """A response; what a server says before it (102, 103) is passed over, as RFC 9110 section 15.2 asks for."""

    def _read_status(self) -> tuple[str, int, str]:
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
        while found[1] in (102, 103):
            http.client.parse_headers(self.fp)
            found = super()._read_status()  # type: ignore[misc]  # not in typeshed
        return found


class Connection(http.client.HTTPConnection):
    """A connection to an origin, directly or through a proxy."""

    def __init__(
        self, address: tuple[str, int], *, tls: ssl.SSLContext | None, server_name: str, connect_seconds: float
    ) -> None:
        super().__init__(address[0], address[1], blocksize=BLOCK_BYTES)
        self._tls = tls
        self._server_name = server_name
        self._connect_seconds = connect_seconds
        self.watch = Watch()
        self._patience = 0.0
        # http.client's two hooks: how a socket comes to be, and what reads a response from it
        self._create_connection = self._dial
        self.response_class = self._response  # type: ignore[assignment]  # typeshed says class; any callable will do
        self.requests = 0
        self.is_half_sent = False
        """A body was left unfinished: the server would take the next request for the rest of it."""

    def connect(self) -> None:
        """Open the socket: TCP, the proxy's tunnel, then TLS, each within the connect timeout."""
        super().connect()
        if self._tls is not None:
            wrapped = self._tls.wrap_socket(self.sock, server_hostname=self._server_name, do_handshake_on_connect=False)
            self.sock = wrapped
            self.watch.repeat(wrapped.do_handshake, seconds=self._connect_seconds)

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Upload | None,
        watch: Watch,
    ) -> http.client.HTTPResponse:
        """Send one request and return its response, header read, body not."""
        self.watch = watch
        self.requests += 1
        self.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        small = body if isinstance(body, bytes) and body else None
        self._patience = self._connect_seconds
        self.endheaders(small)
        size = len(small) if small else 0
        if isinstance(body, Upload):
            size = body.size
            self._send_body(body, watch)
        # A server may commit what it got before it answers; that takes longer for more.
        self._patience = watch.silence_seconds + size / 50e6
        return self.getresponse()

    def receive(self, buffer: memoryview) -> int:
        """Fill ``buffer`` from the socket itself, past what http.client may have buffered.

        Fewer bytes before a pause, the end or a failure, which the next call meets again; 0 at the end.
        """
        watch, filled, started = self.watch, 0, time.monotonic()
        try:
            # TLS hands out its records one by one, tens of thousands in a second: as little as possible for each
            while filled < len(buffer):
                watch.check()
                count = self.sock.recv_into(buffer[filled:])
                if not count:
                    break
                filled += count
                started = watch.received(count, started)
        except OSError as error:
            if filled and not isinstance(error, TooSlowError):
                return filled
            if filled or not isinstance(error, TimeoutError):
                raise
            filled = watch.repeat(partial(self.sock.recv_into, buffer))
            watch.received(filled, started)
        return filled

    def is_stale(self) -> bool:
        """Tell whether a kept connection was closed, or spoken on, by the other side."""
        return self.sock is None or _is_readable(self.sock)

    def _send_body(self, body: Upload, watch: Watch) -> None:
        try:
            with body.open() as reader:
                self._pump(reader, body, watch)
        except _GONE as error:
            self.is_half_sent = True
            # The server may have said why before it closed: the answer, if there is one, counts.
            if not _is_readable(self.sock):
                raise ConnectionResetError("closed while the body was being sent") from error

    def _pump(self, reader: BinaryIO, body: Upload, watch: Watch) -> None:
        sock, left = self.sock, body.size
        is_plain = not isinstance(sock, ssl.SSLSocket)
        if is_plain and body.is_file:
            self._send_file(reader, body, watch)
            return
        buffer = memoryview(bytearray(min(BLOCK_BYTES, max(left, 1))))
        fill = filler(reader)
        while left and not body.is_enough():
            watch.check()
            count = fill(buffer[: min(len(buffer), left)])
            if not count:
                raise ended_early(left)
            self._frame(body, _size_of(count), watch)
            _send_all(sock, buffer[:count], watch)
            self._frame(body, _PIECE_END, watch)
            left -= count
            body.sent(count)
            if is_plain and left and _is_answered(sock):
                self.is_half_sent = True
                return  # whatever the answer says, the rest is not wanted
        self._frame(body, _BODY_END, watch)

    def _frame(self, body: Upload, data: bytes, watch: Watch) -> None:
        if body.is_in_pieces:
            _send_all(self.sock, memoryview(data), watch)

    def _send_file(self, reader: BinaryIO, body: Upload, watch: Watch) -> None:
        """Send a part of a file inside the kernel."""
        sock, left, piece = self.sock, body.size, 0
        offset = reader.tell()

        def send() -> int:
            try:
                return os.sendfile(sock.fileno(), reader.fileno(), offset, piece)
            except BlockingIOError:
                wait_for(sock, select.POLLOUT, SLICE_SECONDS)
                raise TimeoutError from None

        while left and (piece or not body.is_enough()):
            if not piece:
                piece = min(left, SENDFILE_BYTES)
                self._frame(body, _size_of(piece), watch)
            started = time.monotonic()
            count = watch.repeat(send)
            if not count:
                raise ended_early(left)
            watch.sent(count, started)
            offset, left, piece = offset + count, left - count, piece - count
            body.sent(count)
            if not piece:
                self._frame(body, _PIECE_END, watch)
            if left and _is_answered(sock):
                self.is_half_sent = True
                return
        self._frame(body, _BODY_END, watch)

    def _dial(self, address: tuple[str, int], _timeout: object, _source_address: object) -> socket.socket:
        failure: OSError = OSError(f"no address for {address[0]}")
        for family, kind, protocol, _, target in _addresses(*address):
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:  # this machine does not speak IPv6, for one
                failure = error
                continue
            try:
                _connect(sock, target, self.watch, self._connect_seconds)
                return sock
            except OSError as error:
                failure = error
                sock.close()
            except BaseException:  # also Ctrl-C while it connects
                sock.close()
                raise
        raise failure

    def _response(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        readable: Any = _Readable(sock, self.watch, self._patience)
        return _Answer(readable, *args, **kwargs)


def _addresses(host: str, port: int) -> list[Any]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:  # a part that is empty or too long: no name server would know it
        raise socket.gaierror(socket.EAI_NONAME, "not the name of a host") from error


def _size_of(count: int) -> bytes:
    return b"%x\r\n" % count


def _receive(sock: socket.socket, buffer: memoryview, watch: Watch, seconds: float) -> int:
    started = time.monotonic()
    try:
        watch.check()
        count = sock.recv_into(buffer)  # the common case: no closure, no loop
    except TimeoutError:
        count = watch.repeat(partial(sock.recv_into, buffer), seconds=seconds)
    watch.received(count, started)
    return count


def _send_all(sock: socket.socket, view: memoryview, watch: Watch) -> None:
    while view:
        started = time.monotonic()
        try:
            count = sock.send(view)
        except TimeoutError:
            count = watch.repeat(partial(sock.send, view))
        watch.sent(count, started)
        view = view[count:]


def _connect(sock: socket.socket, target: Any, watch: Watch, seconds: float) -> None:
    sock.setblocking(False)
    status = sock.connect_ex(target)
    if status not in _CONNECTING:
        raise OSError(status, errno.errorcode.get(status, "connect"))

    def writable() -> None:
        if not wait_for(sock, select.POLLOUT, SLICE_SECONDS):
            raise TimeoutError

    watch.repeat(writable, seconds=seconds)
    status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise OSError(status, errno.errorcode.get(status, "connect"))
    sock.settimeout(SLICE_SECONDS)


def _is_readable(sock: socket.socket) -> bool:
    try:
        return wait_for(sock, select.POLLIN, 0)
    except (OSError, ValueError):
        return True


def _is_answered(sock: socket.socket) -> bool:
    """Tell whether an early answer is there; what only says that the server goes on is taken from the socket."""
    while _is_readable(sock):
        start = sock.recv(_READER_BYTES, socket.MSG_PEEK)
        if not start or not _INTERIM.startswith(start[: len(_INTERIM)]):
            return True
        end = start.find(b"\r\n\r\n") + 4
        if end < 4:  # the rest of it is on its way
            return False
        sock.recv(end)
    return False


def connection_for(
    origin: Origin,
    proxy: tuple[str, int, str | None] | None,
    tls: ssl.SSLContext | None,
    connect_seconds: float,
) -> Connection:
    """Return a connection, not yet open, to ``origin``; ``proxy`` is (host, port, Proxy-Authorization)."""
    context = tls if origin.scheme == "https" else None
    if proxy is None:
        address = (origin.host, origin.port)
        return Connection(address, tls=context, server_name=origin.host, connect_seconds=connect_seconds)
    connection = Connection(proxy[:2], tls=context, server_name=origin.host, connect_seconds=connect_seconds)
    if origin.scheme == "https":
        headers = {"Proxy-Authorization": proxy[2]} if proxy[2] else {}
        connection.set_tunnel(origin.host, origin.port, headers)
        if ":" in origin.host:  # Python 3.11 takes the brackets away, and the proxy would see a part of it as the port
            connection._tunnel_host = f"[{origin.host}]"  # type: ignore[attr-defined]  # not in typeshed
    return connection
