from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from nacl.bindings import (
    crypto_sign_ed25519ph_final_create,
    crypto_sign_ed25519ph_state,
    crypto_sign_ed25519ph_update,
)

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.keys import cosign_key, generate_key_pair, kinds, load_private_key, load_public_key


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


DATA = b"what is signed"
KEYS = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
WRITTEN = {"rsa": (padding.PKCS1v15(), hashes.SHA256()), "ed25519": ()}


def prehashed(key, data: bytes) -> bytes:
    raw = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    state = crypto_sign_ed25519ph_state()
    crypto_sign_ed25519ph_update(state, data)
    return crypto_sign_ed25519ph_final_create(state, raw)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("p256", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA256()))),
        ("p384", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA384()))),
        ("p384", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA256()))),
        ("p521", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA512()))),
        ("p521", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA256()))),
        ("rsa", lambda key: key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())),
        ("ed25519", lambda key: key.sign(DATA)),
        ("ed25519", lambda key: prehashed(key, DATA)),
    ],
    ids=["p256", "p384-sha384", "p384-sha256", "p521-sha512", "p521-sha256", "rsa", "ed25519", "ed25519ph"],
)
def test_the_listed_forms_verify(kind, sign) -> None:
    public, signature = load_public_key(public_pem(KEYS[kind])), sign(KEYS[kind])

    assert public.verifies(signature, DATA)
    assert not public.verifies(signature, DATA + b".")
    assert not public.verifies(bytes([*signature[:-1], signature[-1] ^ 1]), DATA)
    assert not public.verifies(b"", DATA)
    assert not public.verifies(b"\x30\x06\x02\x01\x00\x02\x01\x00", DATA)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("p256", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA384()))),
        ("p521", lambda key: key.sign(DATA, ec.ECDSA(hashes.SHA384()))),
        ("rsa", lambda key: key.sign(DATA, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())),
        ("rsa", lambda key: key.sign(DATA, padding.PKCS1v15(), hashes.SHA1())),
    ],
    ids=["p256-sha384", "p521-sha384", "rsa-pss", "rsa-sha1"],
)
def test_other_forms_do_not_verify(kind, sign) -> None:
    assert not load_public_key(public_pem(KEYS[kind])).verifies(sign(KEYS[kind]), DATA)


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_signs_in_the_form_that_every_verifier_reads(kind) -> None:
    key = KEYS[kind]
    signer = load_private_key(private_pem(key))

    signature = signer.sign(DATA)

    assert signature == signer.sign(DATA)
    key.public_key().verify(signature, DATA, *WRITTEN.get(kind, (ec.ECDSA(hashes.SHA256()),)))
    assert signer.public_key.verifies(signature, DATA)


@pytest.mark.parametrize("key_format", ["cosign", "pkcs8"])
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_new_key_pair_is_of_the_kind_that_was_asked_for(tmp_path, kind, key_format) -> None:
    private_path, public_path = generate_key_pair("pw", key_format=key_format, kind=kind).write(tmp_path / "k")

    signer = load_private_key(private_path, "pw")

    assert signer.public_key.algorithm.endswith(kind)
    assert load_public_key(public_path).verifies(signer.sign(DATA), DATA)


OTHERS = {
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    "brainpool": (lambda: ec.generate_private_key(ec.BrainpoolP256R1()), "brainpoolP256r1"),
    "rsa-1024": (lambda: rsa.generate_private_key(65537, 1024), "RSA of 1024 bits"),
    "ed448": (ed448.Ed448PrivateKey.generate, "Ed448"),
    "dsa": (lambda: dsa.generate_private_key(2048), "DSA"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_are_refused_by_name(name) -> None:
    make, shown = OTHERS[name]
    key = make()

    for read in (lambda: load_public_key(public_pem(key)), lambda: load_private_key(private_pem(key))):
        with pytest.raises(SignatureError, match=f"is .*{shown}, which is not accepted"):
            read()


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("password", [None, "for another key"])
def test_a_key_of_openssh_is_read(kind, password) -> None:
    key = KEYS[kind]
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)

    signer = load_private_key(private_pem(key, serialization.PrivateFormat.OpenSSH), password)

    assert signer.public_key.pem == public_pem(key)
    assert load_public_key(line + b" ada@example.com\n") == signer.public_key


def test_why_an_encrypted_key_of_openssh_cannot_be_read_is_said() -> None:
    pytest.importorskip("bcrypt")
    closed = KEYS["p256"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.BestAvailableEncryption(b"right")
    )

    assert load_private_key(closed, "right").public_key.pem == public_pem(KEYS["p256"])
    with pytest.raises(SignatureError, match="encrypted and there is no password"):
        load_private_key(closed)
    with pytest.raises(SignatureError, match="password does not open it"):
        load_private_key(closed, "wrong")


@pytest.mark.parametrize("kind", KEYS)
def test_the_key_of_a_certificate_verifies(kind) -> None:
    key = KEYS[kind]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "release")])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, moment, moment + timedelta(days=1))
        .sign(key, None if kind == "ed25519" else hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )

    assert load_public_key(certificate).verifies(load_private_key(private_pem(key)).sign(DATA), DATA)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no key at all", "not PEM"),
        (private_pem(KEYS["p256"]), "holds a private key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate in it is damaged"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "damaged"),
        ("ssh-ed25519 AAAA nobody", "OpenSSH"),
    ],
    ids=["text", "private key", "certificate", "PEM", "OpenSSH"],
)
def test_what_a_file_without_a_public_key_holds_is_said(tmp_path, content, reason) -> None:
    path = tmp_path / "some.pub"
    path.write_text(content)
    with pytest.raises(SignatureError, match=reason) as caught:
        load_public_key(path)
    assert content.splitlines()[1:2] == [] or content.splitlines()[1] not in str(caught.value)


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


OPEN = {
    "PKCS#8": serialization.PrivateFormat.PKCS8,
    "SEC 1": serialization.PrivateFormat.TraditionalOpenSSL,
}


@pytest.mark.parametrize("form", OPEN)
@pytest.mark.parametrize("password", ["pw", "", None, "a password for another key"])
def test_a_password_that_is_set_for_other_keys_does_not_close_an_open_one(monkeypatch, form, password) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    if password is None:
        monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    else:
        monkeypatch.setenv("COSIGN_PASSWORD", password)
    signer = load_private_key(private_pem(key, OPEN[form]), password_env="COSIGN_PASSWORD")
    assert signer.public_key.pem == public_pem(key)


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "SEC 1"]
)
def test_why_a_private_key_cannot_be_read_is_said(form) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    closed = key.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"right")
    ).decode()
    assert load_private_key(closed, "right").public_key.pem == public_pem(key)
    with pytest.raises(SignatureError, match="encrypted and there is no password"):
        load_private_key(closed)
    with pytest.raises(SignatureError, match="password does not open it") as caught:
        load_private_key(closed, "hunter2-is-wrong")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no key at all", "not PEM"),
        ("", "not PEM"),
        (public_pem(ec.generate_private_key(ec.SECP256R1())), "something else"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "something else"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        ("-----BEGIN EC PRIVATE KEY-----\n!!\n-----END EC PRIVATE KEY-----\n", "damaged"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "OpenSSH"),
    ],
    # Every worker of pytest-xdist has to give a test the same name, and each makes another key.
    ids=["text", "nothing", "public key", "certificate", "PKCS8", "SEC1", "OpenSSH"],
)
@pytest.mark.parametrize("password", [None, "pw"])
def test_what_a_file_without_a_private_key_holds_is_said(tmp_path, content, reason, password) -> None:
    path = tmp_path / "some.key"
    path.write_text(content)
    with pytest.raises(SignatureError, match=reason):
        load_private_key(path, password)


def test_cosigns_key_with_a_wrong_or_no_password_says_so() -> None:
    pem = generate_key_pair("right").private_pem.decode()
    for password in (None, "", "wrong"):
        with pytest.raises(SignatureError, match="password does not open"):
            load_private_key(pem, password)
