"""What cosign 2.6.1 wrote (``record_cosign.py``) is read and verifies; tampered with, it does not."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import VerificationError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing import legacy
from kitops_orchestration.signing.bundle import verify_bundle
from kitops_orchestration.signing.keys import load_private_key, load_public_key

RECORDED = Path(__file__).resolve().parents[2] / "data" / "cosign.json"


@pytest.fixture(scope="module")
def cosign() -> dict[str, Any]:
    return json.loads(RECORDED.read_text())


def test_a_key_that_cosign_made_is_read(cosign) -> None:
    signer = load_private_key(cosign["private_key"], cosign["password"])
    assert signer.public_key == load_public_key(cosign["public_key"])


def test_an_older_signature_of_cosign_verifies(cosign) -> None:
    payload, signature = cosign["legacy"]["payload"].encode(), base64.b64decode(cosign["legacy"]["signature"])
    key = load_public_key(cosign["public_key"])

    assert key.verifies(signature, payload)
    assert not key.verifies(signature, payload.replace(b"null", b"{}"))


def test_we_would_sign_the_same_payload(cosign) -> None:
    payload = cosign["legacy"]["payload"]
    name = json.loads(payload)["critical"]["identity"]["docker-reference"]

    assert legacy.payload_for(Reference.parse(name), cosign["digest"]).decode() == payload


def test_an_attestation_of_cosign_verifies(cosign) -> None:
    [bundle] = cosign["bundles"]
    key = load_public_key(cosign["public_key"])

    statement = verify_bundle(json.dumps(bundle).encode(), [key])

    assert statement.is_about(cosign["digest"])
    assert statement.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement.predicate["result"] == "PASSED"
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"PASSED", b"FAILED")
    bundle = {**bundle, "dsseEnvelope": {**bundle["dsseEnvelope"], "payload": base64.b64encode(payload).decode()}}
    with pytest.raises(VerificationError):
        verify_bundle(json.dumps(bundle).encode(), [key])
