"""Google Cloud KMS: ``gcpkms://projects/…/cryptoKeys/NAME/cryptoKeyVersions/N``, with the default credentials."""

from __future__ import annotations

import re
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.keys.public_key import PublicKey, read_public_key
from kitops_orchestration.signing.keys.service import P256, Trouble

_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+/cryptoKeyVersions/[0-9]+")
_ROLES = "roles/cloudkms.signer and roles/cloudkms.publicKeyViewer are needed"


class GoogleKey:
    """A key version of Cloud KMS through securesystemslib, which sends the digest alone."""

    def __init__(self, signer: Any) -> None:
        self._signer = signer
        self.public_key: PublicKey = read_public_key(signer.public_key.keyval["public"])

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``."""
        return bytes.fromhex(self._signer.sign(data).signature)


def open_key(rest: str, _secret: str | None) -> GoogleKey:
    """Fetch the public key of the version that is named."""
    if _NAME.fullmatch(rest) is None:
        raise SignatureError(
            "not the name of a key version",
            advice="write gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N",
        )
    from google.cloud import kms  # noqa: F401 - securesystemslib says nothing of which package it lacks
    from securesystemslib.signer import GCPSigner

    return GoogleKey(GCPSigner.from_priv_key_uri(*GCPSigner.import_(rest)))


def explain(error: Exception) -> Trouble | None:
    """Return what an error of Google's libraries or securesystemslib means."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError
    from securesystemslib.exceptions import UnsupportedAlgorithmError

    if isinstance(error, TransportError | exceptions.ServerError | exceptions.RetryError | exceptions.TooManyRequests):
        return Trouble("Cloud KMS does not answer", "try again", is_passing=True)
    if isinstance(error, GoogleAuthError | exceptions.Unauthorized):
        return Trouble(
            "there are no credentials for Google Cloud", "give a service account: GOOGLE_APPLICATION_CREDENTIALS, …"
        )
    if isinstance(error, exceptions.NotFound):
        return Trouble("there is no such key version", "check its name and its project")
    if isinstance(error, exceptions.Forbidden):
        return Trouble("these credentials may not use it", _ROLES)
    if isinstance(error, UnsupportedAlgorithmError | exceptions.BadRequest):
        return Trouble("the key is disabled, or not one for signatures of a kind that is accepted", P256)
    return None
