"""Keys that nobody can copy: in a key management service, or in a hardware security module, named by a URI.

Whatever the service answers is verified with its public key before it is used, so that a key of the wrong kind, or a
service that signs in another form, is one clear error and no signature that nobody can verify.  Such signatures differ
each time; that signing again adds nothing rests on the same payload and the same key being there already.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kitops_orchestration.errors import KitOpsError, MissingExtraError, SignatureError, SigningServiceUnavailableError
from kitops_orchestration.settings import env
from kitops_orchestration.signing.keys import kinds

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys.public_key import PublicKey

_URI = re.compile(r"(?:(awskms|gcpkms|azurekms|hashivault)://|(pkcs11):)(.+)", re.DOTALL)
_SHOWN = ("token", "object", "id", "serial", "slot-id")
"""What of the name of a key in a security module is in messages; anything else may be a misspelt PIN."""
_MODULES = {"awskms": "aws", "gcpkms": "google", "azurekms": "azure", "hashivault": "vault", "pkcs11": "pkcs11"}
_EXTRAS = {"pkcs11": "hsm"}
FORMS = "awskms:///alias/NAME, gcpkms://projects/…, azurekms://VAULT.vault.azure.net/KEY, hashivault://NAME, pkcs11:…"
P256 = "use a key for signatures on P-256, which every verifier reads"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error of a service's library means, in words for people."""

    reason: str
    advice: str
    is_passing: bool = False
    """True where the same call may succeed later."""


class ServiceKey(Protocol):
    """A key behind one library; its errors are the library's own."""

    @property
    def public_key(self) -> PublicKey:
        """The public half, as the service gave it."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: DER for ECDSA."""
        ...


class ServiceSigner:
    """Signs with a key of a service; holds no secret, and asks the service each time."""

    def __init__(self, uri: str, key: ServiceKey, module: Any) -> None:
        self._uri = shown(uri)
        self._key = key
        self._module = module

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        return self._key.public_key

    def sign(self, data: bytes) -> bytes:
        """Return a signature over ``data`` that verifies; another one each time.

        Raises:
            SignatureError: the service refuses, or what it made does not verify.
            SigningServiceUnavailableError: it does not answer.
        """
        try:
            signature = self._key.sign(data)
        except Exception as error:  # each service's library has its own root
            raise _explained("cannot sign with", self._uri, self._module, error) from error
        if not self.public_key.verifies(signature, data):
            raise SignatureError(
                f"{self._uri} made a signature that its own public key does not verify in a form that is read here",
                advice=P256,
            )
        return signature

    def __repr__(self) -> str:
        return f"ServiceSigner({self._uri}, {self.public_key.fingerprint})"


def is_key_uri(source: object) -> bool:
    """Tell whether this names a key of a service rather than a file or a text."""
    return isinstance(source, str) and _URI.match(source) is not None


def shown(uri: str) -> str:
    """Return the name of a key fit for messages: without user, password, query, and attributes that are unknown."""
    found = _URI.fullmatch(uri)
    if found is None:
        return "…"
    if found[2]:
        path = found[3].partition("?")[0].split(";")
        return f"{found[2]}:{';'.join(item for item in path if item.partition('=')[0] in _SHOWN)}"
    return f"{found[1]}://{re.split('[?#]', found[3].rpartition('@')[2])[0]}"


def refuse_places(source: object) -> None:
    """Refuse the URI of a key that says which program is loaded, which file is read or which host is asked.

    For names that somebody else than the machine's owner writes: a library is code, and a request is signed with the
    machine's credentials.

    Raises:
        SignatureError: it says so.
    """
    found = _URI.fullmatch(source) if isinstance(source, str) else None
    if found is None:
        return
    if found[2] and "?" in found[3]:
        raise SignatureError(
            f"{shown(found[0])} has module-path or pin-source, which only the machine's own configuration names",
            advice="set COSIGN_PKCS11_MODULE_PATH and COSIGN_PKCS11_PIN where it runs, and write nothing after a '?'",
        )
    if found[1] == "awskms" and not found[3].startswith("/"):
        raise SignatureError(
            f"{shown(found[0])} has an endpoint, which only the machine's own configuration names",
            advice="write awskms:///alias/NAME, with three slashes; AWS_ENDPOINT_URL_KMS names an endpoint",
        )


def open_key(uri: str, password: str | bytes | None = None, *, password_env: str | None = None) -> ServiceSigner:
    """Return the signer that a URI names, with its public key fetched.

    Raises:
        SignatureError: the URI cannot be understood, or there is no key there that can sign.
        SigningServiceUnavailableError: the service does not answer.
        MissingExtraError: the library of the service is not installed.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise SignatureError("not the name of a key in a service", advice=f"write it as {FORMS}")
    scheme, rest = found[1] or found[2], found[3]
    module = importlib.import_module(f"kitops_orchestration.signing.keys.{_MODULES[scheme]}")
    secret = password if password is not None or password_env is None else env(password_env)
    text = secret.decode() if isinstance(secret, bytes) else secret
    try:
        key: ServiceKey = module.open_key(rest, text)
        key.public_key  # noqa: B018 - fetched and looked at now: a key of a kind that is not accepted is told at once
    except MissingExtraError:
        raise
    except ImportError as error:
        extra = _EXTRAS.get(scheme, "kms")
        raise MissingExtraError(f"keys at {scheme}: need the packages of an extra", extra=extra) from error
    except Exception as error:  # each service's library has its own root
        raise _explained("cannot open the key", uri, module, error) from error
    return ServiceSigner(uri, key, module)


def _explained(what: str, uri: str, module: Any, error: Exception) -> KitOpsError:
    """Put an error of a library into our words; its own text may quote what is secret and is left out."""
    uri = shown(uri)
    if isinstance(error, KitOpsError):
        return SignatureError(f"{what} {uri}: {error}", advice=error.advice) if type(error) is SignatureError else error
    trouble: Trouble | None = module.explain(error)
    if trouble is None:
        trouble = Trouble(f"{type(error).__name__}", f"check the URI: {FORMS}; {kinds.ACCEPTED}")
    kind = SigningServiceUnavailableError if trouble.is_passing else SignatureError
    return kind(f"{what} {uri}: {trouble.reason}", advice=trouble.advice)
