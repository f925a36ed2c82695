"""A tag that several machines write: written, looked at again after a while, and written once more where ours is gone.

Registries have no compare-and-set for tags.  Who reads what is at a tag, adds to it and writes may write over what
another machine wrote in between, and neither of them is told.  But a rival that read before we wrote needs about as
long for its write as we did.  So whoever wrote waits a few times that long and looks again, until nobody has changed
the tag meanwhile.

Lists of referrers at a tag (:mod:`~kitops_orchestration.oci.referrers`) and cosign's older signatures are written in
such turns: read, add, write, look, and again.  A promotion takes the clock of one turn and its wait, and nothing else:
it never writes over a rival's.

Limits: this is patience, and no proof.  A rival that stands still between its read and its write for longer than the
last look waits writes over ours, and we have said by then that all is well.  Within one machine a lock keeps writers
apart; whoever takes turns holds it.  Whoever stops the repository ends every wait here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from kitops_orchestration.cancel import wait_with

T = TypeVar("T")

_PATIENCE = 3
_MOST_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a writer tries, and how long it waits; times in seconds."""

    turns: int
    longest_pause: float
    least_pause: float = 0.0
    """From the second turn on: others were seen to write, and where a machine has too much to do they take long."""
    jitter: float = 0.0
    """The longest wait after the first turn; it doubles with each, so that writers do not meet again and again."""
    doublings: int = 0


class Turn:
    """One time round for one writer; its clock runs from the moment it is made."""

    def __init__(self, repository: object, pace: Pace, number: int = 0) -> None:
        self.is_first = number == 0
        self.is_next_at_once = False
        """Set it where nothing was written: the next turn begins without a wait."""
        self._repository = repository
        self._longest, self._least = pace.longest_pause, 0.0 if number == 0 else pace.least_pause
        self._begun = time.monotonic()

    def pause(self) -> float:
        """Return the seconds in which a rival that had read before this turn's write would have written, too."""
        return min(self._longest, max(self._least, _PATIENCE * (time.monotonic() - self._begun)))

    def wait(self, seconds: float) -> None:
        """Wait; whoever stops the repository ends that, by a ``TransferCancelledError``."""
        wait_with(self._repository, seconds)

    def what_stays(self, seen: T, look: Callable[[], T], is_ours: Callable[[T], bool], pause: float) -> T | None:
        """Return what is at the tag when a ``pause`` has changed nothing there; ``None`` where ours is gone.

        ``seen`` is what was there a moment ago, and ``is_ours`` tells whether what we wrote is in it.
        """
        for _ in range(_MOST_LOOKS):
            if not is_ours(seen):
                return None
            self.wait(pause)
            before, seen = seen, look()
            if seen == before:
                return seen
        return seen if is_ours(seen) else None


def turns(repository: object, pace: Pace) -> Iterator[Turn]:
    """Yield one turn after another to a writer that returns from the one in which its write stays.

    When they are over, others have won all of them.
    """
    for number in range(pace.turns):
        turn = Turn(repository, pace, number)
        yield turn
        if not turn.is_next_at_once:
            most = pace.jitter * 2 ** min(number, pace.doublings)
            turn.wait(random.uniform(0, most))  # noqa: S311 - jitter between writers, not a secret
