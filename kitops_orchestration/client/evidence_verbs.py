"""What is signed, attached and asked: the verbs of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.client.bound import Bound
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.lineage.deployment import Deployments
    from kitops_orchestration.lineage.diff import VersionDiff
    from kitops_orchestration.lineage.passport import Passport
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.lineage.sign_offs import SignOffs
    from kitops_orchestration.lineage.statements import DeploymentTarget, Predicate, Statement
    from kitops_orchestration.lineage.timeline import Timeline
    from kitops_orchestration.lineage.training_data import TrainingData
    from kitops_orchestration.signing.keys import PublicKey, Signer
    from kitops_orchestration.signing.sign import SignResult
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import VerifyResult


class EvidenceVerbs(Bound):
    """Sign, verify, attach and ask."""

    def sign(self, reference: str | Reference, signer: Signer, **options: Any) -> SignResult:
        """Sign the digest that the reference points at; signing again adds nothing."""
        from kitops_orchestration.signing.sign import sign

        where = self.reference(reference)
        return sign(self.repository(where), where.target, signer, **options)

    def verify(
        self, reference: str | Reference, *, key: PublicKey | None = None, trust: TrustPolicy | None = None
    ) -> VerifyResult:
        """Return the verdict when the signatures suffice, offline.

        Raises:
            SignatureMissingError, VerificationError: they do not; the message lists each with its reason.
        """
        from kitops_orchestration.signing.verify import verify

        where = self.reference(reference)
        return verify(self.repository(where), where.target, key=key, trust=trust, limits=self.limits)

    def attach(
        self, reference: str | Reference, statement: Statement | Predicate, *, signer: Signer | None = None
    ) -> Attached:
        """Attach a statement to the digest that the reference points at; idempotent."""
        from kitops_orchestration.lineage.attach import attach

        where = self.reference(reference)
        return attach(self.repository(where), where.target, statement, signer=signer)

    def attest(
        self,
        reference: str | Reference,
        predicate_type: str,
        predicate: Mapping[str, Any],
        *,
        signer: Signer | None = None,
    ) -> Attached:
        """Attach any report (a scan, an evaluation, a data sheet) as evidence."""
        from kitops_orchestration.lineage.attach import attest

        where = self.reference(reference)
        return attest(self.repository(where), where.target, predicate_type, predicate, signer=signer)

    def lineage(self, reference: str | Reference, *, trust: TrustPolicy | None = None) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        from kitops_orchestration.lineage.questions import lineage

        where = self.reference(reference)
        return lineage(self.repository(where), where.target, trust=trust, limits=self.limits)

    def record_deployment(
        self, reference: str | Reference, environment: str, place: DeploymentTarget, **options: Any
    ) -> Attached:
        """Record that the ModelKit went into service at a place, or out of it (``action="undeployed"``)."""
        from kitops_orchestration.lineage.deployment import record_deployment

        where = self.reference(reference)
        return record_deployment(self.repository(where), where.target, environment, place, **options)

    def where_deployed(self, repository: str | Reference, *, trust: TrustPolicy | None = None) -> Deployments:
        """Answer which version of a repository is deployed where."""
        from kitops_orchestration.lineage.deployment import where_deployed

        return where_deployed(self.repository(repository), trust=trust, limits=self.limits)

    def timeline(self, reference: str | Reference, *, trust: TrustPolicy | None = None) -> Timeline:
        """Answer what happened in a repository, in order; for a tag or a digest, to that version alone."""
        from kitops_orchestration.lineage.timeline import timeline

        where = self.reference(reference)
        only = [where.target] if where.tag or where.digest else None
        return timeline(self.repository(where), tags=only, trust=trust, limits=self.limits)

    def sign_offs(
        self, reference: str | Reference, *, trust: TrustPolicy | None = None, policy_digest: str | None = None
    ) -> SignOffs:
        """Answer who approved, for which stage, and whether it counts; without a trust policy nothing does."""
        from kitops_orchestration.lineage.sign_offs import sign_offs

        where = self.reference(reference)
        return sign_offs(
            self.repository(where), where.target, trust=trust, policy_digest=policy_digest, limits=self.limits
        )

    def training_data(self, reference: str | Reference, *, trust: TrustPolicy | None = None) -> TrainingData:
        """Answer what data trained the model, base models of the same repository included."""
        from kitops_orchestration.lineage.training_data import training_data

        where = self.reference(reference)
        return training_data(self.repository(where), where.target, trust=trust, limits=self.limits)

    def passport(self, reference: str | Reference, *, trust: TrustPolicy | None = None, **options: Any) -> Passport:
        """Return all that the registry knows of a ModelKit, for one page; no layer is fetched."""
        from kitops_orchestration.lineage.passport import passport

        where = self.reference(reference)
        return passport(self.repository(where), where.target, trust=trust, limits=self.limits, **options)

    def compare(
        self,
        left: str | Reference,
        right: str | Reference,
        *,
        trust: TrustPolicy | None = None,
        reads_folders: bool = False,
    ) -> VersionDiff:
        """Compare two ModelKits by Kitfile, layers, metrics and origin; no layer is fetched.

        With ``reads_folders`` the files of layers that lie in a folder are compared too.
        """
        from kitops_orchestration.lineage.diff import diff

        one, two = self.reference(left), self.reference(right)
        return diff(
            self.repository(one),
            one.target,
            two.target,
            right_repository=self.repository(two),
            trust=trust,
            reads_folders=reads_folders,
            limits=self.limits,
        )
