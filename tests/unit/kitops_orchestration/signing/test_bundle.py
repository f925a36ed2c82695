from __future__ import annotations

import base64
import copy
import json

import pytest

from kitops_orchestration.errors import SignatureError, VerificationError
from kitops_orchestration.signing.bundle import Bundle, verify_bundle


def encoded(bundle) -> bytes:
    return json.dumps(bundle).encode()


def changed(bundle, path: str, value) -> bytes:
    result = copy.deepcopy(bundle)
    place = result
    *parents, last = path.split("/")
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    place[int(last) if isinstance(place, list) else last] = value
    return encoded(result)


@pytest.mark.parametrize("key_id", ["te4TK3pLEUKecw/ID4CI8C0tFzjEP5sy16olbJeQ76o=", "SHA256:foreign", ""])
def test_a_foreign_key_id_does_not_matter(vectors, vector_signer, key_id) -> None:
    data = changed(vectors["bundle_v03"], "dsseEnvelope/signatures/0/keyid", key_id)
    assert verify_bundle(data, [vector_signer.public_key]).is_about(vectors["subject_digest"])


def test_a_wrong_hint_does_not_matter(vectors, vector_signer) -> None:
    data = changed(vectors["bundle_v03"], "verificationMaterial/publicKey/hint", "someone else")
    assert verify_bundle(data, [vector_signer.public_key])


def test_the_key_is_found_among_many(vectors, vector_signer, people) -> None:
    keys = [people.ada.public_key, vector_signer.public_key, people.ben.public_key]
    assert Bundle.parse(encoded(vectors["bundle_v03"])).verify(keys) == vector_signer.public_key


def test_another_key_does_not_verify(vectors, people) -> None:
    with pytest.raises(VerificationError):
        verify_bundle(encoded(vectors["bundle_v03"]), [people.mallory.public_key])


def test_a_changed_payload_does_not_verify(vectors, vector_signer) -> None:
    payload = base64.b64decode(vectors["bundle_v03"]["dsseEnvelope"]["payload"]).replace(b"91e9", b"91e8")
    data = changed(vectors["bundle_v03"], "dsseEnvelope/payload", base64.b64encode(payload).decode())
    with pytest.raises(VerificationError):
        verify_bundle(data, [vector_signer.public_key])


def test_a_changed_payload_type_does_not_verify(vectors, vector_signer) -> None:
    data = changed(vectors["bundle_v03"], "dsseEnvelope/payloadType", "text/plain")
    with pytest.raises(VerificationError):
        verify_bundle(data, [vector_signer.public_key])


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("extra", 1, "unknown members"),
        ("verificationMaterial/extra", 1, "unknown members"),
        ("verificationMaterial/publicKey/extra", 1, "unknown members"),
        ("dsseEnvelope/extra", 1, "unknown members"),
        ("dsseEnvelope/signatures/0/extra", 1, "unknown members"),
        ("dsseEnvelope/signatures", [], "exactly one signature"),
        ("dsseEnvelope/signatures", [{"sig": "AA=="}, {"sig": "AA=="}], "exactly one signature"),
        ("dsseEnvelope/signatures/0/sig", "not base64!", "base64"),
        ("dsseEnvelope/signatures/0/sig", None, "base64"),
        ("dsseEnvelope/payload", 5, "base64"),
        ("dsseEnvelope", "text", "not an object"),
        ("dsseEnvelope/payloadType", "\ud800", "not ASCII text"),
        ("dsseEnvelope/payloadType", "text/pl\u00e4in", "not ASCII text"),
        ("dsseEnvelope/payloadType", None, "not ASCII text"),
        ("verificationMaterial", {"certificate": {}, "x509CertificateChain": {}}, "both a certificate and a chain"),
        ("mediaType", "application/json", "not a Sigstore bundle"),
        ("verificationMaterial", None, "not an object"),
    ],
    ids=ascii,
)
def test_what_the_format_does_not_know_is_refused(vectors, path, value, says) -> None:
    with pytest.raises(SignatureError, match=says):
        Bundle.parse(changed(vectors["bundle_v03"], path, value))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b'{"mediaType":1,"mediaType":2}', b"[" * 100_000])
def test_what_is_no_json_object_is_one_clear_error(data) -> None:
    with pytest.raises(SignatureError):
        Bundle.parse(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"extra": 1}, "unknown members"),
        ({"_type": "https://in-toto.io/Statement/v2"}, "_type"),
        ({"subject": []}, "subjects"),
        ({"subject": [{"digest": {"sha256": "a"}, "extra": 1}]}, "unknown members"),
        ({"subject": [{"digest": {"sha256": 5}}]}, "text"),
        ({"subject": [{"name": "no digest"}]}, "neither"),
        ({"predicateType": ""}, "predicate type"),
        ({"predicate": [1]}, "not an object"),
    ],
    ids=str,
)
def test_a_statement_that_is_none_is_refused_though_well_signed(vectors, vector_signer, change, says) -> None:
    from kitops_orchestration.signing.bundle import sign_statement
    from kitops_orchestration.signing.statement import Statement

    value = json.loads(base64.b64decode(vectors["bundle_v03"]["dsseEnvelope"]["payload"]))
    statement = Statement((), "x:y", {}, encoded({**value, **change}))
    with pytest.raises(SignatureError, match=says):
        verify_bundle(sign_statement(statement, vector_signer), [vector_signer.public_key])


def test_unknown_members_of_a_predicate_are_left_alone(vector_signer, vectors) -> None:
    from kitops_orchestration.signing.bundle import sign_statement
    from kitops_orchestration.signing.statement import Statement

    statement = Statement.build(vectors["subject_digest"], "urn:any", {"new": {"in": ["the", "next", "version"]}})
    assert verify_bundle(sign_statement(statement, vector_signer), [vector_signer.public_key]) == statement
