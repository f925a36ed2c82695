"""What an orchestrator with two workers needs: machines that share nothing, and a relay on the road to the registry.

Fixtures of Redis, PostgreSQL and the rest are in ``conftest.py`` beside this file.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

PATIENCE_SECONDS = 240
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(what: str, question: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"waited {seconds} s in vain until {what}")


def program(name: str, *folders: str) -> str:
    """Return where a program of Debian's is; without it the suite is skipped, and fails in CI."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"]]))
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed: make programs")
    return str(found)


def module(name: str) -> None:
    """Require a Python package; without it the suite is skipped, and fails in CI."""
    if importlib.util.find_spec(name) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed: make setup")


class Relay:
    """TCP between the workers and the registry: counts what is sent, and holds the request that a test names."""

    def __init__(self, target: str) -> None:
        self._target = (target.split(":")[0], int(target.split(":")[1]))
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._wanted, self._count, self._holds_all = b"", 0, False
        self._open: list[socket.socket] = []
        self.held = threading.Event()
        self.held_port = 0
        """The client's port of the held connection: whose socket it is can be looked up."""
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, request: str, *, number: int = 1, and_all_after: bool = False) -> None:
        """Hold the ``number``-th request that starts so (``PATCH /v2/team/large/``), and count bytes anew.

        With ``and_all_after`` those that follow as well, until :meth:`let_go`: a client tries again in its own time.
        """
        self.held.clear()
        self._holds_all = and_all_after
        self.sent, self._count, self._wanted = 0, number, request.encode()

    def let_go(self) -> None:
        """Hold nothing that comes from now on."""
        self._wanted = b""

    def close(self) -> None:
        for each in (self._server, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, address = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._target)
            self._open += [client, upstream]
            for one in ((client, upstream, address[1]), (upstream, client, None)):
                threading.Thread(target=self._copy, args=one, daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, port: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                before = self._before_held(data) if port is not None else None
                if before is not None:
                    sink.sendall(before)
                    self.sent += len(before)
                    self.held_port = port or 0
                    self.held.set()
                    while source.recv(1 << 20):  # swallowed, until its sender is gone
                        pass
                    break
                sink.sendall(data)
                self.sent += len(data) if port is not None else 0
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _before_held(self, data: bytes) -> bytes | None:
        """Return what comes before the request that is held; ``None`` where none is.

        It may follow the end of another one's body at once: on a busy machine both are read together.
        """
        at = data.find(self._wanted) if self._wanted else -1
        if at < 0:
            return None
        self._count -= 1
        if self._count > 0:
            return None
        if not self._holds_all:
            self._wanted = b""
        return data[:at]


class Machines:
    """Processes that stand for machines: each has a home, a temporary and a working folder of its own, and a log."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self.place = place
        self.environment = environment
        self._processes: dict[str, psutil.Popen] = {}

    @property
    def names(self) -> list[str]:
        return [*self._processes]

    def home(self, name: str) -> Path:
        return self.place / name

    def start(self, name: str, program: str, *arguments: str, **own: str) -> None:
        """Start a program of this environment; ``own`` are variables that only this machine has."""
        home = self.home(name)
        folders = {part: home / part for part in ("home", "tmp", "work")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        own |= {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"])}
        with (home / "log").open("ab") as log:
            self._processes[name] = psutil.Popen(
                [str(BIN / program), *arguments],
                env={**self.environment, **own},
                cwd=folders["work"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tree(self, name: str) -> list[psutil.Process]:
        process = self._processes[name]
        return [process, *process.children(recursive=True)]

    def kill(self, name: str) -> None:
        """End a machine: no process of it gets to do anything any more."""
        with suppress(psutil.NoSuchProcess):
            found = self.tree(name)
            for sign in (signal.SIGSTOP, signal.SIGKILL):
                for process in found:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(sign)
            psutil.wait_procs(found, timeout=10)

    def kill_all(self) -> None:
        for name in self._processes:
            self.kill(name)

    def log_of(self, name: str) -> str:
        path = self.home(name) / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tell(self) -> None:
        """Print how each log ends, for the report of a failure."""
        for name in self._processes:
            print(f"== {name}\n{self.log_of(name)[-2000:]}")
