"""Between stages and across gaps: the verbs of promotion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb
from kitops_orchestration.errors import KitOpsError, VerificationError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.deployment import WhereDeployedOptions
    from kitops_orchestration.lineage.answers.timeline import Timeline
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.lineage.statements.predicates import Decision
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.air_gap import Loaded, LoadOptions, Saved, SaveOptions
    from kitops_orchestration.promotion.checkpoint.make import CheckpointOptions, CheckpointResult
    from kitops_orchestration.promotion.decide import DecideOptions
    from kitops_orchestration.promotion.overview import Overview
    from kitops_orchestration.promotion.plan import PlanOptions, PromotionPlan
    from kitops_orchestration.promotion.promote import PromoteOptions, PromotionResult
    from kitops_orchestration.promotion.records.history import HistoryOptions, StageHistory
    from kitops_orchestration.promotion.retention.retain import RetainOptions, RetentionResult, RetentionRule
    from kitops_orchestration.promotion.review import ReviewCard, ReviewOptions
    from kitops_orchestration.promotion.rollback import RollbackOptions
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.promotion.stage_tag.freeze import FreezeOptions
    from kitops_orchestration.promotion.stage_verdict import StageVerdict, StageVerdictOptions
    from kitops_orchestration.signing.trust import TrustPolicy


class PromotionVerbs(Bound):
    """Plan, decide, promote, roll back, look at stages, and carry ModelKits across an air gap.

    A decision is signed with ``signer``, or with the client's; without either it is refused.
    """

    @verb()
    def plan(
        self,
        reference: Named,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        destination: Named | None = None,
        tag: str | None = None,
        **options: Unpack[PlanOptions],
    ) -> PromotionPlan:
        """Find out what a promotion would do and whether it may; nothing is written."""
        from kitops_orchestration.promotion.plan import plan_promotion

        where = self.reference(reference)
        to = self.stage_reference(where, stage, policy, destination)
        return plan_promotion(
            self.repository(where),
            where.target,
            self.repository(to),
            stage=stage,
            policy=policy,
            open_stage=self._stage_opener(where, policy),
            tag=tag or to.tag,
            source_tag=where.tag,
            **self._hand(plan_promotion, options),
        )

    @verb("moves")
    def promote(
        self,
        reference: Named,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        destination: Named | None = None,
        tag: str | None = None,
        **options: Unpack[PromoteOptions],
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
            **self._hand(promote, options),
        )

    @verb()
    def approve(
        self, reference: Named, *, stage: str, policy: PromotionPolicy, **options: Unpack[DecideOptions]
    ) -> Attached:
        """Sign that this digest may go to the stage, under this text of the policy."""
        return self._decide(reference, "APPROVED", stage, policy, options)

    @verb()
    def reject(
        self, reference: Named, *, stage: str, policy: PromotionPolicy, **options: Unpack[DecideOptions]
    ) -> Attached:
        """Sign that this digest shall not go to the stage; it binds until it is taken back by its name."""
        return self._decide(reference, "REJECTED", stage, policy, options)

    @verb()
    def overrule(
        self, reference: Named, *, stage: str, policy: PromotionPolicy, **options: Unpack[DecideOptions]
    ) -> Attached:
        """Take back what others refused, in a role that the policy names under ``rejections``; needs a comment."""
        return self._decide(reference, "OVERRULED", stage, policy, options)

    @verb()
    def revoke(
        self, reference: Named, *, stage: str, policy: PromotionPolicy, **options: Unpack[DecideOptions]
    ) -> Attached:
        """Take an approval back; whoever gave it takes it back with the same key."""
        return self._decide(reference, "REVOKED", stage, policy, options)

    def _decide(
        self, reference: Named, decision: Decision, stage: str, policy: PromotionPolicy, options: DecideOptions
    ) -> Attached:
        from kitops_orchestration.promotion.decide import decide

        where = self.reference(reference)
        told = self._hand(decide, options)
        # A name that the policy does not have is told by the verb.
        place = self.stage_reference(where, stage, policy) if stage in policy.stages else where
        return decide(
            self.repository(where),
            where.target,
            decision,
            stage=stage,
            policy=policy,
            stage_repository=self.repository(place),
            **told,
        )

    @verb("writes")
    def rollback(
        self,
        repository: Named,
        *,
        stage: str,
        reason: str,
        policy: PromotionPolicy | None = None,
        destination: Named | None = None,
        to: str = "previous",
        tag: str | None = None,
        **options: Unpack[RollbackOptions],
    ) -> PromotionResult:
        """Put an older ModelKit back into a stage: ``to`` is ``previous``, a digest or a tag."""
        from kitops_orchestration.promotion.rollback import rollback

        place = self.stage_reference(self.reference(repository), stage, policy, destination)
        return rollback(
            self.repository(place),
            stage=stage,
            reason=reason,
            to=to,
            tag=tag or place.tag,
            policy=policy,
            **self._hand(rollback, options),
        )

    @verb()
    def review(self, plan: PromotionPlan, **options: Unpack[ReviewOptions]) -> ReviewCard:
        """Return what a person needs to see before deciding: the plan, and what is new against what is there now."""
        from kitops_orchestration.promotion.review import review

        source, destination = self.repository(plan.source), self.repository(plan.destination)
        return review(plan, source, destination, **self._hand(review, options))

    @verb()
    def overview(self, repository: Named, **options: Unpack[WhereDeployedOptions]) -> Overview:
        """Return what a repository holds and what happened to it: stages, versions, places, timeline."""
        from kitops_orchestration.lineage.answers.deployment import where_deployed
        from kitops_orchestration.lineage.answers.timeline import timeline
        from kitops_orchestration.promotion.overview import Overview, stages_of

        where = self.reference(repository).without_target()
        place, told = self.repository(where), self._hand(where_deployed, options)
        happened = timeline(place, **told)
        own: HistoryOptions = {name: told[name] for name in ("trust", "limits")}  # type: ignore[assignment] # two of them
        stages = tuple(self._history_of(where, name, happened, own) for name in stages_of(happened))
        return Overview(where, stages, where_deployed(place, **told), happened)

    def _history_of(self, where: Reference, stage: str, happened: Timeline, own: HistoryOptions) -> StageHistory:
        """Return the history of a stage where it has one: here, or in the repository that it is."""
        here = self.history(where, stage=stage, **own)
        others = [item.repository for item in happened.followed.places if stage in item.stages]
        if here.current is not None or not others:
            return here
        try:
            return self.history(Reference.parse(others[0]), stage=stage, **own)
        except KitOpsError:
            return here  # what did not answer is told beside the timeline

    @verb()
    def history(
        self,
        repository: Named,
        *,
        stage: str,
        policy: PromotionPolicy | None = None,
        destination: Named | None = None,
        limit: int | None = None,
        is_complete: bool = False,
        **options: Unpack[HistoryOptions],
    ) -> StageHistory:
        """Return the promotions of a stage, newest first; with a ``limit`` the newest so many.

        What is read grows with the promotions that are returned, and not with the versions in the repository.  Only
        ``is_complete`` also searches every version for promotions that are recorded and lead nowhere, and then every
        promotion is returned: that is a request for each tag.
        """
        place = self.stage_reference(self.reference(repository), stage, policy, destination)
        return self._chains(place, [stage], policy, limit, options, is_complete=is_complete)[0]

    @verb()
    def stage_verdict(
        self,
        repository: Named,
        *,
        stage: str,
        policy: PromotionPolicy,
        destination: Named | None = None,
        **options: Unpack[StageVerdictOptions],
    ) -> StageVerdict:
        """Judge what a stage has by today's rules: the gate that a deployment asks.

        ``options`` are those of :func:`kitops_orchestration.promotion.stage_verdict.stage_verdict`.
        """
        from kitops_orchestration.promotion.stage_verdict import stage_verdict

        where = self.reference(repository)
        place = self.stage_reference(where, stage, policy, destination)
        told = self._hand(stage_verdict, {"policy": policy, **options})
        if told["trust"] is None:
            raise VerificationError(
                f"nothing says whose signatures on {place} count",
                advice="give a trust policy: without one all may pass",
            )
        return stage_verdict(self.repository(place), stage, open_stage=self._stage_opener(where, policy), **told)

    @verb()
    def status(
        self,
        repository: Named,
        *,
        policy: PromotionPolicy,
        limit: int | None = 1,
        is_complete: bool = False,
        **options: Unpack[HistoryOptions],
    ) -> list[StageHistory]:
        """Return what every stage of the policy holds, and the promotion that brought it there.

        ``limit`` (``None`` for the whole chain) and ``is_complete`` are those of :meth:`history`.
        """
        where = self.reference(repository)
        places: dict[Reference, list[str]] = {}
        for name in policy.stages:
            places.setdefault(self.stage_reference(where, name, policy), []).append(name)
        found: dict[str, StageHistory] = {}
        for place, names in places.items():
            found |= {
                told.stage: told for told in self._chains(place, names, policy, limit, options, is_complete=is_complete)
            }
        return [found[name] for name in policy.stages]

    def _chains(
        self,
        place: Reference,
        stages: Sequence[str],
        policy: PromotionPolicy | None,
        limit: int | None,
        options: HistoryOptions,
        *,
        is_complete: bool,
    ) -> list[StageHistory]:
        """Return the history of stages that are in one place; the complete one with what leads nowhere."""
        from kitops_orchestration.promotion.records.history import MOST_ENTRIES, history
        from kitops_orchestration.promotion.records.lost_promotions import with_lost_promotions

        repository, told = self.repository(place), self._hand(history, options)
        tags = {stage: place.tag or (policy.stage(stage).tag if policy else stage) for stage in stages}
        most = MOST_ENTRIES if is_complete or limit is None else limit
        chains = [history(repository, stage, tag=tag, limit=most, **told) for stage, tag in tags.items()]
        found = with_lost_promotions(repository, chains, **told) if is_complete else chains
        return [self._with_checkpoint(repository, item, policy, told["trust"]) for item in found]

    def _with_checkpoint(
        self, repository: Repository, found: StageHistory, policy: PromotionPolicy | None, trust: TrustPolicy | None
    ) -> StageHistory:
        """Say whose checkpoint it is and of when, and what the registry lacks of it, where the policy asks for one."""
        if policy is None or policy.checkpoint is None or trust is None or found.stage not in policy.stages:
            return found
        from kitops_orchestration.promotion.checks.checkpoint_check import check_stage

        stage, now_ = policy.stage(found.stage), found.current
        check = check_stage(
            policy.checkpoint, stage, repository, trust, digest=now_, memory=self._memory, limits=self.limits
        )
        if check.is_passed:
            return replace(found, checkpoint=check.actual)
        return replace(found, gaps=(*found.gaps, f"checkpoint: {check.actual}"))

    @verb()
    def freeze(
        self,
        repository: Named,
        *,
        stage: str,
        reason: str,
        policy: PromotionPolicy | None = None,
        **options: Unpack[FreezeOptions],
    ) -> Attached:
        """Close a stage, or open it again with ``is_frozen=False``."""
        from kitops_orchestration.promotion.stage_tag.freeze import freeze

        place = self.stage_reference(self.reference(repository), stage, policy)
        tag = policy.stage(stage).tag if policy else stage
        return freeze(self.repository(place), stage, reason=reason, tag=tag, **self._hand(freeze, options))

    @verb()
    def checkpoint(
        self,
        repository: Named,
        *,
        policy: PromotionPolicy | None = None,
        reason: str | None = None,
        **options: Unpack[CheckpointOptions],
    ) -> CheckpointResult:
        """Sign what the repository holds now, as a witness; again adds nothing while nothing changed.

        ``options`` are those of :func:`kitops_orchestration.promotion.checkpoint.make.checkpoint`.
        """
        from kitops_orchestration.promotion.checkpoint.make import checkpoint

        where = self.reference(repository).without_target()
        told = self._hand(checkpoint, options)
        return checkpoint(self.repository(where), policy=policy, reason=reason, **told)

    @verb()
    def retain(
        self,
        repository: Named,
        rule: RetentionRule,
        *,
        policy: PromotionPolicy | None = None,
        **options: Unpack[RetainOptions],
    ) -> RetentionResult:
        """Let the versions of a repository go that the rule does not keep; never one that somebody relies on."""
        from kitops_orchestration.promotion.retention.retain import retain

        where = self.reference(repository).without_target()
        return retain(self.repository(where), rule, policy=policy, **self._hand(retain, options))

    @verb()
    def save(self, references: Sequence[Named], path: Path | str, **options: Unpack[SaveOptions]) -> Saved:
        """Write ModelKits with all their evidence into one OCI layout tar."""
        from kitops_orchestration.promotion.air_gap import save

        wheres = [self.reference(reference) for reference in references]
        items = [(self.pulled_from(where), where.target) for where in wheres]
        return save(items, Path(path), **self._hand(save, options))

    @verb()
    def load(self, path: Path | str, *, into: str | None = None, **options: Unpack[LoadOptions]) -> list[Loaded]:
        """Bring every ModelKit of an archive in, verified.

        ``into`` is a repository; ``{name}`` in it is the last part of the repository that a ModelKit came from,
        ``{repository}`` all of it.  Without one each goes to the repository of its own name in this client's
        registry.  ``options`` are those of :func:`kitops_orchestration.promotion.air_gap.load`.
        """
        from kitops_orchestration.promotion.air_gap import load

        def place_of(origin: str) -> Repository:
            own = Reference.parse(origin).repository if origin else "imported"
            if into is None:
                return self.repository(Reference.parse(own, registry=self.registry))  # it has its namespace already
            return self.repository(into.replace("{repository}", own).replace("{name}", own.rsplit("/", 1)[-1]))

        return load(Path(path), place_of, **self._hand(load, options))

    def stage_reference(
        self,
        where: Reference,
        stage: str,
        policy: PromotionPolicy | None,
        destination: Named | None = None,
    ) -> Reference:
        """Return the repository (and tag, where ``destination`` has one) that a stage is in.

        What a policy says means the same to everybody who reads it: no namespace of a caller is put before it.
        """
        if destination is not None:
            return self.reference(destination)
        wanted = policy.stage(stage).repository_for(where.name) if policy else None
        return Reference.parse(wanted, registry=self.registry).without_target() if wanted else where.without_target()

    def _stage_opener(self, where: Reference, policy: PromotionPolicy | None) -> Callable[[str], Repository]:
        def open_stage(name: str) -> Repository:
            known = policy if policy is not None and name in policy.stages else None
            return self.repository(self.stage_reference(where, name, known))

        return open_stage
