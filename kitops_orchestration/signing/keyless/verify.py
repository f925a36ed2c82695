"""Verify a bundle whose key is in a certificate: offline, with a trusted root that the verifier holds.

A bundle with an entry of a transparency log is given to Sigstore's own library, which checks the certificate, its SCT,
the entry and the signature.  It takes none without an entry; those with a time-stamp alone are verified here, by public
interfaces of the libraries, where the trusted root is of a private authority that names no log.  Where it names one, an
entry is demanded: whoever could leave it out could use a certificate that nobody else ever sees.
Source: Sigstore's client specification, sections 4.1 to 4.4.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError, MissingExtraError, SignatureError, VerificationError
from kitops_orchestration.signing.bundle import pre_authentication_encoding
from kitops_orchestration.signing.keyless.identity import issuer_of, names_of
from kitops_orchestration.signing.keys import kinds
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.trusted_time.authority import TimeAuthority, proven_time

if TYPE_CHECKING:
    from kitops_orchestration.signing.bundle import Bundle

_FULCIO_USE = "its certificate is not one for signatures of code"


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """Who a certificate says signed, once everything about it has been verified."""

    names: tuple[str, ...]
    issuer: str
    how: str
    """What proves that the certificate was valid when it signed, in words."""
    moment: datetime | None = None
    """When it was signed, by a time-stamp; ``None`` where the log alone says so."""
    authority: str | None = None


class TrustedRoot:
    """Sigstore's ``trusted_root.json``: authorities of certificates, logs and times; read by their own library."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @classmethod
    def of(cls, content: bytes) -> TrustedRoot:
        """Take the text of a trusted root, looked at no further than that it is one.

        Raises:
            SignatureError: it is something else.
        """
        try:
            value = json.loads(content)
            kind, has_logs = value["mediaType"], bool(value.get("tlogs"))
            has_certificate_logs = bool(value.get("ctlogs"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignatureError(
                "the trusted root is not a trusted_root.json", advice="give Sigstore's file"
            ) from error
        if not str(kind).startswith("application/vnd.dev.sigstore.trustedroot"):
            raise SignatureError(
                f"the trusted root is a {str(kind)[:80]!r}", advice="give Sigstore's trusted_root.json"
            )
        if has_certificate_logs and not has_logs:
            raise SignatureError(
                "the trusted root names logs of certificates (ctlogs) and none of signatures (tlogs): "
                "an entry would be demanded that nothing can verify, and every signature refused",
                advice="name the log of signatures as well, or neither for a private authority with time-stamps",
            )
        return cls(content)

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrustedRoot) and other.content == self.content

    def __repr__(self) -> str:
        return f"TrustedRoot({len(self.content)} bytes)"


def prove(bundle: Bundle, root: TrustedRoot, more: Sequence[TimeAuthority] = ()) -> CertificateProof:
    """Return who signed, by the certificate of a bundle.

    Args:
        bundle: with a certificate.
        root: whose certificates and logs are believed.
        more: authorities of times beside those of the root.

    Raises:
        VerificationError: anything of it does not hold; the message says what.
        MissingExtraError: the extra ``sigstore`` is not installed.
    """
    if bundle.certificate is None:
        raise VerificationError("it has no certificate")
    try:
        return _prove(bundle, bundle.certificate, root, more)
    except KitOpsError:
        raise
    except Exception as error:  # anybody may write a certificate, and what the libraries raise has no common root
        raise VerificationError("its certificate cannot be read") from error


def _prove(bundle: Bundle, der: bytes, root: TrustedRoot, more: Sequence[TimeAuthority]) -> CertificateProof:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    library = _library(root)
    authorities = [*library.authorities, *more]
    stamped = proven_time(bundle.signature, bundle.timestamps, authorities)
    if bundle.has_log_entry:
        logged = library.verify(bundle)
        _verify_chain(certificate, library.issuers, logged or stamped.moment)
        how = "an entry of the transparency log"
    elif library.demands_entry:
        raise VerificationError("it has no log entry, and the trusted root names a log: one is demanded then")
    elif stamped.moment is not None:
        _verify_chain(certificate, library.issuers, stamped.moment)
        _verify_signature(bundle, certificate)
        how = "a time-stamp"
    else:
        raise VerificationError(
            f"nothing proves when it was signed{stamped.told or ': no log entry and no time-stamp'}"
        )
    return CertificateProof(
        tuple(names_of(certificate)), issuer_of(certificate), how, stamped.moment, stamped.authority
    )


@dataclass(frozen=True, slots=True)
class _Issuer:
    """An authority of certificates, and between when the trusted root believes it."""

    certificates: tuple[Any, ...]
    not_before: datetime | None
    not_after: datetime | None

    def is_believed(self, moment: datetime) -> bool:
        is_begun = self.not_before is None or self.not_before <= moment
        return is_begun and (self.not_after is None or moment <= self.not_after)


class _Library:
    """Sigstore's library with one trusted root; its import costs a second, so it is made when a certificate is met."""

    def __init__(self, root: TrustedRoot) -> None:
        try:
            from sigstore.models import TrustedRoot as Root
            from sigstore.verify import Verifier
            from sigstore_models.trustroot.v1 import TrustedRoot as Content
        except ImportError as error:
            raise MissingExtraError("keyless signatures need the sigstore package", extra="sigstore") from error
        try:
            content = Content.from_json(root.content)
            found = Root(content)
            found.get_fulcio_certs()  # refuses a root without any
            self.issuers = [_issuer(item) for item in content.certificate_authorities]
            self.authorities = [_authority(item) for item in found.get_timestamp_authorities()]
            self.demands_entry = bool(content.tlogs or content.ctlogs)
            self._verifier = Verifier(trusted_root=found) if content.tlogs else None
        except KitOpsError:
            raise
        except Exception as error:  # the library's errors, and those of pydantic, have no common root
            raise SignatureError(
                f"the trusted root cannot be read: {type(error).__name__}", advice="give Sigstore's trusted_root.json"
            ) from error

    def verify(self, bundle: Bundle) -> datetime | None:
        """Have the certificate, its SCT, the log entry and the signature verified; return the log's time, if any."""
        from cryptography.hazmat.primitives.serialization import Encoding
        from sigstore.errors import Error
        from sigstore.models import Bundle as Theirs
        from sigstore_models.bundle.v1 import Bundle as Content

        if self._verifier is None:
            raise VerificationError("it has a log entry, and the trusted root names no log")
        source = _complete(bundle.source)
        try:
            theirs = Theirs.from_json(source)
            kind, payload = self._verifier.verify_dsse(theirs, _Anybody())
        except (Error, ValueError) as error:
            raise VerificationError(_reason(error)) from error
        if (kind, payload) != (bundle.payload_type, bundle.payload):
            raise VerificationError("its envelope is read in two ways")
        if theirs.signing_certificate.public_bytes(Encoding.DER) != bundle.certificate:
            raise VerificationError("its certificate is read in two ways")
        (entry,) = Content.from_json(source).verification_material.tlog_entries
        # Without a promise the log has not signed that time, and the library does not count it either.
        is_promised = entry.integrated_time and entry.inclusion_promise
        return datetime.fromtimestamp(entry.integrated_time, UTC) if is_promised else None


class _Anybody:
    """The library's policy: who it is, is compared by the trust policy, which also says what they may vouch for."""

    def verify(self, cert: Any) -> None:
        """Let every certificate pass that the library has verified."""


@functools.lru_cache(maxsize=4)
def _library(root: TrustedRoot) -> _Library:
    return _Library(root)


def _authority(found: Any) -> TimeAuthority:
    leaf, *chain = found.certificates(allow_expired=True)
    return TimeAuthority(
        leaf.subject.rfc4514_string(),
        tuple(chain[-1:]),
        tuple(chain[:-1]),
        leaf,
        not_before=found.validity_period_start,
        not_after=found.validity_period_end,
    )


def _issuer(found: Any) -> _Issuer:
    from cryptography import x509

    certificates = tuple(x509.load_der_x509_certificate(item.raw_bytes) for item in found.cert_chain.certificates)
    return _Issuer(certificates, found.valid_for.start, found.valid_for.end)


def _verify_chain(certificate: Any, issuers: Sequence[_Issuer], moment: datetime | None) -> None:
    """Verify chain and use at a moment that is proven, by the authorities that the trusted root believes then."""
    from cryptography import x509
    from cryptography.x509 import verification

    if moment is None:
        raise VerificationError("nothing proves when it was signed: its log entry has no time, and there is no stamp")
    believed = [item for issuer in issuers if issuer.is_believed(moment) for item in issuer.certificates]
    if not believed:
        raise VerificationError(
            f"the trusted root believes no authority of certificates at {format_timestamp(moment)} (validFor)"
        )
    usage, is_critical = x509.ExtendedKeyUsage, verification.Criticality.NON_CRITICAL
    policy = verification.ExtensionPolicy
    try:
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store(believed))
            .time(moment)
            .extension_policies(
                ca_policy=policy.webpki_defaults_ca().may_be_present(usage, is_critical, None),
                ee_policy=policy.webpki_defaults_ee().may_be_present(usage, is_critical, None),
            )
            .build_client_verifier()
        )
        verifier.verify(certificate, [])
    except (verification.VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
        raise VerificationError(
            f"its certificate is not of an authority that the trusted root believes at {format_timestamp(moment)}, "
            "or was not valid then"
        ) from error
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise VerificationError(_FULCIO_USE) from error
    if x509.oid.ExtendedKeyUsageOID.CODE_SIGNING not in uses:
        raise VerificationError(_FULCIO_USE)


def _verify_signature(bundle: Bundle, certificate: Any) -> None:
    key = certificate.public_key()
    algorithm = kinds.algorithm_of(key)
    signed = pre_authentication_encoding(bundle.payload_type, bundle.payload)
    if algorithm is None or not kinds.verifies(key, algorithm, bundle.signature, signed):
        raise VerificationError("the key of its certificate did not make the signature")


def _complete(source: bytes) -> str:
    """Put back what JSON of protobuf leaves out when it is the default, and the library demands."""
    value = json.loads(source)
    material = value.get("verificationMaterial")
    entries = material.get("tlogEntries") if isinstance(material, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        proof = entry.get("inclusionProof") if isinstance(entry, dict) else None
        if isinstance(proof, dict):
            proof.setdefault("logIndex", "0")
            proof.setdefault("hashes", [])
    return json.dumps(value)


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"Sigstore's library refuses it: {text[0][:200] if text else type(error).__name__}"
