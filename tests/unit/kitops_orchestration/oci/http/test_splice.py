"""Bytes from a socket into a file inside the kernel."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from kitops_orchestration.errors import TransferCancelledError
from kitops_orchestration.oci.http.splice import PIPE_BYTES, Splice, can_splice
from kitops_orchestration.oci.http.wait import SLICE_SECONDS, Watch
from kitops_orchestration.testing.builders import random_bytes

CONTENT = random_bytes(3 * PIPE_BYTES + 7)


@pytest.fixture
def sockets():
    here, there = socket.socketpair()
    here.settimeout(SLICE_SECONDS)
    with here, there:
        yield here, there


def send_all(there: socket.socket) -> threading.Thread:
    def send() -> None:
        there.sendall(CONTENT)
        there.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def receive_all(splice: Splice, file_descriptor: int, position: int) -> int:
    while count := splice.receive(PIPE_BYTES):
        splice.deliver(file_descriptor, position, count)
        position += count
    return position


def test_bytes_arrive_at_their_place(sockets, tmp_path):
    here, there = sockets
    path = tmp_path / "file"
    path.write_bytes(b"head")
    thread = send_all(there)
    splice = Splice(here, Watch())
    with path.open("r+b") as file:
        assert receive_all(splice, file.fileno(), 4) == 4 + len(CONTENT)
    splice.close()
    thread.join()
    assert path.read_bytes() == b"head" + CONTENT


def test_a_file_that_takes_no_pages_is_written(sockets, tmp_path):
    here, there = sockets
    path = tmp_path / "file"
    thread = send_all(there)
    splice = Splice(here, Watch())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # the kernel refuses to splice into it
    with os.fdopen(descriptor, "wb") as file:
        receive_all(splice, file.fileno(), 0)
    splice.close()
    thread.join()
    assert path.read_bytes() == CONTENT


def test_silence_is_noticed(sockets):
    splice = Splice(sockets[0], Watch(silence_seconds=0.1))
    with pytest.raises(TimeoutError, match="no byte"):
        splice.receive(PIPE_BYTES)
    splice.close()


def test_a_wish_to_stop_is_obeyed(sockets):
    cancel = threading.Event()
    cancel.set()
    splice = Splice(sockets[0], Watch(cancel))
    with pytest.raises(TransferCancelledError):
        splice.receive(PIPE_BYTES)
    splice.close()


def test_what_is_encrypted_cannot_be_moved_unread(sockets):
    import ssl

    assert can_splice(sockets[0])
    assert not can_splice(None)
    with ssl.create_default_context().wrap_socket(
        sockets[0].dup(), do_handshake_on_connect=False, server_hostname="x"
    ) as tls:
        assert not can_splice(tls)
