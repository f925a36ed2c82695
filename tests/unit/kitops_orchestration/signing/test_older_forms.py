"""Evidence in cosign's older forms, written by somebody who means harm, or beside the newer ones."""

from __future__ import annotations

import base64
import json
import re

import pytest

from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.signing import attestation_tag, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE, pre_authentication_encoding, sign_statement
from kitops_orchestration.signing.evidence import read_evidence
from kitops_orchestration.signing.sign import sign
from kitops_orchestration.signing.statement import PAYLOAD_TYPE, Statement
from kitops_orchestration.signing.trust import TrustPolicy

PROVENANCE = {
    "buildDefinition": {"buildType": "https://b/t", "externalParameters": {}},
    "runDetails": {"builder": {"id": "https://ci.example/w"}},
}
SLSA_02 = "https://slsa.dev/provenance/v0.2"


def envelope(digest, *signers, predicate_type=predicate_types.PROVENANCE, predicate=PROVENANCE) -> bytes:
    payload = Statement.build(digest, predicate_type, predicate).content
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    value = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signer.sign(signed)).decode()} for signer in signers],
    }
    return json.dumps(value).encode()


def put_attestations(repository, digest, *contents, media_type=attestation_tag.DSSE, more=()) -> None:
    layers = []
    for content in (b"{}", *contents):
        layers.append(Descriptor(media_type, Digest.of(content), len(content)))
        repository.push_blob(layers[-1], BytesSource(content))
    config = Descriptor("application/vnd.oci.image.config.v1+json", layers[0].digest, 2)
    manifest = Manifest.build(config=config, layers=[*layers[1:], *more])
    repository.push_manifest(manifest, tag=attestation_tag.attestation_tag(digest))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda digest, people: envelope("sha256:" + "0" * 64, people.ada), "about another digest"),
        (lambda digest, people: envelope(digest, people.mallory), "no key of the trust policy"),
        (lambda digest, people: envelope(digest), "1 to 16 signatures"),
        (lambda digest, people: envelope(digest, *[people.ada] * 17), "1 to 16 signatures"),
        (lambda digest, people: b"not an envelope", "not JSON"),
        (lambda digest, people: b"[" * 100_000, "not JSON"),
        (lambda digest, people: b'{"payload": 7, "payloadType": "x", "signatures": [{"sig": ""}]}', "not base64"),
        (lambda digest, people: b'{"payload": "e30=", "payloadType": "x", "signatures": [{"sig": ""}]}', "in-toto"),
        (lambda digest, people: b'{"payload": "e30=", "payloadType": "x", "signatures": [7]}', "is not an object"),
        (lambda digest, people: sign_statement(Statement.build(digest, "a:b", {}), people.ada), "unknown members"),
        (
            lambda digest, people: envelope(digest, people.ada, predicate_type=SLSA_02, predicate={"builder": 7}),
            "SLSA's form 0.2",
        ),
    ],
    ids=[
        "another digest", "another key", "no signature", "17 signatures", "text", "deep", "number", "other payload",
        "signature is a number", "bundle", "not 0.2",
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_attestation_is_told_and_hides_no_other(repository, put, people, make, reason) -> None:
    digest = put(repository, "v1").digest
    put_attestations(repository, digest, make(digest, people), envelope(digest, people.ada))

    found = read_evidence(repository, digest, trust=TrustPolicy.for_key(people.ada.public_key))

    assert [item.is_verified for item in found].count(True) == 1
    (bad,) = [item for item in found if not item.is_verified]
    assert bad.form == "att"
    assert re.search(reason, bad.reason), bad.reason


@pytest.mark.parametrize("kind", ["huge", "of another kind"])
def test_what_is_not_read_is_named_and_not_fetched(repository, put, people, kind, monkeypatch) -> None:
    digest = put(repository, "v1").digest
    media_type = attestation_tag.DSSE if kind == "huge" else "text/plain"
    ghost = Descriptor(media_type, Digest.of(b"ghost"), 5)
    repository.push_blob(ghost, BytesSource(b"ghost"))
    content = envelope(digest, people.ada)
    if kind == "huge":
        monkeypatch.setattr(attestation_tag, "MAX_EVIDENCE_BYTES", len(content) + 4)
    put_attestations(repository, digest, content, more=[ghost])
    repository.blob_path(ghost.digest).unlink()  # whoever asks for it would give another reason

    found = read_evidence(repository, digest, trust=TrustPolicy.for_key(people.ada.public_key))

    assert sorted(item.is_verified for item in found) == [False, True]
    (left,) = [item.reason for item in found if not item.is_verified]
    assert {"huge": "too large for evidence", "of another kind": "of another kind"}[kind] in left


def test_a_tag_with_too_many_attestations_is_read_in_part_and_told(repository, put, people) -> None:
    digest = put(repository, "v1").digest
    content = envelope(digest, people.ada)
    again = Descriptor(attestation_tag.DSSE, Digest.of(content), len(content))
    put_attestations(repository, digest, content, more=[again] * 300)

    found = read_evidence(repository, digest, trust=TrustPolicy.for_key(people.ada.public_key))

    assert len(found) == 257
    assert [item.reason for item in found if not item.is_verified] == [
        "not read: the .att tag has 301 layers, too many"
    ]


def test_an_index_at_the_tag_is_told(repository, put) -> None:
    digest = put(repository, "v1").digest
    repository.push_manifest(Index.build([]), tag=attestation_tag.attestation_tag(digest))

    (found,) = read_evidence(repository, digest)

    assert "holds no manifest" in found.reason


def test_two_who_signed_one_envelope_are_two_voices(repository, put, people) -> None:
    digest = put(repository, "v1").digest
    put_attestations(repository, digest, envelope(digest, people.ada, people.ben))

    found = read_evidence(repository, digest, trust=TrustPolicy.for_key(people.ada.public_key, people.ben.public_key))

    assert {item.signer for item in found if item.is_verified} == {
        people.ada.public_key.fingerprint,
        people.ben.public_key.fingerprint,
    }


def test_a_bundle_of_anybody_does_not_hide_an_older_signature_in_lineage(repository, put, people) -> None:
    subject = put(repository, "v1")
    sign(repository, "v1", people.ada, formats=["legacy"])
    sign(repository, "v1", people.mallory, formats=["bundle"])
    referrers.attach(repository, subject, artifact_type=BUNDLE, layers=[(b"rubbish", BUNDLE)])

    found = lineage(repository, "v1", trust=TrustPolicy.for_key(people.ada.public_key))

    assert [(item.form, item.signer) for item in found.signatures] == [("legacy", people.ada.public_key.fingerprint)]
    assert len(found.not_counted) == 2


def test_signing_beside_an_older_signature_of_another_says_what_cosign_looks_at(repository, put, people) -> None:
    put(repository, "v1")
    assert sign(repository, "v1", people.ben, formats=["legacy"]).notes == ()

    first = sign(repository, "v1", people.ada)

    assert "1 signature of another key" in first.notes[0]
    assert "cosign 3 looks at bundles first" in first.to_markdown()
    assert sign(repository, "v1", people.ada).notes == ()


def test_signing_over_ones_own_older_signature_says_nothing(repository, put, people) -> None:
    put(repository, "v1")
    sign(repository, "v1", people.ada, formats=["legacy"])

    assert sign(repository, "v1", people.ada).notes == ()
