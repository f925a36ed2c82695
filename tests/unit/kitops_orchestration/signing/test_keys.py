from __future__ import annotations

import base64
import json
import stat

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing import cosign_key
from kitops_orchestration.signing.keys import generate_key_pair, load_private_key, load_public_key


def public_pem(key) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def private_pem(key, form=serialization.PrivateFormat.PKCS8) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize("key_format", ["cosign", "pkcs8"])
@pytest.mark.parametrize("password", [None, "s3cret"])
def test_a_new_key_pair_is_read_again(tmp_path, key_format, password) -> None:
    pair = generate_key_pair(password, key_format=key_format)
    private_path, public_path = pair.write(tmp_path / "cosign")

    signer = load_private_key(private_path, password)

    assert signer.public_key == load_public_key(public_path) == pair.public_key
    assert stat.S_IMODE(private_path.stat().st_mode) == 0o600
    assert private_path.name == "cosign.key"


def test_a_key_pair_is_never_overwritten(tmp_path) -> None:
    first = generate_key_pair(key_format="pkcs8")
    private_path, _ = first.write(tmp_path / "k")

    with pytest.raises(SignatureError, match="cannot write"):
        generate_key_pair(key_format="pkcs8").write(tmp_path / "k")
    assert private_path.read_bytes() == first.private_pem


def test_half_a_key_pair_is_not_left(tmp_path) -> None:
    (tmp_path / "k.pub").write_text("somebody's")

    with pytest.raises(SignatureError, match="cannot write"):
        generate_key_pair(key_format="pkcs8").write(tmp_path / "k")
    assert not (tmp_path / "k.key").exists()
    assert (tmp_path / "k.pub").read_text() == "somebody's"


def test_a_key_comes_from_the_environment_by_the_name_given(monkeypatch) -> None:
    pair = generate_key_pair("s3cret")
    monkeypatch.setenv("TEAM_KEY", pair.private_pem.decode())
    monkeypatch.setenv("TEAM_PASSWORD", "s3cret")

    assert load_private_key("env://TEAM_KEY", password_env="TEAM_PASSWORD").public_key == pair.public_key
    with pytest.raises(SignatureError, match="NO_SUCH_NAME is not set"):
        load_private_key("env://NO_SUCH_NAME")


def test_a_sec1_key_is_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = load_private_key(private_pem(key, serialization.PrivateFormat.TraditionalOpenSSL))

    assert signer.public_key.pem == public_pem(key)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["p384", "ed25519"],
)
def test_signing_is_with_p256_alone(key) -> None:
    with pytest.raises(SignatureError, match="P-256"):
        load_private_key(private_pem(key))


DATA = b"what is signed"
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA, ED = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (P256, P256.sign(DATA, ec.ECDSA(hashes.SHA256()))),
        (P384, P384.sign(DATA, ec.ECDSA(hashes.SHA384()))),
        (P384, P384.sign(DATA, ec.ECDSA(hashes.SHA256()))),
        (RSA, RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA256())),
        (ED, ED.sign(DATA)),
    ],
    ids=["p256", "p384-sha384", "p384-sha256", "rsa", "ed25519"],
)
def test_the_listed_algorithms_verify(key, signature) -> None:
    public = load_public_key(public_pem(key))

    assert public.verifies(signature, DATA)
    assert not public.verifies(signature, DATA + b".")
    assert not public.verifies(b"", DATA)
    assert not public.verifies(b"\x30\x06\x02\x01\x00\x02\x01\x00", DATA)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024)],
    ids=["p521", "rsa-1024"],
)
def test_other_public_keys_are_refused(key) -> None:
    with pytest.raises(SignatureError, match="not accepted"):
        load_public_key(public_pem(key))


def test_the_same_text_is_signed_the_same_way_each_time() -> None:
    signer = generate_key_pair(key_format="pkcs8").signer
    assert signer.sign(DATA) == signer.sign(DATA)


def test_a_wrong_password_is_one_clear_error() -> None:
    pair = generate_key_pair("right-password")
    with pytest.raises(SignatureError, match="password") as caught:
        load_private_key(pair.private_pem, "wrong-password")
    assert "wrong-password" not in str(caught.value)


def test_a_wrong_password_of_pkcs8_is_one_clear_error() -> None:
    pair = generate_key_pair("right-password", key_format="pkcs8")
    for password in ("wrong-password", None):
        with pytest.raises(SignatureError, match="private key"):
            load_private_key(pair.private_pem, password)


def tampered(**changes) -> bytes:
    pem = generate_key_pair("x").private_pem
    value = json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))
    for path, change in changes.items():
        place = value
        *parents, last = path.split("__")
        for name in parents:
            place = place[name]
        place[last] = change
    name = cosign_key.PEM_TYPES[0]
    body = base64.b64encode(json.dumps(value).encode()).decode()
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n".encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf__params__N": 1 << 30},
        {"kdf__params__N": 1024},
        {"kdf__params__r": 9},
        {"kdf__params__p": 64},
        {"kdf__name": "argon2"},
        {"cipher__name": "aes"},
        {"kdf__salt": "AAAA"},
        {"ciphertext": "!"},
        {"ciphertext": "AAAA"},
        {"kdf": None},
    ],
    ids=str,
)
def test_an_encrypted_key_of_another_form_is_refused_before_any_work(changes) -> None:
    with pytest.raises(SignatureError):
        load_private_key(tampered(**changes), "x")


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_one_clear_error(tmp_path, text) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(SignatureError, match=str(path)):
        load_private_key(path)
    with pytest.raises(SignatureError, match=str(path)):
        load_public_key(path)


def test_a_private_key_is_never_shown() -> None:
    pair = generate_key_pair(key_format="pkcs8")
    secret = pair.private_pem.decode().splitlines()[1]
    for text in (repr(pair), repr(pair.signer), str(pair.to_json()), pair.to_markdown()):
        assert secret not in text
    broken = pair.private_pem.decode().replace("-----END", "----END")
    with pytest.raises(SignatureError) as caught:
        load_private_key(broken)
    assert secret not in str(caught.value)
