"""Kinds of keys: which are accepted, which forms of signature each is read in, and the one that is written.

What cosign writes and what it reads without a flag differ for P-384, P-521 (the curve's own hash, then SHA-256) and
Ed25519 (prehashed, then pure).  Both are read here, and written is what every verifier reads without a flag.  Every
signature is deterministic, so that signing twice gives the same bytes.
Source: FIPS 186-5, RFC 6979, RFC 8032 sections 5.1 and 8.5; cosign 3.1, tried.
"""

from __future__ import annotations

from typing import Any, Literal

from kitops_orchestration.errors import MissingExtraError

Algorithm = Literal["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa", "ed25519"]
KeyKind = Literal["p256", "p384", "p521", "ed25519", "rsa"]
KINDS: tuple[KeyKind, ...] = ("p256", "p384", "p521", "ed25519", "rsa")
ACCEPTED = "ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits"

_MIN_RSA_BITS = 2048
_NEW_RSA_BITS = 3072
_ED25519_SIGNATURE_BYTES = 64
_CURVES: dict[str, Algorithm] = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384", "secp521r1": "ecdsa-p521"}


def algorithm_of(key: Any) -> Algorithm | None:
    """Return the algorithm of a private or public key of the library; ``None`` where it is not accepted."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name)
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return "rsa" if key.key_size >= _MIN_RSA_BITS else None
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey) else None


def name_of(key: Any) -> str:
    """Return what a key is, for a message: ``ECDSA on secp256k1``, ``RSA of 1024 bits``, ``Ed448``."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"ECDSA on {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return f"RSA of {key.key_size} bits"
    return type(key).__name__.strip("_").removesuffix("PublicKey").removesuffix("PrivateKey")


def make(kind: KeyKind) -> Any:
    """Make a private key of the library; RSA gets 3072 bits."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        return rsa.generate_private_key(65537, _NEW_RSA_BITS)
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def sign(key: Any, algorithm: Algorithm, data: bytes) -> bytes:
    """Return the signature that every verifier reads: with SHA-256 (DER, or PKCS #1 v1.5), or pure Ed25519."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    if algorithm == "ed25519":
        return bytes(key.sign(data))
    if algorithm == "rsa":
        return bytes(key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    return bytes(key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))


def verifies(key: Any, algorithm: Algorithm, signature: bytes, data: bytes) -> bool:
    """Tell whether a public key of the library verifies ``signature`` in one of the forms that are read."""
    from cryptography.exceptions import InvalidSignature

    for arguments in _verify_arguments(algorithm):
        try:
            key.verify(signature, data, *arguments)
        except InvalidSignature:
            continue
        return True
    return algorithm == "ed25519" and _verifies_prehashed(key.public_bytes_raw(), signature, data)


def _verify_arguments(algorithm: Algorithm) -> list[tuple[Any, ...]]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    if algorithm == "ed25519":
        return [()]
    if algorithm == "rsa":
        return [(padding.PKCS1v15(), hashes.SHA256())]
    own: dict[str, hashes.HashAlgorithm] = {"ecdsa-p384": hashes.SHA384(), "ecdsa-p521": hashes.SHA512()}
    forms = [own[algorithm], hashes.SHA256()] if algorithm in own else [hashes.SHA256()]
    return [(ec.ECDSA(form),) for form in forms]


def _verifies_prehashed(raw_key: bytes, signature: bytes, data: bytes) -> bool:
    """Verify Ed25519ph with an empty context, which is what cosign writes and neither OpenSSL nor cryptography has."""
    if len(signature) != _ED25519_SIGNATURE_BYTES:
        return False
    try:
        from nacl.bindings import (
            crypto_sign_ed25519ph_final_verify,
            crypto_sign_ed25519ph_state,
            crypto_sign_ed25519ph_update,
        )
        from nacl.exceptions import BadSignatureError
    except ImportError as error:
        raise MissingExtraError("Ed25519 signatures of cosign need PyNaCl", extra="signing") from error
    state = crypto_sign_ed25519ph_state()
    crypto_sign_ed25519ph_update(state, data)
    try:
        return bool(crypto_sign_ed25519ph_final_verify(state, signature, raw_key))
    except BadSignatureError:
        return False
