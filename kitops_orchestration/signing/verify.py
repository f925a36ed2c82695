"""Verify a ModelKit's signatures: offline, by predicate type, every signature with its reason.

A signature is a statement of cosign's own predicate type, or a payload of cosign's older form.  Other signed
statements never count as one: an approval, or a rejection, is not a signature on the ModelKit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from kitops_orchestration.errors import KitOpsError, SignatureMissingError, VerificationError
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import legacy, predicate_types
from kitops_orchestration.signing.bundle import BUNDLE_PREFIX
from kitops_orchestration.signing.evidence import Evidence, claimed_type, is_fault_of_content, read_evidence
from kitops_orchestration.signing.statement import Statement
from kitops_orchestration.signing.trust import Judgement, TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import PublicKey
    from kitops_orchestration.signing.sign import Form

Requirement = Literal["any", "bundle", "legacy"]


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature that was found, and why it counts or not."""

    form: Form
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
class VerifyResult:
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

    def to_markdown(self) -> str:
        """Return the verdict and every signature, for people."""
        head = f"{'Verified' if self.is_verified else 'NOT verified'}: `{self.reference}`: {self.reason}"
        lines = [
            f"- {'counts' if item.counts else 'does not count'} ({item.form}): {item.reason}"
            for item in self.signatures
        ]
        return "\n".join([head, "", *lines]) + "\n"


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
    reports = [
        *(_of_bundle(item) for item in _bundles(repository, digest, policy, at, limits)),
        *_legacy_reports(repository, digest, policy, at),
    ]
    reports = [_as_required(item, require) for item in reports]
    rule = policy.rule(predicate_types.SIGNATURE)
    threshold = rule.threshold if rule is not None and not policy.is_role_free else 1
    signers = tuple(sorted({item.signer for item in reports if item.counts and item.signer}))
    refused = policy.why_refused(digest, repository.reference)
    reason = refused or _reason(signers, threshold)
    is_verified = refused is None and len(signers) >= threshold
    return VerifyResult(reference, is_verified, reason, tuple(reports), signers, threshold)


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
    return kind.startswith(BUNDLE_PREFIX) and claimed_type(descriptor) in (None, predicate_types.SIGNATURE)


def _of_bundle(item: Evidence) -> SignatureReport:
    counts, reason = item.is_verified, item.reason
    if item.statement is not None and item.predicate_type != predicate_types.SIGNATURE:
        name = predicate_types.short_name(item.predicate_type or "statement")
        counts, reason = False, f"a signed statement of type {name}, which is not a signature"
    return SignatureReport("bundle", counts, reason, item.signer, item.key_hint, item.descriptor.digest)


def _legacy_reports(
    repository: Repository, digest: str, policy: TrustPolicy, at: datetime | None
) -> list[SignatureReport]:
    try:
        found = legacy.read_signatures(repository, digest)
    except KitOpsError as error:
        if not is_fault_of_content(error):
            raise
        return [SignatureReport("legacy", False, str(error))]
    return [_of_legacy(item, digest, policy, at) for item in found]


def _of_legacy(item: legacy.LegacySignature, digest: str, policy: TrustPolicy, at: datetime | None) -> SignatureReport:
    key = next((key for key in policy.public_keys if key.verifies(item.signature, item.payload)), None)
    judgement = policy.judge(key, predicate_types.SIGNATURE, at=at)
    problem = item.problem(digest)
    if problem is not None:
        judgement = Judgement(False, problem, judgement.identity, key)
    signer = judgement.identity.id if judgement.identity else None
    return SignatureReport("legacy", judgement.counts, judgement.reason, signer, None, item.descriptor.digest)


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
    return [_as_evidence(item, digest, trust, at) for item in found]


def _as_evidence(item: legacy.LegacySignature, digest: str, trust: TrustPolicy | None, at: datetime | None) -> Evidence:
    statement = Statement.build(digest, predicate_types.SIGNATURE, {})
    is_about = item.problem(digest) is None
    if trust is None:
        reason = item.problem(digest) or "signed; no trust policy to check it"
        return Evidence(item.descriptor, statement, True, False, reason, is_about_subject=is_about)
    said = _of_legacy(item, digest, trust, at)
    refused = trust.why_refused(digest)
    name = next((identity.shown for identity in trust.identities if identity.id == said.signer), None)
    counts, reason = said.counts and refused is None, refused or said.reason
    return Evidence(item.descriptor, statement, True, counts, reason, said.signer, name, is_about_subject=is_about)


def _as_required(item: SignatureReport, require: Requirement) -> SignatureReport:
    if require in ("any", item.form) or not item.counts:
        return item
    return SignatureReport(
        item.form, False, f"only the {require} form was asked for", item.signer, item.key_hint, item.digest
    )
