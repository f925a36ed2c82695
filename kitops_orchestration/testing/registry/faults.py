"""Faults that hit a number of requests and are gone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """What goes wrong, on which requests, and how often.

    ``after_bytes`` counts bytes of the body: of the request for uploads, of the response for downloads.
    """

    method: str | None = None
    """Only requests of this method; ``None`` is any."""
    path_contains: str = ""
    times: int = 1
    status: int | None = None
    """Answer with this error instead of serving."""
    code: str = "UNAVAILABLE"
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int | None = None
    """Where to act in the body; ``None`` is its start."""
    drops: bool = False
    """Close the connection there, without a word."""
    truncates: bool = False
    """Send an answer that ends there and claims to be complete."""
    corrupts: bool = False
    """Flip the byte there."""
    stall_seconds: float | None = None
    """Say nothing for so long there; ends early when the registry stops."""
    loses_upload: bool = False
    """Forget the upload session before serving."""


class FaultList:
    """Faults in the order they were asked for; the first that matches a request is used up by it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Arm a fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for a request, if any, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.method in (None, method) and fault.path_contains in path:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None
