"""Repositories of the embedded registry, and of Debian's docker-registry in the forms that need a configuration."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kitops_orchestration.oci.credentials import StaticCredentials
from kitops_orchestration.oci.remote import RemoteRepository
from kitops_orchestration.settings import Limits

NOBODY = StaticCredentials({})
"""No credential of the machine that runs the tests may decide a test."""

OpenRemote = Callable[..., RemoteRepository]


@pytest.fixture
def open_remote(embedded_registry) -> OpenRemote:
    """Open a repository of the embedded registry; keyword arguments go to ``RemoteRepository``."""

    def open_named(name: str = "team/iris", **options) -> RemoteRepository:
        options.setdefault("credentials", NOBODY)
        options.setdefault("limits", Limits(retries=3, silence_timeout_seconds=5))
        return RemoteRepository(embedded_registry.reference(name), **options)

    return open_named


@pytest.fixture
def remote(open_remote) -> RemoteRepository:
    """An empty repository."""
    return open_remote()


@contextmanager
def stops_within(seconds: float, cancel: threading.Event, *, after: float = 0.2) -> Iterator[None]:
    """Set ``cancel`` after a moment and check that the block ends within ``seconds`` of that."""
    moment: list[float] = []

    def stop() -> None:
        moment.append(time.monotonic())
        cancel.set()

    timer = threading.Timer(after, stop)
    timer.start()
    try:
        yield
        assert moment, "the block ended before it was cancelled"
        assert time.monotonic() - moment[0] < seconds
    finally:
        timer.cancel()
        timer.join()


@pytest.fixture
def stop_within() -> Callable[..., object]:
    """The context manager :func:`stops_within`."""
    return stops_within


def program(name: str) -> str:
    """Return a program's path, or skip the test and say which is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {name})")
    return found
