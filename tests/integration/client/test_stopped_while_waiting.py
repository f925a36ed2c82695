"""Who stops a verb is heard while it waits to look at a tag again, and not when the wait is over."""

from __future__ import annotations

import threading
import time

import pytest

from kitops_orchestration.errors import TransferCancelledError
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.signing.legacy import signature_tag
from kitops_orchestration.signing.sign import sign

pytest.importorskip("cryptography")

WRITE_SECONDS = 1.7
"""Of the first write of the tag: the wait after it is three times that long, or five seconds."""
SOON_SECONDS = 2.5


class StopsInTheWait:
    """Takes its time over the first write of a tag, and stops the verb a moment after the look that follows."""

    def __init__(self, registry, tag: str) -> None:
        self.cancel = threading.Event()
        self.stopped_at: float | None = None
        self._serve, self._end = registry.serve, f"/manifests/{tag}"
        self._is_written = self._is_looked_at = False
        registry.serve = self.serve

    def serve(self, exchange) -> None:
        is_at_tag = exchange.path.endswith(self._end)
        if is_at_tag and exchange.method == "PUT" and not self._is_written:
            time.sleep(WRITE_SECONDS)
            self._is_written = True
            self._serve(exchange)
        elif is_at_tag and self._is_written and not self._is_looked_at and exchange.method in ("GET", "HEAD"):
            self._is_looked_at = True
            self._serve(exchange)
            threading.Timer(0.3, self._stop).start()
        else:
            self._serve(exchange)

    def _stop(self) -> None:
        self.stopped_at = time.monotonic()
        self.cancel.set()

    def is_heard_by(self, call) -> None:
        with pytest.raises(TransferCancelledError):
            call()
        ended = time.monotonic()
        assert self.stopped_at is not None
        assert ended - self.stopped_at < SOON_SECONDS


def test_a_signature_is_taken_back_at_once(place):
    stops = StopsInTheWait(place.registry, signature_tag(place.kit().digest))
    repository = place.client.repository(place.name).stopped_by(stops.cancel)

    stops.is_heard_by(lambda: sign(repository, "1.0.0", place.keys["rita"].signer, formats=["legacy"]))

    assert not place.client.check_signatures(place.name, key=place.keys["rita"].public_key).is_verified


def test_a_promotion_that_moves_the_tag_of_a_repository_that_is_stopped_ends_at_once_and_the_next_finishes_it(place):
    stops = StopsInTheWait(place.registry, "elsewhere")
    source = place.client.repository(place.name)
    there = place.client.repository("prod/iris").stopped_by(stops.cancel)

    stops.is_heard_by(lambda: promote(source, "1.0.0", there, stage="elsewhere"))

    again = promote(source, "1.0.0", place.client.repository("prod/iris"), stage="elsewhere")
    assert (again.is_moved, again.digest) == (False, place.kit().digest)
    assert again.record.descriptor.digest in {item.digest for item in source.referrers(again.digest)}


@pytest.mark.parametrize("place", [True], indirect=True, ids=["referrers API"])
def test_a_promotion_whose_tag_has_moved_is_finished_whatever_its_caller_wants(place):
    stops = StopsInTheWait(place.registry, "elsewhere")
    source, there = place.client.repository(place.name), place.client.repository("prod/iris")

    done = promote(source, "1.0.0", there, stage="elsewhere", cancel=stops.cancel)

    assert stops.cancel.is_set()
    assert done.is_moved
    assert done.record.descriptor.digest in {item.digest for item in source.referrers(done.digest)}


@pytest.mark.parametrize("place", [False], indirect=True, ids=["fallback tags"])
def test_what_is_attached_where_a_tag_lists_it_is_given_up_at_once(place):
    subject = place.client.repository(place.name).resolve("1.0.0")
    stops = StopsInTheWait(place.registry, fallback_tag(subject.digest))
    repository = place.client.repository(place.name).stopped_by(stops.cancel)

    stops.is_heard_by(lambda: attach(repository, subject, artifact_type="a/b", layers=[(b"said", "a/b")]))
