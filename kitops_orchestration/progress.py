"""Who wants to hear of bytes moved. The core only calls; the command line and the adapters listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verb = Literal["hash", "pack", "push", "pull", "copy", "unpack", "export"]
State = Literal["started", "moved", "skipped", "mounted", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of one blob.

    ``bytes_done`` and ``bytes_total`` are of this blob, not of the whole operation; ``bytes_total`` is
    ``None`` while unknown.  Events of one ``item`` arrive in order; those of several may interleave.
    """

    verb: Verb
    item: str
    state: State
    bytes_done: int = 0
    bytes_total: int | None = None


ProgressCallback = Callable[[ProgressEvent], None]


def ignore_progress(event: ProgressEvent) -> None:
    """Listen to nothing: the default."""
