"""Verify a ModelKit's signatures: offline, by predicate type, every signature with its reason.

A signature is a statement of cosign's own predicate type, or a payload of cosign's older form.  Other signed
statements never count as one: an approval, or a rejection, is not a signature on the ModelKit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from kitops_orchestration.errors import KitOpsError, SignatureMissingError, VerificationError
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Paragraph
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE_PREFIX
from kitops_orchestration.signing.evidence import (
    Evidence,
    claimed_type,
    is_fault_of_content,
    judge_signature,
    read_evidence,
)
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import PublicKey

FoundForm = Literal["bundle", "legacy", "oci-1-1"]
Requirement = Literal["any", "bundle", "legacy"]


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature that was found, and why it counts or not."""

    form: FoundForm
    counts: bool
    reason: str
    signer: str | None = None
    """Identity in the trust policy."""
    key_hint: str | None = None
    digest: str | None = None
    """Of the referrer, or of the layer in the older form."""

    def to_json(self) -> dict[str, Any]:
        """Return all members that are known."""
        value = {
            "form": self.form,
            "counts": self.counts,
            "reason": self.reason,
            "signer": self.signer,
            "keyHint": self.key_hint,
            "digest": self.digest,
        }
        return {key: item for key, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class VerifyResult(Answer):
    """The verdict on one digest."""

    reference: Reference
    """Pinned by the digest that was looked at."""
    is_verified: bool
    reason: str
    signatures: tuple[SignatureReport, ...]
    signers: tuple[str, ...] = ()
    """Distinct identities whose signatures count."""
    threshold: int = 1

    @property
    def digest(self) -> str:
        """The manifest digest."""
        return self.reference.target

    def require(self) -> Self:
        """Return this, or raise.

        Raises:
            SignatureMissingError: no signature at all.
            VerificationError: there are some, and not enough of them count; the message lists each reason.
        """
        if self.is_verified:
            return self
        if not self.signatures:
            raise SignatureMissingError(
                f"{self.reference} is not signed: {self.reason}", advice="sign it, or check the repository"
            )
        reasons = "; ".join(f"{item.form}: {item.reason}" for item in self.signatures[:10])
        raise VerificationError(
            f"{self.reference} does not verify: {self.reason} ({reasons})",
            advice="check that the right key or trust policy was given; if it was, do not use this ModelKit",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the verdict and every signature."""
        return {
            "reference": str(self.reference),
            "digest": self.digest,
            "isVerified": self.is_verified,
            "reason": self.reason,
            "signers": list(self.signers),
            "threshold": self.threshold,
            "signatures": [item.to_json() for item in self.signatures],
        }

    def page(self) -> Page:
        """Return the verdict and every signature."""
        return Page.of(
            "",
            Paragraph.of(
                "Verified" if self.is_verified else "NOT verified", ": ", Code(str(self.reference)), f": {self.reason}"
            ),
            Items(
                tuple(
                    f"{'counts' if item.counts else 'does not count'} ({item.form}): {item.reason}"
                    for item in self.signatures
                )
            ),
        )


class VerifyOptions(TypedDict, total=False):
    """What :func:`verify` takes by name and a client or an adapter hands through."""

    key: PublicKey | None
    trust: TrustPolicy | None
    require: Requirement
    at: datetime | None
    limits: Limits


def verify(
    repository: Repository,
    target: str,
    *,
    key: PublicKey | None = None,
    trust: TrustPolicy | None = None,
    require: Requirement = "any",
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> VerifyResult:
    """Return the verdict when ``target`` is signed by ``key``, or as ``trust`` demands; raise otherwise.

    Raises:
        SignatureMissingError: it has no signature.
        VerificationError: signatures there are, and not enough of them count.
        NotFoundError: there is nothing at ``target``.
    """
    return check_signatures(repository, target, key=key, trust=trust, require=require, at=at, limits=limits).require()


def check_signatures(
    repository: Repository,
    target: str,
    *,
    key: PublicKey | None = None,
    trust: TrustPolicy | None = None,
    require: Requirement = "any",
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> VerifyResult:
    """Return the verdict whatever it is: look at ``is_verified`` before using the ModelKit, or call ``require``."""
    policy = _policy(key, trust)
    digest = repository.resolve(target).digest
    reference = repository.reference.with_digest(digest)
    if limits.concurrency == 1:
        bundles = _bundles(repository, digest, policy, at, limits)
        older = _legacy_reports(repository, digest, policy, at)
    else:
        with ThreadPoolExecutor(max_workers=1) as pool:  # the two places do not depend on each other
            asked = pool.submit(_legacy_reports, repository, digest, policy, at)
            bundles, older = _bundles(repository, digest, policy, at, limits), asked.result()
    reports = [*map(_of_evidence, bundles), *older]
    reports = [_as_required(item, require) for item in reports]
    rule = policy.rule(predicate_types.SIGNATURE)
    threshold = rule.threshold if rule is not None and not policy.is_role_free else 1
    signers = tuple(sorted({item.signer for item in reports if item.counts and item.signer}))
    refused = policy.why_refused(digest, repository.reference) or _why_content_refused(repository, digest, policy)
    reason = refused or _reason(signers, threshold)
    is_verified = refused is None and len(signers) >= threshold
    return VerifyResult(reference, is_verified, reason, tuple(reports), signers, threshold)


def _why_content_refused(repository: Repository, digest: str, policy: TrustPolicy) -> str | None:
    """A manifest with one more newline has another digest, and the same config and layers."""
    if not policy.deny:
        return None
    node = repository.fetch_manifest(digest)
    content = [node.config, *node.layers] if isinstance(node, Manifest) else []
    denied = next((part.digest for part in content if part.digest in policy.deny), None)
    return None if denied is None else f"the trust policy denies {denied}, which is part of it"


def _policy(key: PublicKey | None, trust: TrustPolicy | None) -> TrustPolicy:
    if (key is None) == (trust is None):
        raise VerificationError(
            "verification needs either a key or a trust policy", advice="give key= or trust=, and not both"
        )
    return trust if trust is not None else TrustPolicy.for_key(key)  # type: ignore[arg-type]  # one of them is given


def _reason(signers: tuple[str, ...], threshold: int) -> str:
    if not signers:
        return "no signature counts"
    if len(signers) < threshold:
        return f"signed by {', '.join(signers)}, and {threshold} different identities are needed"
    return f"signed by {', '.join(signers)}"


def _bundles(
    repository: Repository, digest: str, policy: TrustPolicy, at: datetime | None, limits: Limits
) -> list[Evidence]:
    # The annotation is only good for leaving out what does not claim to be a signature. What claims it and is
    # something else stays in the list, with the reason.
    claimed = [item for item in repository.referrers(digest) if _claims_to_be_signature(item)]
    found = read_evidence(repository, digest, trust=policy, at=at, limits=limits, referrers=claimed)
    return [item for item in found if item.is_signed or item.statement is None]


def _claims_to_be_signature(descriptor: Descriptor) -> bool:
    kind = descriptor.artifact_type or BUNDLE_PREFIX
    return kind.startswith((BUNDLE_PREFIX, legacy.OCI_1_1)) and claimed_type(descriptor) in (
        None,
        predicate_types.SIGNATURE,
    )


def _of_evidence(item: Evidence) -> SignatureReport:
    counts, reason = item.is_verified, item.reason
    if item.statement is not None and item.predicate_type != predicate_types.SIGNATURE:
        name = predicate_types.short_name(item.predicate_type or "statement")
        counts, reason = False, f"a signed statement of type {name}, which is not a signature"
    form: FoundForm = item.form if item.form in ("legacy", "oci-1-1") else "bundle"
    return SignatureReport(form, counts, reason, item.signer, item.key_hint, item.descriptor.digest)


def _legacy_reports(
    repository: Repository, digest: str, policy: TrustPolicy, at: datetime | None
) -> list[SignatureReport]:
    try:
        found = legacy.read_signatures(repository, digest)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return [SignatureReport("legacy", False, str(error))]
    return [_of_evidence(judge_signature(item, digest, policy, at)) for item in found]


def legacy_evidence(
    repository: Repository, digest: str, *, trust: TrustPolicy | None = None, at: datetime | None = None
) -> list[Evidence]:
    """Return signatures of cosign's older form as evidence; none where the tag is absent or holds something else."""
    try:
        found = legacy.read_signatures(repository, digest)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return []
    return [judge_signature(item, digest, trust, at) for item in found]


def _as_required(item: SignatureReport, require: Requirement) -> SignatureReport:
    if require in ("any", item.form) or not item.counts:
        return item
    return SignatureReport(
        item.form, False, f"only the {require} form was asked for", item.signer, item.key_hint, item.digest
    )
