"""Every vector in both directions: what others wrote is read, and what we write is theirs byte for byte."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from kitops_orchestration.errors import VerificationError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import sign_statement, verify_bundle
from kitops_orchestration.signing.keys import cosign_key, load_private_key, load_public_key
from kitops_orchestration.signing.statement import Statement

ENCRYPTED = ["cosign_encrypted_key_sigstore_N65536", "cosign_encrypted_key_cosign_N32768"]


def test_the_public_key_has_the_names_that_others_give_it(vectors) -> None:
    key = load_public_key(vectors["public_key_pem"])

    assert key.pem == vectors["public_key_pem"]
    assert key.hint == vectors["spki_sha256_b64_hint"]
    assert key.directory_hint == vectors["oms_hint_hex_sha256_of_pem"]


def test_the_private_key_has_the_public_key(vectors, vector_signer) -> None:
    assert vector_signer.public_key == load_public_key(vectors["public_key_pem"])


@pytest.mark.parametrize("name", ENCRYPTED)
def test_an_encrypted_key_file_is_read(vectors, vector_signer, name) -> None:
    signer = load_private_key(vectors[name], vectors["cosign_encrypted_key_password"])
    assert signer.public_key == vector_signer.public_key


@pytest.mark.parametrize(("name", "cost"), [(ENCRYPTED[0], 65536), (ENCRYPTED[1], 32768)])
def test_an_encrypted_key_file_is_written_byte_for_byte(vectors, name, cost) -> None:
    password = vectors["cosign_encrypted_key_password"].encode()
    theirs = vectors[name].encode()
    body = json.loads(base64.b64decode(b"".join(theirs.splitlines()[1:-1])))

    ours = cosign_key.encrypt(
        cosign_key.decrypt(theirs, password),
        password,
        cost=cost,
        salt=base64.b64decode(body["kdf"]["salt"]),
        nonce=base64.b64decode(body["cipher"]["nonce"]),
        pem_type=theirs.splitlines()[0].decode().removeprefix("-----BEGIN ").removesuffix("-----"),
    )

    assert ours == theirs


def test_the_bundle_is_read(vectors, vector_signer) -> None:
    statement = verify_bundle(json.dumps(vectors["bundle_v03"]).encode(), [vector_signer.public_key])

    assert statement.predicate_type == predicate_types.SIGNATURE
    assert statement.is_about(vectors["subject_digest"])


def test_the_bundle_is_written_byte_for_byte(vectors, vector_signer) -> None:
    statement = Statement.build(vectors["subject_digest"], predicate_types.SIGNATURE, {})
    ours = sign_statement(statement, vector_signer)

    assert ours == json.dumps(vectors["bundle_v03"], separators=(",", ":")).encode()


def test_the_older_signature_is_read(vectors, vector_signer) -> None:
    theirs = vectors["legacy"]
    signature = base64.b64decode(theirs["signature_b64"])

    assert vector_signer.public_key.verifies(signature, theirs["payload"].encode())


def test_the_older_signature_is_written_byte_for_byte(vectors, vector_signer) -> None:
    theirs = vectors["legacy"]
    payload = legacy.payload_for(Reference.parse("registry.example.com/org/iris"), vectors["subject_digest"])

    assert payload.decode() == theirs["payload"]
    assert base64.b64encode(vector_signer.sign(payload)).decode() == theirs["signature_b64"]
    assert legacy.signature_tag(vectors["subject_digest"]) == theirs["tag"]


def test_a_statement_of_the_older_version_is_read(vectors, vector_signer) -> None:
    statement = verify_bundle(json.dumps(vectors["attestation_v01"]["bundle"]).encode(), [vector_signer.public_key])

    assert statement.is_about(vectors["subject_digest"])
    assert statement.predicate_type == predicate_types.TEST_RESULT
    assert statement.predicate["result"] == "PASSED"


@pytest.mark.parametrize("name", ["bundle_v03", "attestation_v01"])
def test_a_bundle_with_another_payload_is_refused(vectors, vector_signer, name) -> None:
    bundle = copy.deepcopy(vectors[name].get("bundle", vectors[name]))
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"sha256", b"sha512")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()

    with pytest.raises(VerificationError):
        verify_bundle(json.dumps(bundle).encode(), [vector_signer.public_key])


def test_an_older_signature_over_another_payload_is_refused(vectors, vector_signer) -> None:
    signature, payload = base64.b64decode(vectors["legacy"]["signature_b64"]), vectors["legacy"]["payload"].encode()

    assert not vector_signer.public_key.verifies(signature, payload.replace(b"null", b"{}"))
