"""Identities in certificates: what a Fulcio certificate says of who signed, and who said so.

Source: Fulcio's ``oid-info.md``; RFC 5280, section 4.2.1.6.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kitops_orchestration.errors import VerificationError

_ISSUER_V2 = "1.3.6.1.4.1.57264.1.8"
_ISSUER_V1 = "1.3.6.1.4.1.57264.1.1"
_OTHER_NAME = "1.3.6.1.4.1.57264.1.7"
_UTF8_STRING = 0x0C
_SHORT_FORM = 0x80
_HEADER_BYTES = 2


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """A name in certificates, and the issuer that has to stand beside it: a name alone could be anybody's."""

    name: str
    """Exact; or, with ``is_pattern``, a regular expression for the whole of it."""
    issuer: str
    """Exact, always."""
    is_pattern: bool = False

    def fits(self, names: Collection[str], issuer: str) -> bool:
        """Tell whether a certificate with these names and this issuer is of this identity."""
        if issuer != self.issuer:
            return False
        return any(re.fullmatch(self.name, name) if self.is_pattern else name == self.name for name in names)


def names_of(certificate: Any) -> list[str]:
    """Return the names of a certificate of the library: addresses, mail addresses, and Fulcio's own kind."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    found = [*names.get_values_for_type(x509.RFC822Name), *names.get_values_for_type(x509.UniformResourceIdentifier)]
    others = [item for item in names.get_values_for_type(x509.OtherName) if item.type_id.dotted_string == _OTHER_NAME]
    return [*found, *(_text(item.value) for item in others)]


def issuer_of(certificate: Any) -> str:
    """Return who vouched for the names: the newer extension (a DER string), else the older one (bare text).

    Raises:
        VerificationError: neither is there.
    """
    from cryptography import x509

    for oid in (_ISSUER_V2, _ISSUER_V1):
        try:
            value = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value.value
        except x509.ExtensionNotFound:
            continue
        return _text(value) if oid == _ISSUER_V2 else bytes(value).decode("utf-8", "replace")
    raise VerificationError("its certificate does not say who vouched for the identity (issuer)")


def _text(der: bytes) -> str:
    """Read a DER UTF8String of any length."""
    if len(der) < _HEADER_BYTES or der[0] != _UTF8_STRING:
        raise VerificationError("its certificate has a name that is no text")
    size, start = der[1], _HEADER_BYTES
    if size >= _SHORT_FORM:
        count = size - _SHORT_FORM
        size, start = int.from_bytes(der[2 : 2 + count], "big"), 2 + count
    if len(der) != start + size:
        raise VerificationError("its certificate has a name of another length than it says")
    return der[start:].decode("utf-8", "replace")
