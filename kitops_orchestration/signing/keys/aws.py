"""AWS KMS: ``awskms:///ID``, ``awskms:///ARN``, ``awskms:///alias/NAME``; credentials as boto3 finds them.

Straight through boto3: to import securesystemslib's signers imports the libraries of Google and Azure as well (2.1
against 0.5 seconds of a processor), and they know neither P-521, nor an endpoint, nor the region of an ARN.
Source: AWS KMS API reference, ``GetPublicKey`` and ``Sign``.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.oci.http.url import is_loopback
from kitops_orchestration.signing.keys.public_key import PublicKey, public_key_of
from kitops_orchestration.signing.keys.service import P256, Trouble

_REGION = 3
"""Which part of an ARN names the region."""
_PERMISSIONS = "kms:GetPublicKey and kms:Sign are needed"
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "ProfileNotFound",
    "SSOError",
)
_CODES = {
    "NotFoundException": Trouble("there is no such key", "check its name, the account and the region (AWS_REGION)"),
    "AccessDeniedException": Trouble("these credentials may not use it", _PERMISSIONS),
    "UnrecognizedClientException": Trouble("AWS does not accept the credentials", "check them, and their account"),
    "InvalidClientTokenId": Trouble("AWS does not accept the credentials", "check them, and their account"),
    "InvalidSignatureException": Trouble("AWS does not accept the credentials", "check them, and the clock"),
    "ExpiredTokenException": Trouble("the credentials have expired", "renew them"),
    "InvalidKeyUsageException": Trouble("the key is not one for signatures", P256),
    "UnsupportedOperationException": Trouble("the key is not one for signatures", P256),
    "ValidationException": Trouble("the key is not one for signatures, or its name is malformed", P256),
    "DisabledException": Trouble("the key is disabled", "enable it, or take another"),
    "KMSInvalidStateException": Trouble("the key is disabled, or about to be deleted", "enable it, or take another"),
    "ThrottlingException": Trouble("AWS asks to wait", "try again", is_passing=True),
    "KMSInternalException": Trouble("AWS has a fault of its own", "try again", is_passing=True),
    "DependencyTimeoutException": Trouble("AWS has a fault of its own", "try again", is_passing=True),
}


_FORMS = {
    "ECDSA_SHA_256": hashlib.sha256,
    "ECDSA_SHA_384": hashlib.sha384,
    "ECDSA_SHA_512": hashlib.sha512,
    "RSASSA_PKCS1_V1_5_SHA_256": hashlib.sha256,
}
"""Forms of signatures that are read here, and the hash of each; of RSA not PSS, which cosign cannot verify."""


class AwsKey:
    """A key of AWS KMS; only the digest of what is signed is sent."""

    def __init__(self, client: Any, name: str) -> None:
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        self._client, self._name = client, name
        answer = client.get_public_key(KeyId=name)
        form = next((form for form in _FORMS if form in answer["SigningAlgorithms"]), None)
        if form is None:
            raise SignatureError("the key signs in no form that is read here", advice=P256)
        self._form = form
        self.public_key: PublicKey = public_key_of(load_der_public_key(answer["PublicKey"]), "AWS KMS")

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``."""
        digest = _FORMS[self._form](data).digest()
        answer = self._client.sign(KeyId=self._name, Message=digest, MessageType="DIGEST", SigningAlgorithm=self._form)
        return bytes(answer["Signature"])


def open_key(rest: str, _secret: str | None) -> AwsKey:
    """Fetch the public key; an endpoint may stand before the name, and the region may be an ARN's."""
    import boto3

    host, _, name = rest.partition("/")
    if not name:
        raise SignatureError("no key is named", advice="write awskms:///alias/NAME, with three slashes")
    if "@" in host:
        raise SignatureError(
            "a user or password does not belong into the name of a key",
            advice="give credentials as for the aws command",
        )
    options: dict[str, str] = {}
    if host:
        options["endpoint_url"] = f"{'http' if is_loopback(host.partition(':')[0]) else 'https'}://{host}"
    if name.startswith("arn:") and name.count(":") > _REGION:
        options["region_name"] = name.split(":")[_REGION]
    return AwsKey(boto3.client("kms", **options), name)


def explain(error: Exception) -> Trouble | None:
    """Return what an error of boto3 means."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        code = str(error.response.get("Error", {}).get("Code"))
        return _CODES.get(code, Trouble(f"AWS answers {code}", _PERMISSIONS))
    if isinstance(error, exceptions.NoRegionError):
        return Trouble("no region is configured", "set AWS_REGION")
    if isinstance(error, tuple(getattr(exceptions, name) for name in _NO_CREDENTIALS)):
        return Trouble(
            "there are no credentials for AWS", "configure them as for the aws command: a role, AWS_PROFILE, …"
        )
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return Trouble("AWS KMS does not answer", "check the network and AWS_ENDPOINT_URL_KMS", is_passing=True)
    if isinstance(error, KeyError):  # the answer for a key that encrypts has no algorithms of signatures
        return Trouble("the key is not one for signatures", P256)
    return None
