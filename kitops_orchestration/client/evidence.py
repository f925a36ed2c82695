"""What is signed, attached and asked: the verbs of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.compare import DiffOptions, ModelKitDiff
    from kitops_orchestration.lineage.answers.deployment import (
        Deployments,
        RecordDeploymentOptions,
        WhereDeployedOptions,
    )
    from kitops_orchestration.lineage.answers.questions import Lineage, LineageOptions
    from kitops_orchestration.lineage.answers.sign_offs import SignOffs, SignOffsOptions
    from kitops_orchestration.lineage.answers.timeline import Timeline, TimelineOptions
    from kitops_orchestration.lineage.answers.training_data import TrainingData, TrainingDataOptions
    from kitops_orchestration.lineage.passport.passport import Passport, PassportOptions
    from kitops_orchestration.lineage.statements import DeploymentTarget, Predicate, Statement
    from kitops_orchestration.lineage.statements.attach import Attached, AttachOptions
    from kitops_orchestration.lineage.statements.gate import AttestScanOptions
    from kitops_orchestration.modelkit.packing.gate import GateReport
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.sign import SignOptions, SignResult
    from kitops_orchestration.signing.verify import VerifyOptions, VerifyResult


class EvidenceVerbs(Bound):
    """Sign, verify, attach and ask."""

    @verb()
    def sign(self, reference: Named, signer: Signer | None = None, **options: Unpack[SignOptions]) -> SignResult:
        """Sign the digest that the reference points at; signing again adds nothing.

        Raises:
            SignatureError: neither ``signer`` nor the client has a key.
        """
        from kitops_orchestration.signing.sign import sign

        where = self.reference(reference)
        by = self._stamping(signer or self.required_signer(where), None)
        return sign(self.repository(where), where.target, by, **self._hand(sign, options))

    @verb()
    def verify(self, reference: Named, **options: Unpack[VerifyOptions]) -> VerifyResult:
        """Return the verdict when the signatures suffice, offline.

        Who gives ``key`` or ``trust`` asks by that alone.  Else the client's trust policy judges, else its key.

        Raises:
            SignatureMissingError, VerificationError: they do not; the message lists each with its reason.
        """
        from kitops_orchestration.signing.verify import verify

        where = self.reference(reference)
        return verify(self.pulled_from(where), where.target, **self._hand(verify, self._judged(options)))

    @verb()
    def check_signatures(self, reference: Named, **options: Unpack[VerifyOptions]) -> VerifyResult:
        """Return the verdict of :meth:`verify`, also where it is a bad one."""
        from kitops_orchestration.signing.verify import check_signatures

        where = self.reference(reference)
        told = self._hand(check_signatures, self._judged(options))
        return check_signatures(self.pulled_from(where), where.target, **told)

    def _judged(self, options: VerifyOptions) -> VerifyOptions:
        if "key" in options:
            options.setdefault("trust", None)
        elif "trust" not in options and self.trust is None:
            options["key"] = self.key
        return options

    @verb()
    def attach(self, reference: Named, statement: Statement | Predicate, **options: Unpack[AttachOptions]) -> Attached:
        """Attach a statement to the digest that the reference points at; idempotent."""
        from kitops_orchestration.lineage.statements.attach import attach

        where = self.reference(reference)
        return attach(self.repository(where), where.target, statement, **self._hand(attach, options))

    @verb()
    def attest(
        self,
        reference: Named,
        predicate_type: str,
        predicate: Mapping[str, Any],
        **options: Unpack[AttachOptions],
    ) -> Attached:
        """Attach any report (a scan, an evaluation, a data sheet) as evidence."""
        from kitops_orchestration.lineage.statements.attach import attest

        where = self.reference(reference)
        return attest(self.repository(where), where.target, predicate_type, predicate, **self._hand(attest, options))

    @verb()
    def attest_scan(self, reference: Named, **options: Unpack[AttestScanOptions]) -> tuple[GateReport, Attached]:
        """Look through the layers of a ModelKit and attach what was found, whatever it is."""
        from kitops_orchestration.lineage.statements.gate import attest_scan

        where = self.reference(reference)
        return attest_scan(self.repository(where), where.target, **self._hand(attest_scan, options))

    @verb()
    def lineage(self, reference: Named, **options: Unpack[LineageOptions]) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        from kitops_orchestration.lineage.answers.questions import lineage

        where = self.reference(reference)
        return lineage(self.pulled_from(where), where.target, **self._hand(lineage, options))

    @verb()
    def record_deployment(
        self,
        reference: Named,
        environment: str,
        place: DeploymentTarget,
        **options: Unpack[RecordDeploymentOptions],
    ) -> Attached:
        """Record that the ModelKit went into service at a place, or out of it (``action="undeployed"``)."""
        from kitops_orchestration.lineage.answers.deployment import record_deployment

        where = self.reference(reference)
        return record_deployment(
            self.repository(where), where.target, environment, place, **self._hand(record_deployment, options)
        )

    @verb()
    def where_deployed(self, repository: Named, **options: Unpack[WhereDeployedOptions]) -> Deployments:
        """Answer which version of a repository is deployed where."""
        from kitops_orchestration.lineage.answers.deployment import where_deployed

        return where_deployed(self.repository(repository), **self._hand(where_deployed, options))

    @verb()
    def timeline(self, reference: Named, **options: Unpack[TimelineOptions]) -> Timeline:
        """Answer what happened in a repository, in order; for a tag or a digest, to that version alone."""
        from kitops_orchestration.lineage.answers.timeline import timeline

        where = self.reference(reference)
        only = [where.target] if where.tag or where.digest else None
        return timeline(self.repository(where), tags=only, **self._hand(timeline, options))

    @verb()
    def sign_offs(self, reference: Named, **options: Unpack[SignOffsOptions]) -> SignOffs:
        """Answer who approved, for which stage, and whether it counts; without a trust policy nothing does."""
        from kitops_orchestration.lineage.answers.sign_offs import sign_offs

        where = self.reference(reference)
        return sign_offs(self.repository(where), where.target, **self._hand(sign_offs, options))

    @verb()
    def training_data(self, reference: Named, **options: Unpack[TrainingDataOptions]) -> TrainingData:
        """Answer what data trained the model, base models of the same repository included."""
        from kitops_orchestration.lineage.answers.training_data import training_data

        where = self.reference(reference)
        return training_data(self.repository(where), where.target, **self._hand(training_data, options))

    @verb()
    def passport(self, reference: Named, **options: Unpack[PassportOptions]) -> Passport:
        """Return all that the registry knows of a ModelKit, for one page; no layer is fetched.

        With ``reads_requirements`` small layers are read for the files that name libraries.
        """
        from kitops_orchestration.lineage.passport.passport import passport

        where = self.reference(reference)
        return passport(self.pulled_from(where), where.target, **self._hand(passport, options))

    @verb()
    def diff(self, left: Named, right: Named, **options: Unpack[DiffOptions]) -> ModelKitDiff:
        """Compare two ModelKits by Kitfile, layers, files, metrics and origin; no layer is fetched over a network.

        With ``reads_folders=False`` the files of layers that lie in a folder are not read.
        """
        from kitops_orchestration.lineage.answers.compare import diff

        one, two = self.reference(left).or_latest(), self.reference(right).or_latest()
        return diff(
            self.pulled_from(one),
            one.target,
            two.target,
            right_repository=self.pulled_from(two),
            **self._hand(diff, options),
        )
