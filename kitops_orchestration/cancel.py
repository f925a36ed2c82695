"""Cancellation: a caller's wish to stop, how it reaches repositories, and calls and workers that stop each other.

There is one shape.  A verb takes ``cancel``, a ``threading.Event`` that its caller may set from any thread or signal
handler, or ``None``.  Whoever works in a loop calls :func:`check_cancelled` between two buffers; whoever waits for
others waits in slices (half a second at most) and calls it in between.  Workers that stop each other share a
:class:`LinkedEvent`: it is set when the caller's event is, and setting it leaves the caller's alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from kitops_orchestration.errors import TransferCancelledError

_R = TypeVar("_R")
_STEP_SECONDS = 0.1


@runtime_checkable
class Stoppable(Protocol):
    """A repository that waits for others, and can be told to give up while it does."""

    def stopped_by(self, cancel: threading.Event | None) -> Self:
        """Return the same repository, stopped by ``cancel``."""
        ...


@runtime_checkable
class Waiting(Protocol):
    """A repository that knows who may stop it, and waits no longer than they let it."""

    def wait(self, seconds: float) -> None:
        """Wait; raise :class:`TransferCancelledError` as soon as somebody stops it."""
        ...


def stopped_by(repository: _R, cancel: threading.Event | None) -> _R:
    """Return a repository that ``cancel`` stops within a second, if it is one that waits at all."""
    return repository.stopped_by(cancel) if isinstance(repository, Stoppable) else repository


def wait_with(repository: object, seconds: float) -> None:
    """Wait between two requests to a repository: who stops the repository ends this wait as well."""
    if isinstance(repository, Waiting):
        repository.wait(seconds)
    else:
        time.sleep(seconds)


def check_cancelled(
    cancel: threading.Event | None, what: str = "the transfer", *, advice: str = "start it again to finish it"
) -> None:
    """Raise :class:`TransferCancelledError`, which names ``what`` was stopped, when the caller asked for it."""
    if cancel is not None and cancel.is_set():
        raise TransferCancelledError(f"{what} was cancelled", advice=advice)


def wait_or_cancelled(cancel: threading.Event, seconds: float, what: str = "the transfer") -> None:
    """Wait, and raise :class:`TransferCancelledError` as soon as the caller asks for a stop."""
    cancel.wait(seconds)
    check_cancelled(cancel, what)


class LinkedEvent(threading.Event):
    """Set when the caller cancels, or when one of several workers failed and the others should stop."""

    def __init__(self, outer: threading.Event | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """Tell whether either was set."""
        return super().is_set() or (self._outer is not None and self._outer.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until either is set; both are looked at ten times a second."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _STEP_SECONDS if end is None else min(_STEP_SECONDS, end - time.monotonic())
            if left <= 0:
                return False
            super().wait(left)
        return True


# What has to stay true of calls at once: no more at a time than the caller lets; what fails, and a caller that
# gives up, ends the rest.  A call that has not begun by then never begins, because it may be one that writes.


def at_once(most: int, calls: Sequence[Callable[[], Any]], *, cancel: threading.Event | None = None) -> list[Any]:
    """Make the calls, ``most`` at a time, and return their answers in order.

    Each sees what its caller has allowed (:func:`~kitops_orchestration.oci.tag_guard.allowing`).  None of them runs
    any more when this returns or raises.

    Raises:
        TransferCancelledError: ``cancel`` was set before all of them had begun.
        BaseException: the failure that came first; whatever had not begun by then is not done.
    """
    if most == 1 or len(calls) < 2:
        answers = []
        for call in calls:
            check_cancelled(cancel)
            answers.append(call())
        return answers
    from concurrent.futures import ThreadPoolExecutor, as_completed
    from contextvars import copy_context

    has_failed = threading.Event()

    def make(call: Callable[[], Any]) -> Any:
        try:
            check_cancelled(cancel)
            return call()
        except BaseException:  # whatever it was, it goes on, and the others do not begin
            has_failed.set()
            raise

    def begin(run: Callable[..., Any], call: Callable[[], Any]) -> Any:
        return None if has_failed.is_set() else run(make, call)

    with ThreadPoolExecutor(max_workers=min(most, len(calls))) as pool:
        asked = [pool.submit(begin, copy_context().run, call) for call in calls]
        try:
            for future in as_completed(asked):
                future.result()
        except BaseException:  # also Ctrl-C in this thread
            has_failed.set()
            for future in asked:
                future.cancel()
            raise
    return [future.result() for future in asked]
