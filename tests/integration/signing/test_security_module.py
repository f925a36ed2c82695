"""Keys in a security module (SoftHSM): they never leave it, and sign wherever a private key does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing import load_public_key, load_signer

from .conftest import PIN


def make_key(module: str, label: str, kind: str = "secp256r1", key_id: bytes = b"\x02") -> str:
    """Make a key pair in the token; returns its URI."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    token = pkcs11.lib(module).get_token(token_label="release")
    with token.open(rw=True, user_pin=PIN) as session:
        if kind == "rsa":
            session.generate_keypair(pkcs11.KeyType.RSA, 2048, label=label, id=key_id, store=True)
        else:
            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(kind)},
                local=True,
            )
            parameters.generate_keypair(label=label, id=key_id, store=True)
    return f"pkcs11:token=release;object={label}?module-path={module}"


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("secp256r1", "ecdsa-p256"), ("secp384r1", "ecdsa-p384"), ("secp521r1", "ecdsa-p521"), ("rsa", "rsa")],
)
def test_a_key_in_a_token_signs_what_its_public_key_verifies(softhsm, client, kit, kind, algorithm) -> None:
    uri = make_key(softhsm, "signing", kind)
    signer = load_signer(uri, PIN)
    assert signer.public_key.algorithm == algorithm
    client.sign("team/iris:v1", signer)
    assert client.verify("team/iris:v1", key=signer.public_key).is_verified
    again = client.sign("team/iris:v1", load_signer(uri, PIN))
    assert [item.is_new for item in again.signatures] == [False, False]


def test_keys_are_told_apart_by_id(softhsm, monkeypatch) -> None:
    monkeypatch.setenv("COSIGN_PKCS11_PIN", PIN)
    monkeypatch.setenv("COSIGN_PKCS11_MODULE_PATH", softhsm)
    make_key(softhsm, "same", key_id=b"\x01")
    make_key(softhsm, "same", key_id=b"\x02")
    one, two = load_signer("pkcs11:token=release;id=%01"), load_signer("pkcs11:token=release;id=%02")
    assert one.public_key != two.public_key
    assert one.public_key.verifies(one.sign(b"words"), b"words")
    with pytest.raises(SignatureError, match="several such keys"):
        load_signer("pkcs11:token=release;object=same")


def test_the_pin_comes_from_a_file(softhsm, tmp_path) -> None:
    uri = make_key(softhsm, "signing")
    (tmp_path / "pin").write_text(f"{PIN}\n")
    assert load_signer(f"{uri}&pin-source=file:{tmp_path}/pin").sign(b"words")


def test_a_worker_that_was_forked_signs_as_well(softhsm) -> None:
    signer = load_signer(make_key(softhsm, "signing"), PIN)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        result = b"no"
        try:
            result = b"yes" if signer.public_key.verifies(signer.sign(b"words"), b"words") else b"no"
        finally:
            os.write(write, result)
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    assert os.read(read, 3) == b"yes"
    os.close(read)
    assert signer.sign(b"words")  # and the parent still does


@pytest.mark.parametrize(
    ("change", "pin", "words"),
    [
        (("object=signing", "object=other"), PIN, "no such key"),
        (("token=release", "token=other"), PIN, "no such token"),
        (("", ""), "9999", "does not accept the PIN"),
        (("libsofthsm2", "libnothing"), PIN, "there is no module"),
        (("object=signing", "objekt=signing"), PIN, "'objekt' is unknown"),
        ((";object=signing", ""), PIN, "no key is named"),
        (("?module-path=", "?pin-value=1234&module-path="), PIN, "a PIN does not belong into the URI"),
    ],
)
def test_each_failure_says_which_of_the_things_it_was(softhsm, change, pin, words) -> None:
    uri = make_key(softhsm, "signing").replace(*change) if change[0] else make_key(softhsm, "signing")
    with pytest.raises(SignatureError, match=words) as caught:
        load_signer(uri, pin)
    assert caught.value.advice


def test_a_pin_in_the_uri_is_in_no_message(softhsm) -> None:
    uri = make_key(softhsm, "signing").replace("?", "?pin-value=4711-0815&")
    with pytest.raises(SignatureError) as caught:
        load_signer(uri)
    assert "4711-0815" not in str(caught.value)


def test_a_curve_that_is_not_accepted_is_named(softhsm) -> None:
    with pytest.raises(SignatureError, match="ECDSA on secp256k1"):
        load_signer(make_key(softhsm, "signing", "secp256k1"), PIN)


def test_the_pin_is_in_no_repr(softhsm) -> None:
    signer: Any = load_signer(make_key(softhsm, "signing"), "1234")
    assert PIN not in repr(signer).replace(str(Path(softhsm)), "")
    assert PIN not in repr(signer._key)


def test_the_public_key_verifies_without_the_token(softhsm, client, kit, tmp_path) -> None:
    uri = make_key(softhsm, "signing")
    client.sign("team/iris:v1", load_signer(uri, PIN))
    (tmp_path / "release.pub").write_text(load_signer(uri, PIN).public_key.pem)
    assert client.verify("team/iris:v1", key=load_public_key(tmp_path / "release.pub")).is_verified
