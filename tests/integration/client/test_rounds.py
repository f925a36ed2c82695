"""How often a registry is asked, and how many times one answer is waited for before the next question.

A registry is 20 to 100 ms away, so what a verb takes is its rounds: the longest chain of requests of which each began
after another had ended. What does not depend on each other is asked at once, as far as the client's limits let it.
The numbers of requests are what is needed today; one that grows has to have a reason.
"""

from __future__ import annotations

import pytest

from kitops_orchestration.settings import Limits

from .distant import Distant, Place, depth

pytest.importorskip("cryptography")


def test_the_depth_of_what_follows_and_of_what_runs_side_by_side():
    assert depth([]) == 0
    assert depth([(0, 1), (2, 3), (4, 5)]) == 3
    assert depth([(0, 3), (1, 4), (2, 5)]) == 1
    assert depth([(0, 3), (1, 2), (4, 5)]) == 2


def test_reading_again_in_a_process_takes_few_rounds(place):
    place.sign()
    place.approve()
    for verb, requests, rounds in ((place.inspect, 2, 2), (place.verify, 4, 4), (place.plan, 9, 6)):
        verb()
        asked = place.asked(verb)
        assert asked.requests <= requests, verb
        assert asked.rounds <= rounds, verb


WRITING = {
    "referrers API": {
        "sign": (17, 13),
        "approve": (10, 9),
        "plan": (21, 12),
        "promote": (81, 39),
        "again": (40, 21),
        "once more": (32, 17),
    },
    "fallback tags": {
        "sign": (20, 18),
        "approve": (12, 12),
        "plan": (21, 12),
        "promote": (85, 54),
        "again": (40, 24),
        "once more": (32, 18),
    },
}
"""Requests, and rounds with a third more than on a quiet machine, because who comes first differs.

What is left is told in benchmarks/README.md.
"""


def test_what_writing_asks_does_not_grow(place):
    told = WRITING["referrers API" if place.registry.behaviour.referrers_api else "fallback tags"]
    for verb, call in zip(told, (place.sign, place.approve, place.plan, *[place.promote] * 3), strict=True):
        asked = place.asked(call)
        requests, rounds = told[verb]
        assert asked.requests <= requests, verb
        assert asked.rounds <= rounds, verb


def test_a_client_of_one_request_at_a_time_is_obeyed(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    with Distant() as registry:
        place = Place(registry, keys, tmp_path, Limits(concurrency=1))
        for verb in (place.sign, place.approve, place.inspect, place.verify, place.plan, place.promote, place.promote):
            asked = place.asked(verb)
            # An answer is read before its end is noted, so that of many a few may seem to overlap.
            assert asked.rounds >= 0.9 * asked.requests, verb
