"""What a promotion saves in requests costs no answer: what may have changed is asked for again, and repaired."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import IntegrityError, KitOpsError
from kitops_orchestration.lineage.statements import Metric, TestResult
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none, tags_if_there
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of
from kitops_orchestration.signing.legacy import signature_tag

from .distant import Distant

pytest.importorskip("cryptography")

THERE = "prod/iris"


class Meanwhile:
    """Does something once, when the registry gets the first request of this method whose path holds ``part``."""

    def __init__(self, registry: Distant, method: str, part: str, act) -> None:
        self.is_done = False
        self._wanted = method, part
        self._act = act
        registry.before = self

    def __call__(self, method: str, path: str) -> None:
        wanted, part = self._wanted
        if not self.is_done and method == wanted and part in path:
            self.is_done = True
            self._act()


@pytest.fixture
def ready(place):
    """Signed and approved."""
    place.sign()
    place.approve()
    return place


def listed(place, digest: str) -> set[str]:
    return {str(item.digest) for item in place.client.repository(THERE).referrers(digest)}


def forget(place, repository: str, subject: str, gone: str) -> None:
    """Delete a referrer as its author does: its manifest, and its entry where a tag lists it."""
    storage = place.registry.storage
    index = storage.manifest(repository, fallback_tag(subject))
    if isinstance(index, Index):
        kept = [item for item in index.manifests if item.digest != gone]
        storage.put_manifest(repository, Index.build(kept), fallback_tag(subject))
    assert storage.delete_manifest(repository, gone)


def test_a_layer_that_goes_while_evidence_is_copied_keeps_the_tag_from_moving(ready):
    layer = ready.kit().layers[0]
    gone = Meanwhile(
        ready.registry,
        "PUT",
        f"/{THERE}/manifests/sha256-",  # a list at a tag, or older signatures: after the manifest itself
        lambda: ready.registry.storage.delete_blob(THERE, layer.digest),
    )
    with pytest.raises(IntegrityError, match="lacks"):
        ready.promote()
    assert gone.is_done
    assert "production" not in tags_if_there(ready.client.repository(THERE))


def test_a_registry_that_says_once_that_it_has_a_layer_is_asked_again_after_the_copy(ready):
    layer = ready.kit().layers[0]
    ready.registry.clear_requests()
    ready.promote()
    asked = [(item.method, item.path) for item in ready.registry.requests]
    copied = asked.index(("PUT", f"/v2/{THERE}/manifests/{ready.kit().digest}"))
    moved = asked.index(("PUT", f"/v2/{THERE}/manifests/production"))
    assert ("HEAD", f"/v2/{THERE}/blobs/{layer.digest}") in asked[copied:moved]


def test_who_owns_the_tag_is_asked_when_it_is_recorded(ready):
    ready.promote()
    anchor = anchor_of("production").digest
    (owner,) = listed(ready, anchor)
    ready.name = ready.pack("1.0.1")
    ready.sign()
    ready.approve()
    gone = Meanwhile(ready.registry, "PUT", f"/{THERE}/manifests/sha256:", lambda: forget(ready, THERE, anchor, owner))
    ready.promote()
    assert gone.is_done
    assert len(listed(ready, anchor)) == 1


def test_evidence_that_is_deleted_during_a_promotion_is_not_brought_back(ready):
    first = ready.promote()
    said = TestResult("PASSED", metrics=(Metric("recall", "0.9"),), created_on="2026-01-02T00:00:00Z")
    added = ready.client.attach(f"{THERE}@{first.digest}", said, signer=ready.keys["eve"].signer).descriptor.digest
    ready.client.tag(f"{THERE}@{first.digest}", "elsewhere")
    ready.registry.storage.delete_tag(THERE, "production")
    gone = Meanwhile(
        ready.registry, "POST", f"/{THERE}/blobs/uploads/", lambda: forget(ready, THERE, first.digest, str(added))
    )
    ready.promote(reason="once more")
    assert gone.is_done
    assert str(added) not in listed(ready, first.digest)


def test_what_came_later_is_seen_by_the_next_promotion(ready):
    first = ready.promote()
    said = TestResult("PASSED", metrics=(Metric("recall", "0.9"),), created_on="2026-01-02T00:00:00Z")
    later = ready.client.attach(ready.name, said, signer=ready.keys["eve"].signer)

    again = ready.promote()

    assert (again.is_new, again.copy.referrers_copied) == (False, 1)
    assert str(later.descriptor.digest) in listed(ready, first.digest)
    told = {"stage": "production", "policy": ready.rules["policy"]}
    ready.client.reject(ready.name, signer=ready.keys["ann"].signer, **told)
    with pytest.raises(KitOpsError):
        ready.promote()


def test_a_blob_that_the_destination_lost_is_put_back_by_the_next_promotion(ready):
    first = ready.promote()
    storage = ready.registry.storage
    place = ready.client.repository(THERE)
    lost = [ready.kit().layers[0], *ready.statements(ready.client.repository(ready.name), first.digest)]
    assert len(lost) >= 5
    for blob in lost:
        assert storage.delete_blob(THERE, blob.digest)

    assert ready.promote().is_new is False

    assert [blob for blob in lost if not place.has_blob(blob)] == []


def test_evidence_of_evidence_that_the_destination_lost_is_put_back_by_the_next_promotion(ready):
    source = ready.client.repository(ready.name)
    evidence = source.referrers(ready.kit().digest)[0].digest
    below = ready.client.sign(f"{source.reference}@{evidence}", ready.keys["rita"].signer)
    lost = [str(item.descriptor.digest) for item in below.signatures if item.form == "bundle"]
    first = ready.promote()
    place = ready.client.repository(THERE)
    assert resolve_or_none(place, f"{fallback_tag(evidence)}.sig") is not None
    assert set(lost) <= listed(ready, evidence)
    forget(ready, THERE, evidence, lost[0])
    ready.registry.storage.delete_tag(THERE, f"{fallback_tag(evidence)}.sig")

    again = ready.promote()

    assert (again.is_new, again.digest) == (False, first.digest)
    assert set(lost) <= listed(ready, evidence)
    assert resolve_or_none(place, f"{fallback_tag(evidence)}.sig") is not None


def test_a_manifest_that_the_destination_lost_is_put_back_by_the_next_promotion(ready):
    first = ready.promote()
    storage, place = ready.registry.storage, ready.client.repository(THERE)
    root = storage.manifest(THERE, first.digest)
    approval = next(
        item.digest
        for item in place.referrers(first.digest)
        if item.annotations.get("ml.kitops.orchestration.event") == "approval"
    )
    assert storage.delete_manifest(THERE, approval)  # where a tag lists it, the list still does
    assert storage.delete_manifest(THERE, root.digest)
    storage.put_manifest(THERE, root, "production")

    assert ready.promote().is_new is False

    assert place.fetch_manifest(approval).digest == approval
    assert str(approval) in listed(ready, first.digest)


def test_evidence_that_only_a_tag_of_the_destination_names_is_brought_there(ready):
    """Beside the API anybody who may write can leave such a list: what it names need not be there."""
    first = ready.promote()
    source, before = ready.client.repository(ready.name), listed(ready, first.digest)
    said = TestResult("FAILED", metrics=(Metric("bias", "0.9"),), created_on="2026-01-02T00:00:00Z")
    ready.client.attach(ready.name, said, signer=ready.keys["eve"].signer)
    everything = source.referrers(first.digest)
    (later,) = [item.digest for item in everything if item.digest not in before]
    ready.registry.storage.put_manifest(THERE, Index.build(everything), fallback_tag(first.digest))

    again = ready.promote()

    assert again.copy.referrers_copied >= 1
    assert ready.client.repository(THERE).fetch_manifest(later).digest == later


def test_what_was_deleted_and_is_listed_still_is_said_again(place):
    """A list at a tag keeps its name, and this machine what it said: neither makes it be there."""
    report, source = {"result": "FAILED"}, place.client.repository(place.name)

    def say():
        signature = next(item for item in place.sign().signatures if item.form == "bundle")
        signed = place.client.attest(place.name, "https://example.org/scan/v1", report, signer=place.keys["eve"].signer)
        plain = place.client.attest(place.name, "https://example.org/scan/v2", report)
        made = attach(source, source.resolve("1.0.0"), artifact_type="a/b", layers=[(b"said", "a/b")])
        return [signature, signed, plain, made]

    said = say()
    assert [item.is_new for item in said] == [True] * 4
    for item in said:
        assert place.registry.storage.delete_manifest("staging/iris", item.descriptor.digest)

    again = say()

    assert [item.is_new for item in again] == [True] * 4
    for item in again:
        assert source.fetch_manifest(item.descriptor.digest).digest == item.descriptor.digest
    assert [item.is_new for item in say()] == [False] * 4


def test_an_older_signature_that_another_machine_writes_over_after_the_first_look_is_added_again(place):
    """It had read before; nothing locks the tag between machines."""
    tag = signature_tag(place.kit().digest)
    place.client.sign(place.name, place.keys["bob"].signer, formats=["legacy"])
    storage = place.registry.storage
    theirs = storage.manifest("staging/iris", tag)
    asked: list[str] = []

    def before(method: str, path: str) -> None:
        if path.endswith(f"/manifests/{tag}"):
            asked.append(method)
            if asked.count("PUT") == 1 and asked[asked.index("PUT") :] == ["PUT", "GET", "GET"]:
                storage.put_manifest("staging/iris", theirs, tag)

    place.registry.before = before
    place.client.sign(place.name, place.keys["rita"].signer, formats=["legacy"])

    for name in ("bob", "rita"):
        assert place.client.verify(place.name, key=place.keys[name].public_key, require="legacy").is_verified
    assert asked.count("PUT") == 2
