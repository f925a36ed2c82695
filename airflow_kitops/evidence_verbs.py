"""The hook's verbs that write or ask for evidence: sign, verify, attest, plan, decide, promote, roll back, record."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_kitops._errors import airflow_errors
from airflow_kitops.connection import ConnectionSettings

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.lineage.predicates import Decision, DeploymentTarget
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.lineage.statements import Predicate
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.signing.keys import PublicKey, Signer
    from kitops_orchestration.signing.sign import SignResult
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import VerifyResult


class EvidenceVerbs:
    """A part of :class:`~airflow_kitops.hooks.KitOpsHook`; the connection's key signs, its trust policy judges."""

    cancel: threading.Event

    @cached_property
    def settings(self) -> ConnectionSettings:
        """What the connection says."""
        raise NotImplementedError

    @cached_property
    def client(self) -> KitClient:
        """The core's client."""
        raise NotImplementedError

    def complete(self, reference: str | Mapping[str, Any]) -> Reference:
        """Return a reference, completed from the connection."""
        raise NotImplementedError

    @cached_property
    def signer(self) -> Signer | None:
        """What signs in this connection's name; ``None`` without a signing key."""
        settings = self.settings
        if settings.signing_private_key is None:
            return None
        from kitops_orchestration.signing.keys import load_private_key

        return load_private_key(settings.signing_private_key, settings.signing_private_key_password)

    @cached_property
    def trust(self) -> TrustPolicy | None:
        """Whose signatures count; ``None`` without a trust policy."""
        if self.settings.trust_policy is None:
            return None
        from kitops_orchestration.signing.trust import TrustPolicy

        return TrustPolicy.load(self.settings.trust_policy)

    @cached_property
    def public_key(self) -> PublicKey | None:
        """The key to verify with where there is no trust policy; ``None`` without one."""
        if self.settings.verification_public_key is None:
            return None
        from kitops_orchestration.signing.keys import load_public_key

        return load_public_key(self.settings.verification_public_key)

    def sign(self, reference: str | Mapping[str, Any], **options: Any) -> SignResult:
        """Sign the digest of ``reference`` with the connection's key.

        Raises:
            AirflowFailException: the connection has no signing key, among others.
        """
        from kitops_orchestration.errors import SignatureError
        from kitops_orchestration.signing.sign import sign

        with airflow_errors():
            where = self.complete(reference)
            if self.signer is None:
                raise SignatureError(
                    f"{where} cannot be signed: the connection has no key", advice="fill in signing_private_key"
                )
            return sign(self.client.repository(where), where.target, self.signer, **options)

    def verify(self, reference: str | Mapping[str, Any], **options: Any) -> VerifyResult:
        """Return the verdict when enough signatures count by the connection's trust policy or key; raise otherwise."""
        from kitops_orchestration.signing.verify import verify

        with airflow_errors():
            where = self.complete(reference)
            trust = self.trust
            key = None if trust else self.public_key
            return verify(self.client.repository(where), where.target, trust=trust, key=key, **options)

    def attest(self, reference: str | Mapping[str, Any], predicate: Predicate) -> Attached:
        """Attach a statement to the digest of ``reference``, signed where the connection has a key; idempotent."""
        from kitops_orchestration.lineage.attach import attach

        with airflow_errors():
            where = self.complete(reference)
            return attach(self.client.repository(where), where.target, predicate, signer=self.signer)

    def lineage(self, reference: str | Mapping[str, Any]) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        with airflow_errors():
            return self.client.lineage(self.complete(reference))

    def plan(
        self,
        reference: str | Mapping[str, Any],
        *,
        stage: str,
        policy: str | None = None,
        destination: str | Mapping[str, Any] | None = None,
    ) -> PromotionPlan:
        """Find out what a promotion would do and whether it may; nothing is written."""
        from kitops_orchestration.promotion.plan import plan

        with airflow_errors():
            where, to = self._route(reference, destination)
            return plan(
                self.client.repository(where),
                where.target,
                self.client.repository(to),
                stage=stage,
                tag=to.tag,
                policy=_policy(policy),
                trust=self.trust,
                limits=self.settings.limits,
            )

    def decide(
        self, reference: str | Mapping[str, Any], decision: Decision, *, stage: str, policy: str, **options: Any
    ) -> Attached:
        """Attach a person's decision about the digest of ``reference``, signed with the connection's key."""
        from kitops_orchestration.promotion.approvals import decide
        from kitops_orchestration.promotion.policy import PromotionPolicy

        with airflow_errors():
            where = self.complete(reference)
            return decide(
                self.client.repository(where),
                where.target,
                decision,
                stage=stage,
                policy=PromotionPolicy.load(policy),
                signer=self.signer,
                **options,
            )

    def promote(
        self,
        reference: str | Mapping[str, Any],
        *,
        stage: str,
        policy: str | None = None,
        destination: str | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> PromotionResult:
        """Move a ModelKit to a stage if the policy's checks pass: copy by digest, the stage's tag moves last."""
        with airflow_errors():
            where, to = self._route(reference, destination)
            return self.client.promote(
                where,
                stage=stage,
                destination=to,
                policy=_policy(policy),
                trust=self.trust,
                signer=self.signer,
                **options,
            )

    def rollback(
        self, repository: str | Mapping[str, Any], *, stage: str, reason: str, policy: str | None = None, **options: Any
    ) -> PromotionResult:
        """Put an older ModelKit back into a stage: the one before, or the one that ``to`` names."""
        from kitops_orchestration.promotion.rollback import rollback

        with airflow_errors():
            where = self.complete(repository)
            return rollback(
                self.client.repository(where),
                stage=stage,
                reason=reason,
                policy=_policy(policy),
                trust=self.trust,
                signer=self.signer,
                limits=self.settings.limits,
                cancel=self.cancel,
                **options,
            )

    def record_deployment(
        self, reference: str | Mapping[str, Any], environment: str, place: DeploymentTarget, **options: Any
    ) -> Attached:
        """Record that a ModelKit went into service at a place, or out of it."""
        from kitops_orchestration.lineage.deployment import record_deployment

        with airflow_errors():
            where = self.complete(reference)
            return record_deployment(
                self.client.repository(where), where.target, environment, place, signer=self.signer, **options
            )

    def _route(
        self, reference: str | Mapping[str, Any], destination: str | Mapping[str, Any] | None
    ) -> tuple[Reference, Reference]:
        where = self.complete(reference)
        return where, self.complete(destination) if destination else where.without_target()


def _policy(path: str | None) -> PromotionPolicy | None:
    if not path:
        return None
    from kitops_orchestration.promotion.policy import PromotionPolicy

    return PromotionPolicy.load(path)
