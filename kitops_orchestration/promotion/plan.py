"""The plan: what a promotion would do and whether it may, found out by reading alone.

A plan is a value that survives JSON, so that it can wait for people in an orchestrator; ``promote`` makes it
anew and holds both against each other before anything is written.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import ApprovalMissingError, CheckFailedError, KitOpsError, PromotionError
from kitops_orchestration.lineage import report
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checks import CheckResult, run_check
from kitops_orchestration.promotion.facts import Facts, OpenStage, gather
from kitops_orchestration.promotion.freeze import why_frozen
from kitops_orchestration.promotion.history import events_of, into
from kitops_orchestration.promotion.policy import CheckSpec, PromotionPolicy, Stage
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class PromotionPlan:
    """One digest, one stage, and everything that was found."""

    source: Reference
    """Pinned by digest."""
    destination: Reference
    """Repository and the tag that would move."""
    stage: str
    digest: Digest
    expected_current: Digest | None
    """What the tag pointed at when the plan was made."""
    policy_digest: Digest | None
    checks: tuple[CheckResult, ...]
    created_on: str
    rollback_of: Digest | None = None

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        """The red checks that no approval can turn green."""
        return tuple(check for check in self.checks if not check.is_passed and not check.is_approval)

    @property
    def missing_approvals(self) -> tuple[CheckResult, ...]:
        """The approvals that are still to be given."""
        return tuple(check for check in self.checks if not check.is_passed and check.is_approval)

    @property
    def is_ready(self) -> bool:
        """True when every check is green."""
        return all(check.is_passed for check in self.checks)

    @property
    def is_done(self) -> bool:
        """True when the tag points at the digest already."""
        return self.expected_current == self.digest

    def require_ready(self) -> None:
        """Raise :class:`CheckFailedError` or :class:`ApprovalMissingError` when the promotion may not happen."""
        if self.failed_checks:
            red = [*self.failed_checks, *self.missing_approvals]
            listed = "; ".join(f"{check.id}: expected {check.expected}, found {check.actual}" for check in red)
            raise CheckFailedError(
                f"{self.source} may not go to {self.stage}: {listed}",
                failed_checks=tuple(red),
                advice="fix what is red and plan again; evidence is attached to the digest, so it stays",
            )
        if self.missing_approvals:
            listed = "; ".join(f"{check.expected}, found {check.actual}" for check in self.missing_approvals)
            raise ApprovalMissingError(
                f"{self.source} waits for approval to go to {self.stage}: {listed}",
                advice=f"let them run: kitctl approve {self.source} --stage {self.stage} --policy … --key …",
            )

    def to_json(self) -> dict[str, Any]:
        """Return the plan, ready for ``json.dumps``."""
        return {
            "source": str(self.source),
            "destination": str(self.destination),
            "reference": str(self.source),
            "stage": self.stage,
            "digest": self.digest,
            "expectedCurrent": self.expected_current,
            "policyDigest": self.policy_digest,
            "checks": [check.to_json() for check in self.checks],
            "ready": self.is_ready,
            "createdOn": self.created_on,
            "rollbackOf": self.rollback_of,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote; raises :class:`PromotionError` when it is not a plan."""
        try:
            return cls(
                Reference.parse(value["source"]),
                Reference.parse(value["destination"]),
                str(value["stage"]),
                Digest(value["digest"]),
                _digest(value.get("expectedCurrent")),
                _digest(value.get("policyDigest")),
                tuple(CheckResult.from_json(check) for check in value["checks"]),
                str(value["createdOn"]),
                _digest(value.get("rollbackOf")),
            )
        except (KeyError, TypeError, AttributeError, KitOpsError) as error:
            raise PromotionError(f"not a promotion plan: {error}", advice="make a new one") from error

    def to_markdown(self) -> str:
        """Return the review card: what would move where, and every check."""
        before = self.expected_current.short if self.expected_current else "nothing"
        rows = [(check.id, _mark(check), check.expected, check.actual) for check in self.checks]
        head = f"to stage **{report.cell(self.stage)}** as `{self.destination}`, which has {before} now."
        table = report.table(("check", "", "expected", "found"), rows) if rows else "No check was asked for."
        return "\n\n".join([f"**{self.source}**", head, table, self._verdict()]) + "\n"

    def _verdict(self) -> str:
        if self.is_ready:
            return "**Ready** to be promoted."
        parts = (("does not pass", self.failed_checks), ("waits for", self.missing_approvals))
        return "**Not ready**: " + "; ".join(
            f"{words} {', '.join(check.id for check in checks)}" for words, checks in parts if checks
        )


def _mark(check: CheckResult) -> str:
    if check.is_passed:
        return "passed"
    return "waiting" if check.is_approval else "**failed**"


def plan(
    source: Repository,
    target: str,
    destination: Repository,
    *,
    stage: str,
    policy: PromotionPolicy | None = None,
    trust: TrustPolicy | None = None,
    open_stage: OpenStage | None = None,
    tag: str | None = None,
    source_tag: str | None = None,
    rollback_of: Digest | None = None,
    moment: datetime | None = None,
    limits: Limits = Limits(),
) -> PromotionPlan:
    """Find out what promoting ``target`` to ``stage`` would do and whether it may; nothing is written.

    Without a policy there is nothing to check: the plan is ready, and the promotion is recorded as unchecked.
    ``open_stage`` gives the repository of another stage; by default that is one of the two repositories here.
    ``source_tag`` is how people call a ``target`` that is a digest; the destination keeps it.

    Raises:
        NotFoundError: there is nothing at ``target``.
        PromotionError: the policy has no such stage.
    """
    descriptor = source.resolve(target)
    rules = policy.stage(stage) if policy else Stage(stage, tag=stage)
    tag = tag or rules.tag
    current = resolve_or_none(destination, tag)
    checks: list[CheckResult] = []
    if policy is not None:
        facts = gather(
            source,
            descriptor.digest,
            stage=rules,
            policy=policy,
            trust=trust,
            open_stage=open_stage or _among(policy, source, destination),
            current=current,
            is_rollback=rollback_of is not None,
            moment=moment,
            also_in=destination,
            limits=limits,
        )
        checks = _checks(facts, destination, tag)
    if rollback_of is not None:
        checks.insert(0, _check_was_here(destination, tag, descriptor.digest, stage, trust, limits))
    frozen = why_frozen(destination, stage, current, trust=trust, limits=limits)
    if frozen:
        checks.append(CheckResult("frozen", False, f"{stage} is open", frozen))
    name = source_tag or (None if target == descriptor.digest else target)
    reference = replace(source.reference.with_digest(descriptor.digest), tag=name)
    return PromotionPlan(
        reference,
        destination.reference.with_tag(tag),
        stage,
        descriptor.digest,
        current,
        policy.digest if policy else None,
        tuple(checks),
        format_timestamp(moment or now()),
        rollback_of,
    )


def _checks(facts: Facts, destination: Repository, tag: str) -> list[CheckResult]:
    results = []
    if facts.stage.sources and not facts.is_rollback:
        results.append(_check_source(facts))
    if any(fnmatch.fnmatchcase(tag, pattern) for pattern in facts.stage.immutable_tags):
        is_free = facts.current in (None, facts.digest)
        found = "free" if is_free else f"it points at {facts.current}"
        results.append(CheckResult("immutableTag", is_free, f"{destination.reference.name}:{tag} is free", found))
    if facts.trust is not None:
        refused = facts.trust.why_refused(facts.digest, facts.repository.reference)
        if refused:
            results.append(CheckResult("trustPolicy", False, "not refused by the trust policy", refused))
    return [*results, *(run_check(spec, facts) for spec in _specs(facts))]


def _specs(facts: Facts) -> list[CheckSpec]:
    skipped = facts.stage.skip_on_rollback if facts.is_rollback else frozenset()
    return [spec for spec in facts.stage.checks if spec.kind not in skipped]


def _among(policy: PromotionPolicy, source: Repository, destination: Repository) -> OpenStage:
    """Know of the two repositories at hand which stages they hold."""

    def open_stage(name: str) -> Repository | None:
        wanted = policy.stage(name).repository_for(source.reference.name)
        if wanted is None or wanted == destination.reference.name:
            return destination
        return source if wanted == source.reference.name else None

    return open_stage


def _check_source(facts: Facts) -> CheckResult:
    """The ModelKit is, or was, in one of the stages that this one takes from."""
    expected = f"in {' or '.join(facts.stage.sources)}"
    reasons = []
    for name in facts.stage.sources:
        stage = facts.policy.stages.get(name)
        # A stage of the policy is in one repository; anybody may have a tag of that name in another.
        place = facts.open_stage(name) if stage is not None and stage.destination else facts.repository
        if place is None:
            reasons.append(f"the repository of {name} is not at hand")
            continue
        entered = events_of(place, facts.digest, name, trust=facts.trust)
        if entered:
            return CheckResult("from", True, expected, f"{name}: promoted there", (str(entered[-1].event),))
        is_tagged = resolve_or_none(place, stage.tag if stage else name) == facts.digest
        if is_tagged and (stage is None or not stage.checks):
            return CheckResult("from", True, expected, f"{name}: tagged so")
        if is_tagged:
            # A tag can be moved by hand; what the stage checks is only known to hold from a promotion's record.
            counts = " that counts" if facts.trust is not None else ""
            reasons.append(f"tagged {name}, and no promotion{counts} into it is recorded")
    return CheckResult("from", False, expected, "; ".join(reasons) or "neither tagged nor promoted there")


def _check_was_here(
    destination: Repository, tag: str, digest: Digest, stage: str, trust: TrustPolicy | None, limits: Limits
) -> CheckResult:
    """What goes back was here before: a rollback skips checks, and shall be no way around them."""
    entered = into(destination, tag, events_of(destination, digest, stage, trust=trust, limits=limits))
    events = tuple(str(entry.event) for entry in entered[-1:])
    found = f"promoted on {entered[-1].record.time}" if entered else "no promotion that counts is recorded"
    return CheckResult("rollback", bool(entered), f"{digest.short} was in {stage} before", found, events)


def _digest(text: Any) -> Digest | None:
    return Digest(text) if text else None
