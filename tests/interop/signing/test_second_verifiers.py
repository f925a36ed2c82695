"""What we sign is what others verify, and the other way round."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from kitops_orchestration.lineage.statements import Approval, statement_about
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import sign_statement
from kitops_orchestration.signing.directory import SIGNATURE_FILE, sign_directory, verify_directory
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.statement import Statement

DIGEST = "sha256:" + "a" * 64
VECTORS = Path(__file__).resolve().parents[2] / "data" / "signing.json"


@pytest.fixture(scope="module")
def pair():
    return generate_key_pair(key_format="pkcs8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small unpacked ModelKit, with the file names that go wrong."""
    folder = tmp_path / "iris"
    for name, content in {
        "Kitfile": b"manifestVersion: 1.0.0\n",
        "model/MLmodel": b"flavors: {}\n",
        "model-card.md": b"# Iris\n",
        "model/empty": b"",
        "model/ä b.bin": bytes(range(256)),
        ".gitignore": b"*.tmp\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    "statement",
    [
        Statement.build(DIGEST, predicate_types.SIGNATURE, {}),
        statement_about(DIGEST, Approval("APPROVED", environment="production", comment="größer & <besser>")),
    ],
    ids=["signature", "approval"],
)
def test_npm_sigstore_accepts_our_bundles(npm_verify, pair, statement) -> None:
    bundle = json.loads(sign_statement(statement, pair.signer))

    assert npm_verify(pair.public_key.pem, bundle) == {"verified": True}


@pytest.mark.parametrize("name", ["bundle_v03", "attestation_v01"])
def test_npm_sigstore_reads_the_vectors_as_we_do(npm_verify, name) -> None:
    vectors = json.loads(VECTORS.read_text())
    bundle = vectors[name].get("bundle", vectors[name])
    tampered = copy.deepcopy(bundle)
    tampered["dsseEnvelope"]["signatures"][0]["sig"] = vectors["legacy"]["signature_b64"]

    assert npm_verify(vectors["public_key_pem"], bundle) == {"verified": True}
    assert not npm_verify(vectors["public_key_pem"], tampered)["verified"]


def test_npm_sigstore_refuses_what_we_refuse(npm_verify, pair) -> None:
    bundle = json.loads(sign_statement(Statement.build(DIGEST, predicate_types.SIGNATURE, {}), pair.signer))
    other = generate_key_pair(key_format="pkcs8").public_key.pem
    tampered = copy.deepcopy(bundle)
    tampered["dsseEnvelope"]["payload"] = "e30="

    assert not npm_verify(other, bundle)["verified"]
    assert not npm_verify(pair.public_key.pem, tampered)["verified"]


def test_model_signing_accepts_our_directory_signature(model_signing, pair, folder, tmp_path) -> None:
    public = tmp_path / "key.pub"
    public.write_text(pair.public_key.pem)
    (folder / SIGNATURE_FILE).write_bytes(sign_directory(folder, pair.signer))
    arguments = ("verify", "key", folder, "--signature", folder / SIGNATURE_FILE, "--public_key", public)

    done = model_signing(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr

    (folder / "model" / "MLmodel").write_bytes(b"changed")
    assert model_signing(*arguments).returncode != 0


def test_we_accept_the_directory_signature_of_model_signing(model_signing, pair, folder, tmp_path) -> None:
    private = tmp_path / "key"
    private.write_bytes(pair.private_pem)
    signature = tmp_path / "model.sig"
    done = model_signing("sign", "key", folder, "--signature", signature, "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr

    assert verify_directory(folder, signature.read_bytes(), key=pair.public_key).is_verified

    (folder / "added").write_bytes(b"")
    result = verify_directory(folder, signature.read_bytes(), key=pair.public_key)
    assert not result.is_verified
    assert result.changes.added == ("added",)
