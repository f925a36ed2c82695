"""Progress: bars with bytes, rate and time left on a terminal, one plain line for each step elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.output.answer import BEFORE_PRINTING, human_bytes
from kitops_orchestration.presentation.terminal import with_short_digests
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, ignore_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

STYLES = ("auto", "fancy", "plain", "none")
_DONE = {"finished": "", "skipped": " already there", "mounted": " mounted, no bytes moved"}
_OVER = {**_DONE, "failed": " failed"}
_MAX_ITEM = 32
_SAY_AGAIN_SECONDS = 30.0
_LONG_SECONDS = 2.0


@contextmanager
def show_progress(style: str) -> Iterator[ProgressCallback]:
    """Yield a callback for one of :data:`STYLES`; all of them write to standard error.

    ``auto`` draws bars on a terminal and writes lines elsewhere.  Bars are gone before anything is printed.
    """
    if style == "auto":
        style = "fancy" if sys.stderr.isatty() else "plain"
    if style == "plain":
        yield _Lines()
    elif style == "fancy":
        bars = _Bars()
        context = click.get_current_context(silent=True)
        if context is not None:
            context.meta[BEFORE_PRINTING] = bars.stop
        try:
            yield bars
        finally:
            bars.stop()
    else:
        yield ignore_progress


class _Lines:
    """One line when a blob is done, for logs, and one now and then while a large one moves; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[tuple[str, str], tuple[float, float]] = {}
        """When each blob began, and when it was last spoken of."""

    def __call__(self, event: ProgressEvent) -> None:
        line = self._line(event, time.monotonic())
        if line is not None:
            click.echo(f"{event.verb} {with_short_digests(event.item)} {line}".rstrip(), err=True)

    def _line(self, event: ProgressEvent, now: float) -> str | None:
        key = (event.verb, event.item)
        if event.state in _OVER:
            with self._lock:
                began, _ = self._since.pop(key, (now, now))
            return _last_line(event, now - began)
        with self._lock:
            began, spoken = self._since.setdefault(key, (now, now))
            if now - spoken < _SAY_AGAIN_SECONDS:
                return None
            self._since[key] = (began, now)
        of_total = f" of {human_bytes(event.bytes_total)}" if event.bytes_total is not None else ""
        return f"{human_bytes(event.bytes_done)}{of_total}, {human_bytes(event.bytes_done / (now - began))}/s"


def _last_line(event: ProgressEvent, seconds: float) -> str | None:
    is_long = seconds >= _LONG_SECONDS
    if event.verb == "hash" and event.state != "failed" and not is_long:
        return None  # the same blob is about to move
    total = human_bytes(event.bytes_total) if event.bytes_total is not None else ""
    return f"{total}{f' in {seconds:.0f} s' if is_long else ''}{_OVER[event.state]}".lstrip()


class _Bars:
    """One bar for each blob that moves; called from several threads. Nothing is drawn before the first event."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Take the bars off the screen; harmless when there are none."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: ProgressEvent) -> None:
        bars, task = self._task(event)
        is_done = event.state in _DONE
        done = event.bytes_total if is_done else event.bytes_done
        # What is done leaves the screen: a ModelKit of a thousand layers must not scroll its own bars away.
        bars.update(task, completed=done, total=event.bytes_total, visible=not is_done)

    def _task(self, event: ProgressEvent) -> tuple[Progress, TaskID]:
        key = (event.verb, event.item)
        with self._lock:
            if self._bars is None:
                self._bars = _started_bars()
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(f"{event.verb} {_short(event.item)}", total=event.bytes_total)
            return self._bars, self._tasks[key]


def _started_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Bytes per second in the units of the sizes beside it; rich's own column counts in thousands."""

        def render(self, task: Task) -> Text:
            return Text(f"{human_bytes(task.speed)}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        Rate(),
        TimeRemainingColumn(compact=True),
    )
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    bars.start()
    return bars


def _short(item: str) -> str:
    """Keep the end of a path, which tells files apart, and the beginning of a digest."""
    if len(item) <= _MAX_ITEM:
        return item
    return item[:_MAX_ITEM] if item.startswith("sha256:") else f"…{item[-_MAX_ITEM + 1 :]}"
