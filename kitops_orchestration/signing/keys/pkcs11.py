"""Hardware security modules: ``pkcs11:token=…;object=…?module-path=…`` (RFC 7512).

Straight through python-pkcs11: securesystemslib signs on P-256 and P-384 alone there, and takes a token by label only.
A session is opened for each use and closed after it: one that is held would not outlive the fork of a worker.
Source: RFC 7512; PKCS #11 v3.0, section 5.4 (a child process initialises the module again).
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.settings import env
from kitops_orchestration.signing.keys.public_key import PublicKey, public_key_of
from kitops_orchestration.signing.keys.service import P256, Trouble

_PATH = {"token", "manufacturer", "serial", "model", "object", "id", "type", "slot-id", "library-description"}
_QUERY = {"module-path", "pin-source"}
_SECRETS = {"pin-value", "pin", "password"}
_PIN, _MODULE = "COSIGN_PKCS11_PIN", "COSIGN_PKCS11_MODULE_PATH"
_FORM = "write pkcs11:token=TOKEN;object=KEY?module-path=/usr/lib/….so"
_USE = threading.Lock()
"""Modules need not be safe for threads, and a login is the whole process's."""
_started_in: dict[str, int] = {}


def _forget_lock() -> None:
    # A thread of the parent may have held it, and no thread of the child would ever let it go.
    global _USE  # noqa: PLW0603 - one lock for the whole process
    _USE = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


class ModuleKey:
    """A private key in a token, and its public half, which the token holds too."""

    def __init__(self, where: Mapping[str, str], module: str, pin: str | None) -> None:
        self._where, self._module, self._pin = where, module, pin
        with self._session() as session:
            self.public_key: PublicKey = _public_key(session, where)

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: SHA-256, DER for ECDSA, PKCS #1 v1.5 for RSA."""
        from pkcs11 import KeyType, Mechanism, ObjectClass
        from pkcs11.util.ec import encode_ecdsa_signature

        with self._session() as session:
            key = _only_key(session, ObjectClass.PRIVATE_KEY, self._where)
            if key.key_type == KeyType.RSA:
                return bytes(key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
            raw = key.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA)
            return bytes(encode_ecdsa_signature(raw))

    @contextmanager
    def _session(self) -> Iterator[Any]:
        with _USE:
            token = _token(_library(self._module), self._where)
            with token.open(user_pin=self._pin) as session:
                yield session

    def __repr__(self) -> str:
        return f"ModuleKey({self._module})"  # without the PIN


def open_key(rest: str, secret: str | None) -> ModuleKey:
    """Find the token and the public key.

    Raises:
        SignatureError: the URI has unknown or missing parts, or holds a PIN.
    """
    where, query = parse_uri(rest)
    module = unquote(query["module-path"]) if "module-path" in query else env(_MODULE)
    if module is None:
        raise SignatureError("no module is named", advice=f"{_FORM}, or name the module in {_MODULE}")
    pin = _pin_of(query["pin-source"]) if "pin-source" in query else secret or env(_PIN)
    import pkcs11  # noqa: F401 - here, so that a missing extra is told as such

    return ModuleKey(where, module, pin)


def parse_uri(rest: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the attributes of path and query, still percent-encoded; strict, because a misspelt one picks another key.

    Raises:
        SignatureError: an attribute is unknown or is there twice, there is a PIN, or no key is named.
    """
    path, _, query = rest.partition("?")
    found = []
    for text, separator, known in ((path, ";", _PATH), (query, "&", _QUERY)):
        attributes: dict[str, str] = {}
        for item in filter(None, text.split(separator)):
            name, has_value, value = item.partition("=")
            if not has_value:  # it may be what it should not be, and is not repeated
                raise SignatureError("an attribute has no value", advice=_FORM)
            if unquote(name).lower().replace("_", "-") in _SECRETS:
                raise SignatureError(
                    "a PIN does not belong into the URI, which is shown and logged",
                    advice=f"give it as pin-source=/file, in {_PIN}, or as the key's password",
                )
            if name not in known or name in attributes or not value:
                raise SignatureError(f"{name[:40]!r} is unknown, empty or there twice", advice=_FORM)
            attributes[name] = value
        found.append(attributes)
    if not found[0].keys() & {"object", "id"}:
        raise SignatureError("no key is named", advice=_FORM)
    return found[0], found[1]


def _pin_of(source: str) -> str:
    address = urlsplit(unquote(source))
    if address.scheme not in ("", "file"):
        raise SignatureError("pin-source is not a file", advice="write pin-source=file:/run/secrets/pin")
    try:
        return Path(address.path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SignatureError(f"cannot read the PIN from {address.path}: {reason}", advice="check pin-source") from error


def _library(module: str) -> Any:
    import pkcs11

    if not re.search(r"[/\\]", module) or not Path(module).exists():
        raise SignatureError(f"there is no module {module}", advice="give the full path of the vendor's library")
    library = pkcs11.lib(module)
    if _started_in.setdefault(module, os.getpid()) != os.getpid():
        library.reinitialize()
        _started_in[module] = os.getpid()
    return library


def _token(library: Any, where: Mapping[str, str]) -> Any:
    names = {
        "token_label": unquote(where["token"]) if "token" in where else None,
        "token_serial": unquote_to_bytes(where["serial"]) if "serial" in where else None,
    }
    for slot in library.get_slots(token_present=True):
        if "slot-id" in where and str(slot.slot_id) != where["slot-id"]:
            continue
        token = slot.get_token()
        if _fits(token, where, names):
            return token
    raise SignatureError("there is no such token", advice="check the token's label and the module")


def _fits(token: Any, where: Mapping[str, str], names: Mapping[str, Any]) -> bool:
    wanted = (
        (names["token_label"], token.label),
        (names["token_serial"], token.serial),
        (unquote(where["model"]) if "model" in where else None, token.model),
        (unquote(where["manufacturer"]) if "manufacturer" in where else None, token.manufacturer_id),
    )
    return all(wish is None or wish == found for wish, found in wanted)


def _only_key(session: Any, kind: Any, where: Mapping[str, str]) -> Any:
    from pkcs11 import Attribute

    wanted = {Attribute.CLASS: kind}
    if "object" in where:
        wanted[Attribute.LABEL] = unquote(where["object"])
    if "id" in where:
        wanted[Attribute.ID] = unquote_to_bytes(where["id"])
    found = list(session.get_objects(wanted))
    if len(found) > 1:
        raise SignatureError("the token has several such keys", advice="name one by object= and id=")
    if not found:
        raise SignatureError("the token has no such key", advice="check object= and id=, and that a PIN was given")
    return found[0]


def _public_key(session: Any, where: Mapping[str, str]) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from pkcs11 import KeyType, ObjectClass
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    key = _only_key(session, ObjectClass.PUBLIC_KEY, where)
    encoders = {KeyType.RSA: encode_rsa_public_key, KeyType.EC: encode_ec_public_key}
    if key.key_type not in encoders:
        raise SignatureError(f"the key is of type {key.key_type.name}, which is not accepted", advice=P256)
    return public_key_of(load_der_public_key(encoders[key.key_type](key)), "the token")


_PIN_REFUSED = Trouble(
    "the token does not accept the PIN", f"give it in {_PIN}, and mind that a token locks after a few wrong ones"
)
_PIN_WANTED = Trouble("the token wants a PIN", f"give it in {_PIN}, or as pin-source=/file")
_OF_ANOTHER_KIND = Trouble("the key is not one for signatures of a kind that is accepted", P256)
_NO_ANSWER = Trouble("the module does not answer", "check the device", is_passing=True)
_TROUBLES = {
    "PinIncorrect": _PIN_REFUSED,
    "PinInvalid": _PIN_REFUSED,
    "PinLenRange": _PIN_REFUSED,
    "PinLocked": Trouble("the token is locked", "its security officer unlocks it"),
    "PinExpired": Trouble("the PIN has expired", "set a new one"),
    "UserNotLoggedIn": _PIN_WANTED,
    "FunctionNotPermitted": _OF_ANOTHER_KIND,
    "KeyTypeInconsistent": _OF_ANOTHER_KIND,
    "MechanismInvalid": _OF_ANOTHER_KIND,
    "MechanismParamInvalid": _OF_ANOTHER_KIND,
    "DeviceError": _NO_ANSWER,
    "DeviceRemoved": _NO_ANSWER,
    "DeviceMemory": _NO_ANSWER,
    "TokenNotPresent": _NO_ANSWER,
}


def explain(error: Exception) -> Trouble | None:
    """Return what an error of python-pkcs11 means."""
    return _TROUBLES.get(type(error).__name__)
