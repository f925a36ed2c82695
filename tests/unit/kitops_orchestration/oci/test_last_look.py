"""Turns of one writer at a tag that others write, too: how long it waits, when it ends, and who ends it."""

from __future__ import annotations

import time

import pytest

from kitops_orchestration.errors import TransferCancelledError
from kitops_orchestration.oci.last_look import Pace, Turn, turns


class Place:
    """A tag, and what others do to it in each wait; times are noted, and none passes."""

    def __init__(self, *meanwhile: str) -> None:
        self.tag = "ours"
        self.pauses: list[float] = []
        self.looks = 0
        self._meanwhile = list(meanwhile)

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self._meanwhile:
            self.tag = self._meanwhile.pop(0)

    def look(self) -> str:
        self.looks += 1
        return self.tag


class Stopped(Place):
    """Whoever uses it has stopped it."""

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        raise TransferCancelledError("it was cancelled")


PACE = Pace(turns=4, longest_pause=5.0, least_pause=0.5, jitter=0.1, doublings=2)


def what_stays(place: Place) -> str | None:
    return Turn(place, PACE).what_stays("ours", place.look, lambda seen: "ours" in seen, 1.0)


@pytest.mark.parametrize(
    ("meanwhile", "stays", "looks"),
    [
        ([], "ours", 1),
        (["theirs"], None, 1),
        (["ours, theirs"], "ours, theirs", 2),
        (["ours, theirs", "theirs"], None, 2),
        (["ours, a", "ours, b"], "ours, b", 3),
        ([f"ours, {number}" for number in range(10)], "ours, 9", 10),
        ([*[f"ours, {number}" for number in range(9)], "theirs"], None, 10),
    ],
)
def test_what_is_ours_stays_when_a_pause_has_changed_nothing(meanwhile, stays, looks):
    place = Place(*meanwhile)
    assert what_stays(place) == stays
    assert (place.looks, place.pauses) == (looks, [1.0] * looks)


def test_what_is_gone_already_is_not_waited_for():
    place = Place()
    turn = Turn(place, PACE)
    assert turn.what_stays("theirs", place.look, lambda seen: seen == "ours", 1.0) is None
    assert (place.looks, place.pauses) == (0, [])


def test_the_pause_is_three_times_what_the_turn_took_between_its_bounds():
    before = time.monotonic()
    first, later = Turn(Place(), PACE), Turn(Place(), PACE, 1)
    begun = time.monotonic()
    sum(range(100_000))
    ended = time.monotonic()
    assert 3 * (ended - begun) <= first.pause() <= 3 * (time.monotonic() - before)
    assert later.pause() >= 0.5
    assert Turn(Place(), Pace(turns=1, longest_pause=0.0)).pause() == 0.0


def test_writers_part_by_a_wait_that_doubles_for_a_while_and_that_a_turn_without_a_write_leaves_out():
    place, seen = Place(), []
    for turn in turns(place, Pace(turns=40, longest_pause=5.0, jitter=0.1, doublings=2)):
        seen.append(turn.is_first)
        turn.is_next_at_once = len(seen) == 2
    assert seen == [True] + [False] * 39
    assert place.pauses[0] <= 0.1
    assert len(place.pauses) == 39
    assert 0.2 < max(place.pauses) <= 0.4


def test_who_stops_the_repository_ends_the_pause_and_the_wait_between_turns():
    place = Stopped()
    with pytest.raises(TransferCancelledError):
        what_stays(place)
    with pytest.raises(TransferCancelledError):
        list(turns(place, PACE))
    assert (len(place.pauses), place.looks) == (2, 0)


def test_a_repository_that_nobody_can_stop_is_waited_for():
    begun = time.monotonic()
    Turn(object(), PACE).wait(0.02)
    assert time.monotonic() - begun >= 0.02
