"""The hook's verbs that write or ask for evidence: sign, verify, attest, plan, decide, promote, roll back, record."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_kitops._errors import airflow_errors
from airflow_kitops.connection import ConnectionSettings
from airflow_kitops.hook_lineage import tell_lineage
from airflow_kitops.rendered import text
from kitops_orchestration.errors import SignatureError

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.lineage.passport import Passport
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.lineage.statements import DeploymentTarget, Predicate, Statement
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.promotion.retention import RetentionResult, RetentionRule
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

    @property
    def has_signer(self) -> bool:
        """True when the connection has a signing key."""
        return self.settings.signing_private_key is not None

    def signing(self, sign: bool | None) -> dict[str, Any]:
        """Return the core's ``signer`` and ``sign`` for a new ModelKit; ``None`` means where there is a key.

        Raises:
            SignatureError: ``sign`` without a key.
        """
        signer = self._required_signer() if sign else self.signer
        return {"signer": signer, "sign": signer is not None if sign is None else sign}

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
        """Sign the digest of ``reference`` with the connection's key."""
        with airflow_errors():
            return self.client.sign(self.complete(reference), self._required_signer(), **options)

    def verify(self, reference: str | Mapping[str, Any]) -> VerifyResult:
        """Return the verdict when enough signatures count by the connection's trust policy or key; raise otherwise."""
        with airflow_errors():
            trust = self.trust
            key = None if trust else self.public_key
            return self.client.verify(self.complete(reference), key=key, trust=trust)

    def attest(self, reference: str | Mapping[str, Any], predicate: Predicate | Statement) -> Attached:
        """Attach a statement to the digest of ``reference``, signed where the connection has a key; idempotent."""
        with airflow_errors():
            return self.client.attach(self.complete(reference), predicate, signer=self.signer)

    def lineage(self, reference: str | Mapping[str, Any]) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        with airflow_errors():
            return self.client.lineage(self.complete(reference), trust=self.trust)

    def record_deployment(
        self, reference: str | Mapping[str, Any], environment: str, place: DeploymentTarget, **options: Any
    ) -> Attached:
        """Record that a ModelKit went into service at a place, or out of it."""
        with airflow_errors():
            return self.client.record_deployment(
                self.complete(reference), environment, place, signer=self.signer, **options
            )

    def plan(
        self,
        reference: str | Mapping[str, Any],
        *,
        stage: str,
        policy: str | None = None,
        destination: str | Mapping[str, Any] | None = None,
    ) -> PromotionPlan:
        """Find out what a promotion would do and whether it may; nothing is written."""
        with airflow_errors():
            return self.client.plan(
                self.complete(reference),
                stage=stage,
                policy=_optional_policy(policy),
                trust=self.trust,
                destination=self._optional(destination),
            )

    def review_card(self, plan: PromotionPlan) -> str:
        """Return what a person needs to decide, as Markdown: the plan, and what is new against what is there now."""
        from kitops_orchestration.lineage.diff import diff
        from kitops_orchestration.lineage.passport import passport

        with airflow_errors():
            source, limits = self.client.repository(plan.source), self.settings.limits
            current = plan.expected_current
            if current is None or current == plan.digest:
                about = _facts(passport(source, plan.digest, trust=self.trust, max_history=0, limits=limits))
            else:
                place = self.client.repository(plan.destination)
                compared = diff(place, current, plan.digest, right_repository=source, trust=self.trust, limits=limits)
                page = compared.to_markdown(title="What is new", sides=("now", "proposed"))
                about = re.sub("^#", "###", page, flags=re.MULTILINE)  # below the question, which is a heading itself
            return f"{plan.to_markdown()}\n{about}"

    def decide(
        self, reference: str | Mapping[str, Any], *, is_approved: bool, stage: str, policy: str, **options: Any
    ) -> Attached:
        """Attach a person's decision about the digest of ``reference``, signed with the connection's key."""
        with airflow_errors():
            where, rules = self.complete(reference), load_policy(policy)
            if is_approved:
                return self.client.approve(where, stage=stage, policy=rules, signer=self._required_signer(), **options)
            return self.client.reject(where, stage=stage, policy=rules, signer=self.signer, **options)

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
            result = self.client.promote(
                self.complete(reference),
                stage=stage,
                policy=_optional_policy(policy),
                trust=self.trust,
                destination=self._optional(destination),
                signer=self.signer,
                **options,
            )
            tell_lineage(self, read=self.complete(reference), wrote=result.reference)
            return result

    def rollback(
        self, repository: str | Mapping[str, Any], *, stage: str, reason: str, policy: str | None = None, **options: Any
    ) -> PromotionResult:
        """Put an older ModelKit back into a stage: the one before, or the one that ``to`` names."""
        with airflow_errors():
            return self.client.rollback(
                self.complete(repository),
                stage=stage,
                reason=reason,
                policy=_optional_policy(policy),
                trust=self.trust,
                signer=self.signer,
                **options,
            )

    def retain(
        self,
        repository: str | Mapping[str, Any],
        rule: RetentionRule,
        *,
        policy: str | None = None,
        dry_run: bool = False,
    ) -> RetentionResult:
        """Let the versions of a repository go that the rule does not keep; never one that somebody relies on."""
        with airflow_errors():
            return self.client.retain(
                self.complete(repository),
                rule,
                policy=_optional_policy(policy),
                trust=self.trust,
                dry_run=dry_run,
            )

    def _required_signer(self) -> Signer:
        if self.signer is None:
            raise SignatureError("the connection has no key to sign with", advice="fill in its signing_private_key")
        return self.signer

    def _optional(self, reference: str | Mapping[str, Any] | None) -> Reference | None:
        return self.complete(reference) if reference else None


def load_policy(path: str) -> PromotionPolicy:
    """Read a promotion policy from a file of the worker."""
    from kitops_orchestration.promotion.policy import PromotionPolicy

    return PromotionPolicy.load(path)


def _optional_policy(path: str | None) -> PromotionPolicy | None:
    # Without a policy nothing is checked: that is said by leaving it out, not by a template that rendered nothing.
    return None if path is None else load_policy(text(path, "policy"))


def _facts(found: Passport) -> str:
    from kitops_orchestration.modelkit.markdown import table

    rows = [
        ("ModelKit", f"{found.name} {found.version_name}"),
        ("licence", found.licence or "not stated"),
        ("size", f"{found.version.kit.size_bytes} bytes in {len(found.version.kit.layers)} layers"),
        ("signature", found.verdict.reason if found.verdict else "not checked: the connection has no trust policy"),
        *found.metrics.items(),
    ]
    return table(("", "there is nothing to compare with yet"), rows)
