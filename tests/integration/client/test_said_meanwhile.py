"""What is said while a promotion copies, which may take hours, holds before the stage's tag moves."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import ApprovalMissingError, CheckFailedError
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.promotion.stage_tag.freeze import freeze

pytest.importorskip("cryptography")

THERE = "prod/iris"
WHEN = {"layers": ("POST", f"/{THERE}/blobs/uploads/"), "manifests": ("PUT", f"/{THERE}/manifests/sha256:")}


def say(place, verb) -> None:
    verb(place.name, signer=place.keys["ann"].signer, stage="production", policy=place.rules["policy"])


def close(place) -> None:
    freeze(place.client.repository(THERE), "production", reason="audit", signer=place.keys["ann"].signer)


SAID = {
    "a rejection": (lambda place: say(place, place.client.reject), ApprovalMissingError),
    "an approval taken back": (lambda place: say(place, place.client.revoke), ApprovalMissingError),
    "a freeze": (close, CheckFailedError),
}


@pytest.fixture
def ready(place):
    """Signed and approved."""
    place.sign()
    place.approve()
    return place


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("said", SAID)
def test_what_is_said_while_it_is_copied_is_heard(ready, said, when):
    act, error = SAID[said]
    method, part = WHEN[when]
    told = []

    def before(*asked: str) -> None:
        if not told and asked[0] == method and part in asked[1]:
            told.append(said)
            act(ready)

    ready.registry.before = before
    with pytest.raises(error):
        ready.promote()
    assert told == [said]
    assert "production" not in tags_if_there(ready.client.repository(THERE))
    with pytest.raises(error):
        ready.promote()


def test_a_rejection_that_waits_at_a_destination_without_the_version_is_heard(ready):
    """Registries keep what refers to a manifest that they have not got; at the source somebody took it away."""
    digest, place = ready.kit().digest, ready.client.repository(ready.name)
    before = {item.digest for item in place.referrers(digest)}
    say(ready, ready.client.reject)
    (rejection,) = [item.digest for item in place.referrers(digest) if item.digest not in before]
    copy(place, rejection, ready.client.repository(THERE))
    storage = ready.registry.storage
    index = storage.manifest("staging/iris", fallback_tag(digest))
    if isinstance(index, Index):
        kept = [item for item in index.manifests if item.digest != rejection]
        storage.put_manifest("staging/iris", Index.build(kept), fallback_tag(digest))
    assert storage.delete_manifest("staging/iris", rejection)

    with pytest.raises(ApprovalMissingError, match="rejected"):
        ready.promote()
    assert "production" not in tags_if_there(ready.client.repository(THERE))
