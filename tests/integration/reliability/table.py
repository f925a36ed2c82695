"""One cell of the table: a verb, a fault, and the number of the request that meets it."""

from __future__ import annotations

import collections
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kitops_orchestration.errors import KitOpsError

from .faulty_way import FAULTS, FaultyWay, Plan
from .hardships import AT_REQUESTS, FULL_DISK_BYTES, Ended, leftovers, make_old, possible, read_only, run_child
from .verbs import VERBS, Place, client_of, contexts, new_keys, state

Outcome = Literal["done", "told, then done", "later", "told, and not done again", "twice", "left", "lost"]
"""``told`` is a clean error; then the verb is called once more, without the fault.  ``twice`` lacks nothing, and has
more than it should; ``later`` is that of a verb that only takes away, where the next call took the rest; ``left`` has
files of something unfinished beside it.  A process that was killed counts as told."""
GOOD: tuple[Outcome, ...] = ("done", "told, then done", "later")
_numbers = itertools.count()


@dataclass(frozen=True)
class Cell:
    """What happened."""

    verb: str
    fault: str
    at: int
    outcome: Outcome
    what: str = ""


class Table:
    """Runs cells against one registry."""

    def __init__(self, way: FaultyWay, host: str, folder: Path) -> None:
        self._way, self._host, self._folder = way, host, folder
        self._keys = new_keys()
        self._wanted: dict[str, tuple[str, int]] = {}

    def requests(self, verb: str) -> int:
        """Return how many requests the verb makes where nothing fails."""
        return self._reference(verb)[1]

    def cells(self) -> list[tuple[str, str, int]]:
        """Return every cell."""
        return [
            (verb, fault, at)
            for verb in VERBS
            for fault in (*FAULTS, *possible())
            for at in range(self.points(verb, fault))
        ]

    def points(self, verb: str, fault: str) -> int:
        """Return how many cells there are of a verb and a fault: the requests that it may meet, or its sizes."""
        if fault in FAULTS or fault in AT_REQUESTS:
            return self.requests(verb)
        return len(FULL_DISK_BYTES) if fault == "full-disk" else 1

    def run(self, verb: str, fault: str, at: int, *, calls: bool = True) -> Cell:
        """Let one request fail, call again where an error was told, and compare all that is there.

        Without ``calls`` the verb is not called at all: what the comparison says then is a test of the comparison.
        """
        if fault not in FAULTS:
            return self._run_in_a_child(verb, fault, at)
        wanted, _ = self._reference(verb)
        place = self._place()
        case = VERBS[verb]
        case.prepare(client_of(self._host), place)
        self._way.plan = Plan(fault, at)
        told: KitOpsError | None = None
        try:
            if calls:
                case.call(client_of(self._way.host), place)
        except KitOpsError as error:
            told = error
        self._way.plan = Plan()
        direct = client_of(self._host)
        try:
            between = state(direct, place, case)  # no tag without its content, whatever happened
        except AssertionError as error:
            return Cell(verb, fault, at, "lost", str(error))
        if told is None:
            if between == wanted:
                return Cell(verb, fault, at, "done")
            different = self._different(verb, fault, at, between)
            if not case.only_takes_away or different.outcome != "twice":
                return different
        try:
            case.call(client_of(self._way.host), place)
        except KitOpsError as error:
            return Cell(verb, fault, at, "told, and not done again", f"{told!r}; {error!r}")
        after = state(direct, place, case)
        outcome: Outcome = "told, then done" if told is not None else "later"
        return Cell(verb, fault, at, outcome) if after == wanted else self._different(verb, fault, at, after)

    def _run_in_a_child(self, verb: str, hardship: str, at: int) -> Cell:
        """Run the verb in a process that has a hard time, and where it did not come through, once more in another."""
        wanted, _ = self._reference(verb)
        place, case = self._place(), VERBS[verb]
        case.prepare(client_of(self._host), place)
        ended = self._first(verb, place, hardship, at)
        if ended.how == "fault":
            return Cell(verb, hardship, at, "lost", ended.said)
        try:
            between = state(client_of(self._host), place, case)
        except AssertionError as error:
            return Cell(verb, hardship, at, "lost", str(error))
        if ended.how != "done":
            make_old(place.folder)
            self._way.plan = Plan()
            again = run_child(verb, place, self._way.host)
            if again.how != "done":
                return Cell(verb, hardship, at, "told, and not done again", f"{ended.said}; {again.said}")
            between = state(client_of(self._host), place, case)
        if left := leftovers(place.folder):
            return Cell(verb, hardship, at, "left", f"{left}")
        if between != wanted:
            return self._different(verb, hardship, at, between)
        return Cell(verb, hardship, at, "done" if ended.how == "done" else "told, then done")

    def _first(self, verb: str, place: Place, hardship: str, at: int) -> Ended:
        # By the same way as always: a stage is a place by its name, and the name of the way is another one.
        self._way.plan, host = Plan(), self._way.host
        if hardship in AT_REQUESTS:
            plan = Plan("drop" if hardship == "kill" else "lose-answer", at)
            return run_child(verb, place, host, kills=(self._way, plan))
        if hardship == "read-only":
            with read_only(place.folder):
                return run_child(verb, place, host, hardship=hardship)
        return run_child(verb, place, host, hardship=hardship, size=FULL_DISK_BYTES[at % len(FULL_DISK_BYTES)])

    def _different(self, verb: str, fault: str, at: int, found: str) -> Cell:
        wanted = self._wanted[verb][0].splitlines()
        there = found.splitlines()
        different = list((collections.Counter(there) - collections.Counter(wanted)).elements())
        missing = list((collections.Counter(wanted) - collections.Counter(there)).elements())
        outcome: Outcome = "lost" if missing else "twice"
        return Cell(verb, fault, at, outcome, f"there: {different[:4]}; not there: {missing[:4]}")

    def _reference(self, verb: str) -> tuple[str, int]:
        if verb not in self._wanted:
            place, case = self._place(), VERBS[verb]
            case.prepare(client_of(self._host), place)
            self._way.plan = plan = Plan()
            case.call(client_of(self._way.host), place)
            self._wanted[verb] = state(client_of(self._host), place, case), plan.count
        return self._wanted[verb]

    def _place(self) -> Place:
        number = next(_numbers)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        contexts(folder)
        return Place(f"faults/run{number:06}", folder, self._keys)
