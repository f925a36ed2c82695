"""Azure Key Vault: ``azurekms://VAULT.vault.azure.net/KEY``, with Azure's default credentials; EC keys alone."""

from __future__ import annotations

import re
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.keys.public_key import PublicKey, read_public_key
from kitops_orchestration.signing.keys.service import P256, Trouble

_HOST = ".vault.azure.net"
_VAULT = re.compile(r"[0-9A-Za-z-]+\.vault\.azure\.net")
"""Letters, digits and hyphens: a '#' or '?' before the end would make another host of it."""
_ROLE = "the role Key Vault Crypto User is needed"


class AzureKey:
    """A key of a vault through securesystemslib, which sends the digest alone."""

    def __init__(self, signer: Any) -> None:
        self._signer = signer
        self.public_key: PublicKey = read_public_key(signer.public_key.keyval["public"])

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``, in DER."""
        return bytes.fromhex(self._signer.sign(data).signature)


def open_key(rest: str, _secret: str | None) -> AzureKey:
    """Fetch the public key; a version that is named has to be the newest, which is the only one the library knows."""
    vault, name, version = key_name(rest)
    from azure.keyvault import keys  # noqa: F401 - securesystemslib says nothing of which package it lacks
    from securesystemslib.signer import AzureSigner

    uri, public = AzureSigner.import_(vault, name)
    if version is not None and uri.rpartition("/")[2] != version:
        raise SignatureError(f"version {version} is not the newest", advice="name the newest version, or none")
    return AzureKey(AzureSigner.from_priv_key_uri(uri, public))


def key_name(rest: str) -> tuple[str, str, str | None]:
    """Return vault, key and version (or ``None``) of ``VAULT.vault.azure.net/KEY[/VERSION]``."""
    host, *parts = rest.split("/")
    if _VAULT.fullmatch(host) is None or not all(parts) or len(parts) not in (1, 2):
        raise SignatureError(
            "not the name of a key in Azure's public cloud",
            advice=f"write azurekms://VAULT{_HOST}/KEY or azurekms://VAULT{_HOST}/KEY/VERSION",
        )
    return host.removesuffix(_HOST), parts[0], parts[1] if len(parts) > 1 else None


def explain(error: Exception) -> Trouble | None:
    """Return what an error of Azure's libraries or securesystemslib means."""
    from azure.core import exceptions

    if isinstance(error, exceptions.ClientAuthenticationError):
        return Trouble(
            "there are no credentials for Azure", "give them as for the az command: az login, AZURE_CLIENT_ID, …"
        )
    if isinstance(error, exceptions.ResourceNotFoundError):
        return Trouble("there is no such key", "check the name of the vault and of the key")
    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return Trouble("the vault does not answer", "check its name and the network", is_passing=True)
    if isinstance(error, exceptions.HttpResponseError):
        return Trouble(f"the vault answers with status {error.status_code}", _ROLE)
    return (
        Trouble("a key of this kind is not accepted from Azure", P256)
        if type(error).__name__ == ("UnsupportedKeyType")
        else None
    )
