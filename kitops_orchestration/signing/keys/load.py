"""Where a key is: in a file, a text or a variable, or in a service that never gives it away."""

from __future__ import annotations

from kitops_orchestration.signing.keys import service
from kitops_orchestration.signing.keys.files import KeySource
from kitops_orchestration.signing.keys.local import load_private_key
from kitops_orchestration.signing.keys.public_key import PublicKey, Signer, read_public_key


def load_signer(source: KeySource, password: str | bytes | None = None, *, password_env: str | None = None) -> Signer:
    """Return what signs: a key of a service by its URI, or a private key as :func:`load_private_key` reads it.

    URIs are ``awskms:///…``, ``gcpkms://…``, ``azurekms://…``, ``hashivault://…`` (extra ``kms``) and ``pkcs11:…``
    (extra ``hsm``).  The public key is fetched at once; the service is asked again for each signature.  ``password`` is
    the PIN of a security module.

    Raises:
        SignatureError: no key there, or one that cannot sign; the message says which of the things it is.
        SigningServiceUnavailableError: the service does not answer.
        MissingExtraError: the extra is not installed.
    """
    if service.is_key_uri(source):
        return service.open_key(str(source), password, password_env=password_env)
    return load_private_key(source, password, password_env=password_env)


def load_public_key(source: KeySource) -> PublicKey:
    """Read a verifying key: PEM, the line of an OpenSSH ``.pub`` file, a certificate, or the URI of a service's key.

    Of a certificate the key is taken, and neither the dates nor the issuer are looked at: a trust policy names the
    key, and its own dates.

    Raises:
        SignatureError: no key there, or one that is not P-256, P-384, P-521, RSA (2048 bits or more) or Ed25519.
    """
    return service.open_key(str(source)).public_key if service.is_key_uri(source) else read_public_key(source)
