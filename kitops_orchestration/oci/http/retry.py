"""Retries: which failures may pass, and one budget of attempts and waiting time per operation."""

from __future__ import annotations

import email.utils
import random
import socket
import ssl
import threading
import time

from kitops_orchestration.cancel import wait_or_cancelled
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.http.response import whole_number
from kitops_orchestration.oci.http.wait import TooSlowError
from kitops_orchestration.settings import Limits

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
_LONGEST_ASKED_SECONDS = 3600.0
"""A server may ask for so much patience; whoever plans a retry by its word, an orchestrator too, is told no more."""
_MOMENT = 1_000_000_000
"""Seconds since 1970 of a moment in 2001: a larger number is a moment, and no time to wait."""


class RetryBudget:
    """What one operation may spend on further attempts, over all of its requests.

    Attempts are counted since the last byte that was won; waiting time is counted over the operation.
    """

    def __init__(self, limits: Limits, cancel: threading.Event | None = None) -> None:
        self._limits = limits
        self._cancel = cancel or threading.Event()
        self._attempts = 0
        self._waited = 0.0
        self._slow = 0

    def progressed(self) -> None:
        """Note that bytes arrived: the next failure is a first one again."""
        self._attempts = 0

    def pause(self, failure: KitOpsError, *, retry_after_seconds: float | None = None) -> None:
        """Wait before the next attempt, or raise ``failure`` when the budget is spent.

        The wait is random between zero and a bound that doubles (full jitter); what the server asks for
        by ``Retry-After`` is waited at least.
        """
        if not may_pass(failure):
            raise failure
        if isinstance(failure.__cause__, TooSlowError):
            self._slow += 1  # the bytes that dripped in meanwhile are no new start
            if self._slow > self._limits.retries:
                raise failure
        bound = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2**self._attempts)
        seconds = random.uniform(0, bound)  # noqa: S311 - spreads clients, guards nothing
        if retry_after_seconds is not None:
            seconds = retry_after_seconds + seconds / 10
        self._attempts += 1
        if self._attempts > self._limits.retries or self._waited + seconds > self._limits.retry_budget_seconds:
            raise failure
        self._waited += seconds
        wait_or_cancelled(self._cancel, seconds)


def may_pass(failure: KitOpsError) -> bool:
    """Tell whether trying again can help: not with a name that does not exist or a port without TLS."""
    cause = failure.__cause__
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_AGAIN
    return not (isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause))


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (a number or a date), or ``None``.

    Some servers write the moment as seconds since 1970.  Nothing longer than an hour is handed on.
    """
    if value is None:
        return None
    number = whole_number(value)
    if number is not None and number < _MOMENT:
        return min(float(number), _LONGEST_ASKED_SECONDS)
    try:
        moment = float(number) if number is not None else email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):  # no date, or one that no clock shows
        return None
    return min(max(0.0, moment - time.time()), _LONGEST_ASKED_SECONDS)
