"""What was made so far, and how it goes away again when the rest fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class Undo:
    """Inside of ``with`` an exception takes back what was added, the last first; without one everything stays."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], Any]] = []

    def __enter__(self) -> Self:
        return self

    def add(self, step: Callable[[], Any]) -> None:
        """Say how what was just made is taken back."""
        self._steps.append(step)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is None:
            return
        for step in reversed(self._steps):
            # The failure that led here is what is told; MLflow may be away, and then nothing can be taken back.
            with suppress(Exception):
                step()
