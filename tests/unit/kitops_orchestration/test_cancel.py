"""A caller's wish to stop, in one shape."""

from __future__ import annotations

import threading
import time

import pytest

from kitops_orchestration.cancel import LinkedEvent, check_cancelled, wait_or_cancelled
from kitops_orchestration.errors import TransferCancelledError


def test_nothing_happens_until_somebody_asks() -> None:
    check_cancelled(None)
    check_cancelled(threading.Event())
    wait_or_cancelled(threading.Event(), 0)


def test_the_error_names_what_was_stopped_and_what_to_do() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(TransferCancelledError, match=r"^packing was cancelled$") as caught:
        check_cancelled(cancel, "packing", advice="run it again")
    assert caught.value.advice == "run it again"


def test_workers_stop_each_other_and_leave_the_callers_event_alone() -> None:
    outer = threading.Event()
    linked = LinkedEvent(outer)
    linked.set()
    assert linked.is_set()
    assert not outer.is_set()


def test_the_callers_wish_reaches_workers_of_workers() -> None:
    outer = threading.Event()
    inner = LinkedEvent(LinkedEvent(outer))
    assert not inner.wait(0.01)
    threading.Timer(0.05, outer.set).start()
    start = time.monotonic()
    with pytest.raises(TransferCancelledError):
        wait_or_cancelled(inner, 30)
    assert time.monotonic() - start < 5
