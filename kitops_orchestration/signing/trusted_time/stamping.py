"""Stamp what is signed: a signer that asks an authority about each signature, before anything is attached.

The reply is verified at once with the authority's own certificates.  Where the authority does not answer, or answers
with something that proves nothing, nothing is signed and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_orchestration.errors import (
    KitOpsError,
    MissingExtraError,
    RegistryError,
    SignatureError,
    SigningServiceUnavailableError,
    VerificationError,
)
from kitops_orchestration.oci.http.client import Request, Transport
from kitops_orchestration.oci.http.retry import RETRIED_STATUSES, RetryBudget
from kitops_orchestration.oci.http.url import Origin, redacted
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.bundle import SignsWhole
from kitops_orchestration.signing.trusted_time.authority import TimeAuthority, proven_time

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys import PublicKey, Signer

_LIMITS = Limits(retries=2, retry_budget_seconds=20.0, silence_timeout_seconds=30.0)
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_MOST_BYTES = 64 * 1024
_OK = 200


class StampingSigner:
    """A signer whose signatures carry the time of an authority."""

    def __init__(self, signer: Signer, authority: TimeAuthority) -> None:
        self._signer = signer
        self._authority = authority
        self._transport = Transport(limits=_LIMITS)

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        return self._signer.public_key

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``, without a stamp."""
        return self._signer.sign(data)

    def stamp(self, signature: bytes) -> bytes:
        """Return the authority's reply about a signature, verified.

        Raises:
            SignatureError: it refuses, or its reply proves nothing.
            SigningServiceUnavailableError: it does not answer.
            MissingExtraError: the extra ``timestamps`` is not installed.
        """
        reply, nonce = self._ask(signature, with_certificate=True)
        try:
            self._authority.moment_of(reply, signature, nonce=nonce)
        except VerificationError as error:
            # Some authorities do not sort their certificates, which the library refuses to read; the signature is as
            # good without them where the authority's own is named.
            if self._authority.leaf is None:
                raise self._useless(error) from error
            reply, nonce = self._ask(signature, with_certificate=False)
            try:
                self._authority.moment_of(reply, signature, nonce=nonce)
            except VerificationError as second:
                raise self._useless(second) from second
        return reply

    def is_stamped(self, signature: bytes, stamps: Sequence[bytes]) -> bool:
        """Tell whether one of ``stamps`` is this authority's, and good."""
        return proven_time(signature, stamps, [self._authority]).moment is not None

    def _useless(self, error: VerificationError) -> SignatureError:
        return SignatureError(
            f"the time-stamp of {self._authority.name} ({self._where}) proves nothing: {error}",
            advice="check the authority's certificates; where its own is not among them, name it too",
        )

    @property
    def _where(self) -> str:
        return redacted(str(self._authority.url))

    def _ask(self, signature: bytes, *, with_certificate: bool) -> tuple[bytes, int | None]:
        try:
            import rfc3161_client
        except ImportError as error:
            raise MissingExtraError("time-stamps need the rfc3161-client package", extra="timestamps") from error
        asked = (
            rfc3161_client.TimestampRequestBuilder()
            .data(signature)
            .hash_algorithm(rfc3161_client.HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .cert_request(cert_request=with_certificate)
            .build()
        )
        request = Request("POST", str(self._authority.url), _HEADERS, asked.as_bytes())
        budget = RetryBudget(_LIMITS)
        while True:
            failure = self._attempt(request)
            if isinstance(failure, bytes):
                return failure, asked.nonce
            try:
                budget.pause(failure)
            except KitOpsError as error:
                raise SigningServiceUnavailableError(
                    f"the time-stamp authority {self._authority.name} ({self._where}) does not answer: {error}",
                    advice="nothing was signed: try again, or sign without a time-stamp where no policy demands it",
                ) from error

    def _attempt(self, request: Request) -> bytes | KitOpsError:
        try:
            response = self._transport.send(request).load(_MOST_BYTES)
        except RegistryError as error:
            return error
        if response.status in RETRIED_STATUSES:
            return SigningServiceUnavailableError(f"status {response.status}")
        if response.status != _OK:
            raise SignatureError(
                f"the time-stamp authority {self._authority.name} ({self._where}) answers status {response.status}",
                advice="check its address",
            )
        return response.content

    def __repr__(self) -> str:
        return f"StampingSigner({self._signer!r}, {self._authority.name})"


def stamped_by(signer: Signer, url: str | None, certificates: Path | str | None) -> Signer:
    """Return a signer that has its signatures stamped at ``url``; as it is where there is none.

    ``certificates`` is the authority's chain, a PEM file or the text: a stamp that nobody can verify is not asked for.

    Raises:
        SignatureError: one is given without the other, or they cannot be read.
    """
    if not url and not certificates:
        return signer
    if isinstance(signer, SignsWhole):
        raise SignatureError(
            "a keyless signature takes no time-stamp of an authority that is named here: its log says when",
            advice="name the authority in the trust policy, for what people sign with keys",
        )
    if not url or not certificates:
        raise SignatureError(
            "a time-stamp authority is named by its address and its certificates, and one of them is missing",
            advice="give both, or name the authority in the trust policy (timestampAuthorities)",
        )
    if isinstance(certificates, str) and "-----BEGIN" in certificates:
        chain = certificates.encode()
    else:
        try:
            chain = Path(certificates).read_bytes()
        except OSError as error:
            raise SignatureError(
                f"cannot read the certificates of the time-stamp authority {certificates}: {error.strerror}",
                advice="give a file, or PEM text",
            ) from error
    try:
        name = Origin.of(url).host
    except RegistryError as error:
        raise SignatureError(
            f"the time-stamp authority has no address that can be asked: {redacted(url)!r}", advice="write https://…"
        ) from error
    return StampingSigner(signer, TimeAuthority.of(chain, name=name, url=url))


def stamped(signer: Signer, authorities: Sequence[TimeAuthority]) -> Signer:
    """Return a signer that stamps, where one of the authorities can be asked and it does not do so already.

    A keyless one stays as it is: it makes whole bundles, and the log that they are in says when.
    """
    if isinstance(signer, StampingSigner | SignsWhole):
        return signer
    authority = next((item for item in authorities if item.url is not None), None)
    return signer if authority is None else StampingSigner(signer, authority)
