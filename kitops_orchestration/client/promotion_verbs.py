"""Between stages and across gaps: the verbs of promotion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.client.bound import Bound
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.air_gap import Exported, Imported
    from kitops_orchestration.promotion.history import StageHistory
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.promotion.retention import RetentionResult, RetentionRule
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


class PromotionVerbs(Bound):
    """Plan, decide, promote, roll back, look at stages, and carry ModelKits across an air gap."""

    def plan(
        self,
        reference: str | Reference,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        trust: TrustPolicy | None = None,
        destination: str | Reference | None = None,
        tag: str | None = None,
    ) -> PromotionPlan:
        """Find out what a promotion would do and whether it may; nothing is written."""
        from kitops_orchestration.promotion.plan import plan

        where = self.reference(reference)
        to = self.stage_reference(where, stage, policy, destination)
        return plan(
            self.repository(where),
            where.target,
            self.repository(to),
            stage=stage,
            policy=policy,
            trust=trust,
            open_stage=self._stage_opener(where, policy),
            tag=tag or to.tag,
            source_tag=where.tag,
            limits=self.limits,
        )

    def promote(
        self,
        reference: str | Reference,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        destination: str | Reference | None = None,
        tag: str | None = None,
        **options: Any,
    ) -> PromotionResult:
        """Copy by digest, evidence along, and move the stage's tag last.

        ``destination`` defaults to the policy's, else the same repository; the tag to the policy's, else the
        stage's name.  ``options`` are those of :func:`kitops_orchestration.promotion.promote.promote`.
        """
        from kitops_orchestration.promotion.promote import promote

        where = self.reference(reference)
        to = self.stage_reference(where, stage, policy, destination)
        return promote(
            self.repository(where),
            where.target,
            self.repository(to),
            stage=stage,
            policy=policy,
            open_stage=self._stage_opener(where, policy),
            tag=tag or to.tag,
            source_tag=where.tag,
            **self._moving(options),
        )

    def approve(
        self, reference: str | Reference, *, stage: str, policy: PromotionPolicy, signer: Signer, **options: Any
    ) -> Attached:
        """Sign that this digest may go to the stage, under this text of the policy."""
        return self._decide(reference, "APPROVED", stage, policy, signer, options)

    def reject(
        self,
        reference: str | Reference,
        *,
        stage: str,
        policy: PromotionPolicy,
        signer: Signer | None = None,
        **options: Any,
    ) -> Attached:
        """Record that this digest shall not go to the stage."""
        return self._decide(reference, "REJECTED", stage, policy, signer, options)

    def revoke(
        self, reference: str | Reference, *, stage: str, policy: PromotionPolicy, signer: Signer, **options: Any
    ) -> Attached:
        """Take an approval back; whoever gave it takes it back with the same key."""
        return self._decide(reference, "REVOKED", stage, policy, signer, options)

    def _decide(
        self,
        reference: str | Reference,
        decision: Any,
        stage: str,
        policy: PromotionPolicy,
        signer: Signer | None,
        options: dict[str, Any],
    ) -> Attached:
        from kitops_orchestration.promotion.approvals import decide

        where = self.reference(reference)
        repository = self.repository(where)
        return decide(repository, where.target, decision, stage=stage, policy=policy, signer=signer, **options)

    def rollback(
        self,
        repository: str | Reference,
        *,
        stage: str,
        reason: str,
        policy: PromotionPolicy | None = None,
        destination: str | Reference | None = None,
        to: str = "previous",
        tag: str | None = None,
        **options: Any,
    ) -> PromotionResult:
        """Put an older ModelKit back into a stage: ``to`` is ``previous``, a digest or a tag."""
        from kitops_orchestration.promotion.rollback import rollback

        where = self.reference(repository)
        place = self.stage_reference(where, stage, policy, destination)
        return rollback(
            self.repository(place),
            stage=stage,
            reason=reason,
            to=to,
            tag=tag or place.tag,
            policy=policy,
            **self._moving(options),
        )

    def history(
        self,
        repository: str | Reference,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        trust: TrustPolicy | None = None,
        destination: str | Reference | None = None,
    ) -> StageHistory:
        """Return the promotions of a stage, newest first, and what is recorded and not among them."""
        from kitops_orchestration.promotion.lost_promotions import with_lost_promotions

        place = self.stage_reference(self.reference(repository), stage, policy, destination)
        chain = self._chain(place, stage, policy, trust)
        return with_lost_promotions(self.repository(place), [chain], trust=trust, limits=self.limits)[0]

    def _chain(
        self, place: Reference, stage: str, policy: PromotionPolicy | None, trust: TrustPolicy | None
    ) -> StageHistory:
        from kitops_orchestration.promotion.history import history

        tag = place.tag or (policy.stage(stage).tag if policy else stage)
        return history(self.repository(place), stage, tag=tag, trust=trust, limits=self.limits)

    def status(
        self, repository: str | Reference, *, policy: PromotionPolicy, trust: TrustPolicy | None = None
    ) -> list[StageHistory]:
        """Return what every stage of the policy holds, and how it came there."""
        from kitops_orchestration.promotion.lost_promotions import with_lost_promotions

        where = self.reference(repository)
        places: dict[Reference, list[str]] = {}
        for name in policy.stages:
            places.setdefault(self.stage_reference(where, name, policy), []).append(name)
        found: dict[str, StageHistory] = {}
        for place, names in places.items():
            chains = [self._chain(place, name, policy, trust) for name in names]
            for told in with_lost_promotions(self.repository(place), chains, trust=trust, limits=self.limits):
                found[told.stage] = told
        return [found[name] for name in policy.stages]

    def freeze(
        self,
        repository: str | Reference,
        *,
        stage: str,
        reason: str,
        policy: PromotionPolicy | None = None,
        is_frozen: bool = True,
        **options: Any,
    ) -> Attached:
        """Close a stage, or open it again with ``is_frozen=False``."""
        from kitops_orchestration.promotion.freeze import freeze

        place = self.stage_reference(self.reference(repository), stage, policy, None)
        tag = policy.stage(stage).tag if policy else stage
        return freeze(self.repository(place), stage, reason=reason, tag=tag, is_frozen=is_frozen, **options)

    def retain(
        self,
        repository: str | Reference,
        rule: RetentionRule,
        *,
        policy: PromotionPolicy | None = None,
        trust: TrustPolicy | None = None,
        dry_run: bool = False,
    ) -> RetentionResult:
        """Let the versions of a repository go that the rule does not keep; never one that somebody relies on."""
        from kitops_orchestration.promotion.retention import retain

        return retain(
            self.repository(self.reference(repository).without_target()),
            rule,
            policy=policy,
            trust=trust,
            dry_run=dry_run,
            limits=self.limits,
            cancel=self.cancel,
        )

    def export_archive(self, references: Sequence[str | Reference], path: Path | str, **options: Any) -> Exported:
        """Write ModelKits with all their evidence into one OCI layout tar."""
        from kitops_orchestration.promotion.air_gap import export_archive

        wheres = [self.reference(reference) for reference in references]
        items = [(self.repository(where), where.target) for where in wheres]
        return export_archive(items, Path(path), **self._moving(options))

    def import_archive(self, path: Path | str, *, into: str | None = None, **options: Any) -> list[Imported]:
        """Bring every ModelKit of an archive in, verified.

        ``into`` is a repository; ``{name}`` in it is the last part of the repository that a ModelKit came from,
        ``{repository}`` all of it.  Without one each goes to the repository of its own name in this client's
        registry.  ``options`` are those of :func:`kitops_orchestration.promotion.air_gap.import_archive`.
        """
        from kitops_orchestration.promotion.air_gap import import_archive

        def open_repository(origin: str) -> Repository:
            own = Reference.parse(origin).repository if origin else "imported"
            place = (into or "{repository}").replace("{repository}", own).replace("{name}", own.rsplit("/", 1)[-1])
            return self.repository(place)

        return import_archive(Path(path), open_repository, **self._moving(options))

    def stage_reference(
        self,
        where: Reference,
        stage: str,
        policy: PromotionPolicy | None,
        destination: str | Reference | None = None,
    ) -> Reference:
        """Return the repository (and tag, where ``destination`` has one) that a stage is in."""
        if destination is not None:
            return self.reference(destination)
        wanted = policy.stage(stage).repository_for(where.name) if policy else None
        return self.reference(wanted).without_target() if wanted else where.without_target()

    def _stage_opener(self, where: Reference, policy: PromotionPolicy | None) -> Any:
        def open_stage(name: str) -> Repository:
            known = policy if policy is not None and name in policy.stages else None
            return self.repository(self.stage_reference(where, name, known))

        return open_stage
