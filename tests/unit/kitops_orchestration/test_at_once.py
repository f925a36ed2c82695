"""Calls that run at once: bounded, in order, and ended by what fails first."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import partial

import pytest

from kitops_orchestration.cancel import at_once
from kitops_orchestration.errors import KitOpsError, TransferCancelledError


@pytest.mark.parametrize("most", [1, 2, 4])
def test_answers_come_in_the_order_of_the_calls(most):
    assert at_once(most, [partial(int, text) for text in "31415"]) == [3, 1, 4, 1, 5]
    assert at_once(most, []) == []


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_more_run_at_a_time_than_the_caller_lets(most):
    lock, running, seen = threading.Lock(), [], []
    together = threading.Barrier(most)

    def call():
        with lock:
            running.append(1)
            seen.append(len(running))
        together.wait(30)  # as many as may run do
        with lock:
            running.pop()

    at_once(most, [call] * (2 * most))
    assert max(seen) == most


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("failure", [KitOpsError("refused"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_first_is_raised_and_what_waits_never_begins(most, failure):
    begun, ended, is_failing = [], [], threading.Event()

    def fail():
        is_failing.set()
        raise failure

    def slow():
        begun.append("slow")
        is_failing.wait(30)
        threading.Event().wait(0.3)  # by then the failure is noted
        ended.append("slow")

    first = [fail] if most == 1 else [slow, fail]
    with pytest.raises(type(failure)):
        at_once(most, [*first, *([partial(begun.append, "queued")] * 20)])
    assert "queued" not in begun
    assert begun.count("slow") == len(ended)  # none runs on when it is over


def test_a_cancel_lets_nothing_more_begin():
    cancel, begun = threading.Event(), []

    def stop():
        begun.append("first")
        cancel.set()

    for most in (1, 2):
        begun.clear()
        cancel.clear()
        with pytest.raises(TransferCancelledError):
            at_once(most, [stop, *([partial(begun.append, "queued")] * 20)], cancel=cancel)
        assert len(begun) <= most


def test_each_call_sees_what_its_caller_allowed():
    allowed: ContextVar[str] = ContextVar("allowed")
    allowed.set("the tag")
    assert at_once(4, [allowed.get] * 3) == ["the tag"] * 3
