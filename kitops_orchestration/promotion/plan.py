"""The plan: what a promotion would do and whether it may, found out by reading alone.

A plan is a value that survives JSON, so that it can wait for people in an orchestrator; ``promote`` makes it
anew and holds both against each other before anything is written.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict

from kitops_orchestration.cancel import at_once
from kitops_orchestration.errors import (
    ApprovalMissingError,
    CheckFailedError,
    KitOpsError,
    PromotionError,
    TagOwnedError,
)
from kitops_orchestration.lineage.statements.verdict import SeenCheckpoint
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.read_once import OpenedOnce
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import older_tags
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Chip, Code, Page, Paragraph, Strong, Table
from kitops_orchestration.promotion.checks.approvals import check_no_rejection
from kitops_orchestration.promotion.checks.builtin import CheckResult, run_check
from kitops_orchestration.promotion.checks.denied import why_refused
from kitops_orchestration.promotion.checks.facts import Facts, OpenStage, gather
from kitops_orchestration.promotion.records.counting import Rules, find_records
from kitops_orchestration.promotion.rules.policy import CheckSpec, PromotionPolicy, Stage
from kitops_orchestration.promotion.stage_tag.anchor import stages_of_tag
from kitops_orchestration.promotion.stage_tag.freeze import why_frozen
from kitops_orchestration.promotion.way_back import way_back
from kitops_orchestration.promotion.way_in import check_way_in
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.attestation_tag import attestation_tag
from kitops_orchestration.signing.evidence import fetch_attached
from kitops_orchestration.signing.legacy import signature_tag
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.signing.trust import TrustPolicy


FROZEN = "frozen"
"""The check that is red while the stage is closed."""
CARD_COMPLETE = "cardComplete"
"""The check that people turn green by writing."""


@dataclass(frozen=True, slots=True)
class PromotionPlan(Answer):
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
    trust_digest: Digest | None = None
    """Digest of the resolved trust policy, so that what people approved is not decided by another one."""
    entered_by: Digest | None = None
    """The record that counts of how the digest came to where it is, when the tag points at it already."""
    skipped: tuple[str, ...] = ()
    """Kinds of checks that are left out on the way back."""
    checkpoints: tuple[SeenCheckpoint, ...] = ()
    """The witnesses' checkpoints that it rests on."""

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
    def is_at_tag(self) -> bool:
        """True when the tag points at the digest already; that alone says nothing about how it came there."""
        return self.expected_current == self.digest

    @property
    def blocking(self) -> tuple[CheckResult, ...]:
        """The red checks that stop it: a freeze does not stop what is there already, because nothing moves."""
        red = (*self.failed_checks, *self.missing_approvals)
        return tuple(check for check in red if not (self.is_at_tag and check.id == FROZEN))

    @property
    def is_done(self) -> bool:
        """True when nothing is left to do: the tag is there, by a record that counts, and nothing speaks against it."""
        return self.is_at_tag and self.entered_by is not None and not self.blocking

    def require_ready(self) -> None:
        """Raise :class:`CheckFailedError` or :class:`ApprovalMissingError` when the promotion may not happen."""
        red = self.blocking
        if any(not check.is_approval for check in red):
            listed = "; ".join(f"{check.id}: expected {check.expected}, found {check.actual}" for check in red)
            raise CheckFailedError(f"{self.source} {self._may_not}: {listed}", failed_checks=red, advice=self._way_out)
        if red:
            listed = "; ".join(f"{check.expected}, found {check.actual}" for check in red)
            raise ApprovalMissingError(
                f"{self.source} {self._waits}: {listed}",
                advice=f"let them run: kitctl approve {self.source} --stage {self.stage} --policy … --key …",
            )

    def require_askable(self, card_sections: Collection[str] = ()) -> None:
        """Raise :class:`CheckFailedError` where nothing that people say could turn the plan green."""
        if self.past_asking(card_sections):
            self.require_ready()

    def past_asking(self, card_sections: Collection[str] = ()) -> tuple[CheckResult, ...]:
        """Return the red checks that nothing that people say turns green.

        What they can say is an approval, and with ``card_sections`` those sections of the card, too.
        """
        return tuple(check for check in self.failed_checks if not (card_sections and check.id == CARD_COMPLETE))

    @property
    def _may_not(self) -> str:
        return (
            f"is in {self.stage}, and may not be by today's verdict"
            if self.is_at_tag
            else (f"may not go to {self.stage}")
        )

    @property
    def _waits(self) -> str:
        return (
            f"is in {self.stage}, and lacks approval today"
            if self.is_at_tag
            else (f"waits for approval to go to {self.stage}")
        )

    @property
    def _way_out(self) -> str:
        if self.is_at_tag:
            return f"take it out: kitctl rollback {self.destination.name} --stage {self.stage} --reason …"
        return "fix what is red and plan again; evidence is attached to the digest, so it stays"

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
            "trustDigest": self.trust_digest,
            "enteredBy": self.entered_by,
            "skipped": list(self.skipped),
            "checkpoints": [item.to_json() for item in self.checkpoints],
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
                _digest(value.get("trustDigest")),
                _digest(value.get("enteredBy")),
                tuple(map(str, value.get("skipped") or ())),
                tuple(map(SeenCheckpoint.from_json, value.get("checkpoints") or ())),
            )
        except (KeyError, TypeError, AttributeError, KitOpsError) as error:
            raise PromotionError(f"not a promotion plan: {error}", advice="make a new one") from error

    def page(self) -> Page:
        """Return what would move where, and every check."""
        before = self.expected_current.short if self.expected_current else "nothing"
        rows = [(check.id, _mark(check), check.expected, check.actual) for check in self.checks]
        return Page.of(
            f"Promotion to {self.stage}",
            Paragraph.of(Code(str(self.source))),
            Paragraph.of(
                "to stage ", Strong(self.stage), " as ", Code(str(self.destination)), f", which has {before} now."
            ),
            Table.of(("check", "result", "expected", "found"), rows, empty="No check was asked for."),
            self._verdict(),
        )

    def _verdict(self) -> Paragraph:
        if self.is_ready:
            return Paragraph.of(Strong("Ready"), " to be promoted.")
        parts = (("does not pass", self.failed_checks), ("waits for", self.missing_approvals))
        listed = "; ".join(f"{words} {', '.join(check.id for check in checks)}" for words, checks in parts if checks)
        return Paragraph.of(Strong("Not ready"), f": {listed}")


def _mark(check: CheckResult) -> Chip:
    if check.is_passed:
        return Chip("passed", "good")
    return Chip("waiting", "warn") if check.is_approval else Chip("failed", "bad")


class PlanOptions(TypedDict, total=False):
    """What :func:`plan_promotion` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    moment: datetime | None
    is_fresh: bool
    memory: CheckpointMemory | None
    limits: Limits


def plan_promotion(
    source: Repository,
    target: str,
    destination: Repository,
    once: OpenedOnce | None = None,
    *,
    stage: str,
    policy: PromotionPolicy | None = None,
    trust: TrustPolicy | None = None,
    open_stage: OpenStage | None = None,
    tag: str | None = None,
    source_tag: str | None = None,
    rollback_of: Digest | None = None,
    moment: datetime | None = None,
    is_fresh: bool = False,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> PromotionPlan:
    """Find out what promoting ``target`` to ``stage`` would do and whether it may; nothing is written.

    Without a policy there is nothing to check: the plan is ready, and the promotion is recorded as unchecked.
    ``open_stage`` gives the repository of another stage; by default that is one of the two repositories here.
    ``source_tag`` is how people call a ``target`` that is a digest; the destination keeps it.  ``is_fresh`` judges
    ages of evidence now, also where the ModelKit is in the stage already.  ``memory`` is where the numbers of
    checkpoints are remembered, by default in a folder of this machine.  ``once`` keeps what was read, for a caller that
    goes on with what was judged before anything is written.

    Raises:
        NotFoundError: there is nothing at ``target``.
        PromotionError: the policy has no such stage, or the tag is that of another one.
    """
    # The evidence that is judged has to be the evidence that is held against a checkpoint: a registry that is asked
    # twice can show two lists.
    is_copied, once = once is not None, once or OpenedOnce()
    source, destination = once(source), once(destination)
    rules = policy.stage(stage) if policy else Stage(stage, tag=stage)
    tag = tag or rules.tag
    _ask_ahead(limits, partial(source.resolve, target), partial(destination.resolve, tag))
    descriptor = source.resolve(target)
    require_own_tag(policy, rules, source, destination, tag)
    place = destination.reference.with_tag(tag)
    current = resolve_or_none(destination, tag)
    if policy is not None:
        is_there = current == descriptor.digest
        tags = older_tags(descriptor.digest) if is_copied else _tags_needed(rules, descriptor.digest)
        _ask_ahead(limits, *_needed(source, descriptor.digest, destination, tags, is_there=is_there))
        _ask_ahead(limits, *_contents_needed(source, descriptor.digest, destination, tags, is_there=is_there))
    entered = None
    if current == descriptor.digest:
        wanted = Rules.of(stage, place, policy=policy, trust=trust, is_unsigned_enough=trust is None)
        counting = find_records(destination, current, wanted, limits=limits).counting
        entered = counting[-1] if counting else None
    checks: list[CheckResult] = []
    seen: tuple[SeenCheckpoint, ...] = ()
    may_skip = False
    if rollback_of is not None:
        back = way_back(destination, place, descriptor.digest, stage, policy=policy, trust=trust, limits=limits)
        checks, may_skip = [back.check], back.may_skip
    if policy is not None:
        facts = gather(
            source,
            descriptor.digest,
            stage=rules,
            policy=policy,
            trust=trust,
            open_stage=_opened_once(open_stage, once) if open_stage else _among(policy, source, destination),
            current=current,
            is_rollback=may_skip,
            moment=moment,
            also_in=destination,
            limits=limits,
        )
        checks += _checks(replace(facts, entered=entered, is_fresh=is_fresh), destination, tag)
        if policy.checkpoint is not None:
            from kitops_orchestration.promotion.checks.checkpoint_check import check_checkpoint

            check, seen = check_checkpoint(facts, policy.checkpoint, destination, tag, memory=memory, limits=limits)
            checks.append(check)
    frozen = why_frozen(destination, stage, tag, current, trust=trust, limits=limits)
    if frozen:
        checks.append(CheckResult(FROZEN, False, f"{stage} is open", frozen))
    name = source_tag or (None if target == descriptor.digest else target)
    reference = replace(source.reference.with_digest(descriptor.digest), tag=name)
    return PromotionPlan(
        reference,
        place,
        stage,
        descriptor.digest,
        current,
        policy.digest if policy else None,
        tuple(checks),
        format_timestamp(moment or now()),
        rollback_of,
        trust.digest if trust else None,
        entered.event if entered and trust else None,
        tuple(sorted(rules.skip_on_rollback)) if may_skip and policy else (),
        seen,
    )


def _tags_needed(stage: Stage, digest: Digest) -> list[str]:
    """Return the tags of older evidence that the checks of a stage ask for."""
    is_signature_asked = any(spec.kind == "signature" for spec in stage.checks)
    return [attestation_tag(digest), *([signature_tag(digest)] if is_signature_asked else [])]


def _needed(
    source: Repository, digest: Digest, destination: Repository, tags: Sequence[str], *, is_there: bool
) -> Iterator[Callable[[], object]]:
    """Yield what every plan under a policy asks about a digest, whatever the answers to the others are.

    The freezes are not among it: they are read last, so that one that comes meanwhile still holds.
    """
    yield partial(source.fetch_manifest, digest)
    yield partial(source.referrers, digest)
    yield from (partial(source.resolve, tag) for tag in tags)
    if source.reference.name != destination.reference.name:
        yield partial(destination.resolve, digest)
        if is_there:
            yield partial(destination.referrers, digest)
            yield partial(destination.resolve, attestation_tag(digest))


def _contents_needed(
    source: Repository, digest: Digest, destination: Repository, tags: Sequence[str], *, is_there: bool
) -> Iterator[Callable[[], object]]:
    """Yield what is read next, and does not depend on each other: the Kitfile, every statement, older signatures."""
    yield partial(inspect, source, digest)
    places = [source, destination] if is_there and source.reference.name != destination.reference.name else [source]
    for place in places:
        with contextlib.suppress(KitOpsError):  # it is raised again for whoever needs the list
            yield from (partial(fetch_attached, place, digest, item) for item in place.referrers(digest))
    if signature_tag(digest) in tags:
        yield partial(source.fetch_manifest, signature_tag(digest))


def _ask_ahead(limits: Limits, *questions: Callable[[], object]) -> None:
    """Put questions at once that are put one after the other later: what is read once is not asked for again."""

    def ask(question: Callable[[], object]) -> None:
        with contextlib.suppress(KitOpsError):  # it is raised again for whoever needs the answer
            question()

    if limits.concurrency > 1:
        at_once(limits.concurrency, [partial(ask, question) for question in questions])


def require_own_tag(
    policy: PromotionPolicy | None, stage: Stage, source: Repository, destination: Repository, tag: str
) -> None:
    """Refuse to move the tag of one stage with the checks of another; raises :class:`TagOwnedError`."""
    owner = policy.owner_of(source.reference.name, destination.reference.name, tag) if policy else None
    if owner is not None and owner.name != stage.name:
        raise TagOwnedError(
            f"{destination.reference.name}:{tag} is the tag of the stage {owner.name}, and not of {stage.name}",
            advice=f"promote to it with its own checks: --stage {owner.name}",
        )


def _checks(facts: Facts, destination: Repository, tag: str) -> list[CheckResult]:
    results = []
    if facts.stage.takes_from and not facts.is_rollback:
        results.append(check_way_in(facts))
    if any(fnmatch.fnmatchcase(tag, pattern) for pattern in facts.stage.immutable_tags):
        results.append(_check_immutable(facts, destination, tag))
    if facts.kit.missing:
        lacked = ", ".join(item.clean_path or item.name for item in facts.kit.missing)
        found = f"the manifest has no layer for {lacked}"
        results.append(CheckResult("layers", False, "a layer for every part that the Kitfile names", found))
    if facts.trust is not None:
        refused = why_refused(facts)
        if refused:
            results.append(CheckResult("trustPolicy", False, "not refused by the trust policy", refused))
        results += _rejections(facts)
    return [*results, *(run_check(spec, facts) for spec in _specs(facts))]


def _check_immutable(facts: Facts, destination: Repository, tag: str) -> CheckResult:
    """A tag that never moves is free when nothing is there and no promotion says that something was."""
    expected = f"{destination.reference.name}:{tag} is free"
    if facts.current is not None:
        found = "free" if facts.current == facts.digest else f"it points at {facts.current}"
        return CheckResult("immutableTag", facts.current == facts.digest, expected, found)
    if not stages_of_tag(destination, tag):
        return CheckResult("immutableTag", True, expected, "free")
    place = destination.reference.with_tag(tag)
    rules = Rules.of(facts.stage.name, place, policy=None, trust=facts.trust, is_unsigned_enough=facts.trust is None)
    if find_records(destination, facts.digest, rules).counting:
        return CheckResult("immutableTag", True, expected, "it was taken away, and this version had it")
    return CheckResult("immutableTag", False, expected, "it was taken away, and another version had it")


def _rejections(facts: Facts) -> list[CheckResult]:
    """A "no" binds also where the stage asks for no approval, or a rollback leaves that check out."""
    if any(spec.kind == "approvals" for spec in _specs(facts)):
        return []
    is_passed, expected, actual, evidence = check_no_rejection(facts)
    digests = tuple(str(item.descriptor.digest) for item in evidence)
    return [] if is_passed else [CheckResult("rejected", False, expected, actual, digests)]


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


def _opened_once(open_stage: OpenStage, once: OpenedOnce) -> OpenStage:
    def opened(name: str) -> Repository | None:
        found = open_stage(name)
        return None if found is None else once(found)

    return opened


def _digest(text: Any) -> Digest | None:
    return Digest(text) if text else None
