"""Progress on a terminal: bytes, rate and time left per blob. Silent everywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kitops_orchestration.progress import ProgressCallback, ProgressEvent, ignore_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def terminal_progress(*, is_wanted: bool = True) -> Iterator[ProgressCallback]:
    """Yield a callback that draws bars on standard error when that is a terminal."""
    if not is_wanted or not sys.stderr.isatty():
        yield ignore_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar per blob; called from several threads."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, event: ProgressEvent) -> None:
        key = (event.verb, event.item)
        with self._lock:
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(f"{event.verb} {event.item[:40]}", total=event.bytes_total)
            task = self._tasks[key]
        done = event.bytes_total if event.state in ("finished", "skipped", "mounted") else event.bytes_done
        self._bars.update(task, completed=done, total=event.bytes_total)
