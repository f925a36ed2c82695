"""A signature that failed counts for nothing, wherever it failed, and takes nobody else's away."""

from __future__ import annotations

import threading

import pytest

from kitops_orchestration.errors import KitOpsError, SignatureError, TransferCancelledError
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.signing.legacy import signature_tag
from kitops_orchestration.signing.sign import sign

pytest.importorskip("cryptography")

WRITES = ("PUT", "POST", "PATCH")


class FailsAt:
    """Refuses the write with this number, and acts then."""

    def __init__(self, registry, number: int, act=lambda: None) -> None:
        self._serve, self._left, self._act = registry.serve, number, act
        self._lock = threading.Lock()
        registry.serve = self.serve

    @property
    def is_done(self) -> bool:
        return self._left <= 0

    def serve(self, exchange) -> None:
        with self._lock:
            self._left -= exchange.method in WRITES
            is_mine = self._left == 0 and exchange.method in WRITES
        if is_mine:
            self._act()
            exchange.read_body()
            exchange.send_error(403, "DENIED", "asked for by the test")
        else:
            self._serve(exchange)


def counts(place, name: str) -> bool:
    """Tell whether the signature of somebody counts, and whether it does in either form."""
    return place.client.check_signatures(place.name, key=place.keys[name].public_key).is_verified


@pytest.mark.parametrize("deletes", [True, False], ids=["deletes", "deletes nothing"])
@pytest.mark.parametrize("others", [True, False], ids=["after others", "alone"])
def test_a_signature_that_failed_at_any_write_counts_for_nothing(place, deletes, others):
    registry = place.registry
    registry.behaviour.deletes = registry.behaviour.deletes_tags = deletes
    if others:
        place.client.sign(place.name, place.keys["bob"].signer)
    serve, failed = registry.serve, 0
    for number in range(1, 30):
        fails = FailsAt(registry, number)
        try:
            place.sign()
        except KitOpsError:
            failed += 1
        else:
            break
        finally:
            registry.serve = serve
        assert fails.is_done
        assert not counts(place, "rita"), f"refused at write {number}"
        assert counts(place, "bob") is others
    assert failed >= 8  # three blobs, and two manifests at least
    assert counts(place, "rita")
    assert {item.form: item.is_new for item in place.sign().signatures} == {"bundle": False, "legacy": False}


@pytest.mark.parametrize("deletes", [True, False], ids=["deletes", "deletes nothing"])
def test_a_signature_that_is_cancelled_before_its_last_write_is_taken_back(place, deletes):
    registry = place.registry
    registry.behaviour.deletes = registry.behaviour.deletes_tags = deletes
    serve, last = registry.serve, f"/manifests/{signature_tag(place.kit().digest)}"
    cancel = threading.Event()

    def cancelling(exchange):
        if exchange.method == "PUT" and exchange.path.endswith(last):
            cancel.set()
        serve(exchange)

    registry.serve = cancelling
    with pytest.raises(TransferCancelledError):
        sign(place.client.repository(place.name).stopped_by(cancel), "1.0.0", place.keys["rita"].signer)
    registry.serve = serve
    assert not counts(place, "rita")


def test_what_is_no_list_of_signatures_at_the_older_tag_stops_a_signature_before_anything_is_written(place):
    repository = place.client.repository(place.name)
    index = place.registry.storage.manifest("staging/iris", place.kit().digest)
    repository.push_manifest(Index.build([index.descriptor]), tag=signature_tag(index.digest))
    place.registry.clear_requests()
    with pytest.raises(SignatureError, match="holds no signatures"):
        place.sign()
    assert [item.method for item in place.registry.requests if item.method in WRITES] == []


def test_what_could_not_be_taken_back_is_told(place):
    registry = place.registry
    serve, is_closed = registry.serve, threading.Event()

    def closing(exchange):
        """Takes the older form, and nothing after it."""
        if is_closed.is_set() and exchange.method in (*WRITES, "DELETE"):
            exchange.read_body()
            exchange.send_error(403, "DENIED", "asked for by the test")
            return
        serve(exchange)
        if exchange.method == "PUT" and exchange.path.endswith(".sig"):
            is_closed.set()

    registry.serve = closing
    with pytest.raises(KitOpsError) as caught:
        place.sign()
    registry.serve = serve
    tag = signature_tag(place.kit().digest)
    assert caught.value.advice.startswith(f"the signature at {tag} could not be taken back and counts; ")
    assert caught.value.advice.endswith("ask for this right on the repository")
    assert counts(place, "rita")  # as it says
