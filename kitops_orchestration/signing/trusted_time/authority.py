"""Time-stamp authorities: whose stamps are believed, and since when something is proven to exist.

A reply is read and its chain verified at the time that it states, offline: the certificate needs to be valid then, and
not today.  Source: RFC 3161, sections 2.3 and 2.4.2; Sigstore's ``sigstore_bundle.proto`` for what is stamped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from kitops_orchestration.errors import MissingExtraError, SignatureError, VerificationError
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, format_timestamp, now

_NEEDS = "time-stamps need the rfc3161-client package"
_REASONS = (
    ("Mismatch between messages", "it is about another signature"),
    ("Nonce mismatch", "it answers another request (nonce)"),
    ("Policy ID mismatch", "it was made under another policy of the authority"),
    ("certificate purpose", "its certificate is not one for time-stamps alone"),
    ("certificate has expired", "its certificate had expired by then"),
    ("not yet valid", "its certificate was not valid yet"),
    ("EKU", "its certificate is not one for time-stamps alone"),
    ("KeyPurposeID", "its certificate is not one for time-stamps alone"),
    ("PKIStatus", "the authority did not grant it"),
    (
        "Certificates neither found",
        "it carries no certificate, and the trust policy names none of the authority itself",
    ),
    ("Embedded certificate", "it was made with another certificate than the one that is named"),
    ("Unsupported hash", "it is over a hash that is not accepted"),
)


@dataclass(frozen=True, slots=True)
class TimeAuthority:
    """An authority by its certificates, and where it is asked."""

    name: str
    roots: tuple[Any, ...] = field(repr=False)
    """Certificates of the library that sign themselves, or that nothing else in the chain signed."""
    intermediates: tuple[Any, ...] = field(default=(), repr=False)
    leaf: Any | None = field(default=None, repr=False)
    """The authority's own certificate, where it is named; then no other is accepted."""
    url: str | None = field(default=None, repr=False)
    policy: str | None = None
    """Object identifier of the policy that its stamps have to name."""
    not_before: datetime | None = None
    not_after: datetime | None = None

    @classmethod
    def of(
        cls,
        chain: bytes,
        *,
        name: str,
        url: str | None = None,
        policy: str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Self:
        """Read a chain in PEM form: at least the root, and what of the authority itself is known.

        Raises:
            SignatureError: no certificates, more than one of an authority itself, or no root.
        """
        from cryptography import x509

        try:
            found = x509.load_pem_x509_certificates(chain)
            if policy is not None:
                x509.ObjectIdentifier(policy)
        except ValueError as error:
            raise SignatureError(
                f"the certificates or the policy of the time-stamp authority {name} cannot be read",
                advice="give the chain in PEM form, its root too, and the policy as an object identifier",
            ) from error
        authorities = [item for item in found if _is_authority(item)]
        leaves = [item for item in found if item not in authorities]
        roots = [item for item in authorities if item.issuer == item.subject]
        if not roots or len(leaves) > 1:
            raise SignatureError(
                f"the chain of the time-stamp authority {name} has no root, or more than one end",
                advice="give the root, what is between, and at most one certificate of the authority itself",
            )
        between = tuple(item for item in authorities if item not in roots)
        leaf = leaves[0] if leaves else None
        return cls(name, tuple(roots), between, leaf, url, policy, not_before, not_after)

    @property
    def fingerprints(self) -> list[str]:
        """SHA-256 of every certificate, in hexadecimal digits."""
        from cryptography.hazmat.primitives import hashes

        all_of_it = [*self.roots, *self.intermediates, *([] if self.leaf is None else [self.leaf])]
        return sorted(item.fingerprint(hashes.SHA256()).hex() for item in all_of_it)

    def moment_of(self, stamp: bytes, signature: bytes, *, nonce: int | None = None) -> datetime:
        """Return the time that a stamp proves for ``signature``, in UTC.

        Raises:
            VerificationError: it proves nothing; the message says why.
            MissingExtraError: the extra ``timestamps`` is not installed.
        """
        from cryptography.x509 import ObjectIdentifier

        try:
            import rfc3161_client
        except ImportError as error:
            raise MissingExtraError(_NEEDS, extra="timestamps") from error
        try:
            reply = rfc3161_client.decode_timestamp_response(stamp)
        except ValueError as error:
            raise VerificationError("it cannot be read") from error
        verifier = rfc3161_client.VerifierBuilder(
            policy_id=None if self.policy is None else ObjectIdentifier(self.policy),
            tsa_certificate=self.leaf,
            intermediates=list(self.intermediates),
            roots=list(self.roots),
            nonce=nonce,
        ).build()
        try:
            verifier.verify_message(reply, signature)
        except (rfc3161_client.VerificationError, ValueError) as error:
            raise VerificationError(_reason(str(error))) from error
        moment: datetime = reply.tst_info.gen_time
        self._check_window(moment)
        return moment

    def _check_window(self, moment: datetime) -> None:
        if moment > now() + CLOCK_SKEW:
            raise VerificationError(f"it is of {format_timestamp(moment)}, in the future")
        if self.leaf is not None and not self.leaf.not_valid_before_utc <= moment <= self.leaf.not_valid_after_utc:
            raise VerificationError(f"the authority's certificate was not valid at {format_timestamp(moment)}")
        if self.not_before is not None and moment < self.not_before:
            raise VerificationError(f"the authority is believed from {format_timestamp(self.not_before)} on")
        if self.not_after is not None and moment > self.not_after:
            raise VerificationError(f"the authority was believed until {format_timestamp(self.not_after)}")


@dataclass(frozen=True, slots=True)
class ProvenTime:
    """What the stamps of one signature prove."""

    moment: datetime | None = None
    """The earliest time that is proven, or ``None``."""
    authority: str | None = None
    problem: str | None = None
    """Why nothing is proven, although there are stamps."""

    @property
    def told(self) -> str:
        """What follows a verdict, for people: empty where there is no stamp."""
        if self.moment is not None:
            return f", time-stamped {format_timestamp(self.moment)} by {self.authority}"
        return f"; {self.problem}" if self.problem else ""


NOTHING = ProvenTime()


def proven_time(signature: bytes, stamps: Sequence[bytes], authorities: Sequence[TimeAuthority]) -> ProvenTime:
    """Return the earliest time that an authority proves; stamps of others are told and prove nothing."""
    if not stamps:
        return NOTHING
    if not authorities:
        return ProvenTime(problem="its time-stamp is of an authority that the trust policy does not name")
    found: list[tuple[datetime, str]] = []
    problems: list[str] = []
    for stamp in stamps:
        for authority in authorities:
            try:
                found.append((authority.moment_of(stamp, signature), authority.name))
            except (VerificationError, MissingExtraError) as error:
                problems.append(f"{authority.name}: {error}")
    if not found:
        return ProvenTime(problem=f"its time-stamp does not count ({'; '.join(dict.fromkeys(problems))})")
    return ProvenTime(*min(found))


def _is_authority(certificate: Any) -> bool:
    from cryptography import x509

    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _reason(text: str) -> str:
    known = next((words for start, words in _REASONS if start in text), None)
    return known or "its certificate is not of this authority, or it was changed"
