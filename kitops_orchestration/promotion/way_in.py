"""The check ``from``: a ModelKit comes out of one of the stages that this one takes from.

Order and place are known from a record that counts.  Whether the source stage's checks hold is not: a record is
the word of whoever holds a releaser's key, so they are made again, on this digest and with the evidence of today.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checks.approvals import check_no_rejection
from kitops_orchestration.promotion.checks.builtin import CheckResult, run_check
from kitops_orchestration.promotion.checks.facts import Facts, gather
from kitops_orchestration.promotion.records.counting import Found, Rules, find_records

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import Source, Stage

_NOT_AGAIN = "notWorseThan"
"""What the source stage has may have changed since: only its own promotion compares with it."""


def check_way_in(facts: Facts, seen: frozenset[str] = frozenset()) -> CheckResult:
    """Return the check ``from`` of the stage; ``seen`` are the stages that lead here, so that a circle ends."""
    expected = f"in {' or '.join(facts.stage.sources)}"
    reasons: list[str] = []
    for source in facts.stage.takes_from:
        found = _came_from(facts, source, seen | {facts.stage.name})
        if found.is_passed:
            return replace(found, expected=expected)
        reasons.append(found.actual)
    return CheckResult("from", False, expected, "; ".join(dict.fromkeys(filter(None, reasons))))


def _came_from(facts: Facts, source: Source, seen: frozenset[str]) -> CheckResult:
    stage = facts.policy.stages.get(source.stage)
    # A stage of the policy is in one repository; anybody may have a tag of that name in another.
    place = facts.open_stage(source.stage) if stage is not None and stage.destination else facts.repository
    if place is None:
        return _no(f"the repository of {source.stage} is not at hand")
    is_tagged = resolve_or_none(place, stage.tag if stage else source.stage) == facts.digest
    if stage is None or not stage.checks:
        return _unchecked(facts, source, stage, place, is_tagged=is_tagged)
    found = find_records(place, facts.digest, _rules(facts, source, stage, place))
    if not found.counting:
        return _no(_why_nothing_counts(source, found, is_tagged=is_tagged))
    red = _red_today(facts, source, stage, place, seen) if source.is_rechecked else []
    if red:
        told = ", ".join(f"{check.id}: {check.actual}" for check in red)
        return _no(f"promoted to {source.stage}, and its checks do not hold today: {told}")
    words = f"{source.stage}: promoted there"
    words += "" if source.is_rechecked else ", not checked again as the policy says"
    words += ", unsigned records count as the policy says" if source.is_unsigned_enough else ""
    return CheckResult("from", True, "", words, (str(found.counting[-1].event),))


def _unchecked(facts: Facts, source: Source, stage: Stage | None, place: Repository, *, is_tagged: bool) -> CheckResult:
    """A stage that checks nothing is a tag like any other; having been there is as good as being there."""
    if is_tagged:
        return CheckResult("from", True, "", f"{source.stage}: tagged so")
    if stage is not None:
        rules = replace(_rules(facts, source, stage, place), policy=None, is_unsigned_enough=facts.trust is None)
        found = find_records(place, facts.digest, rules)
        if found.counting:
            return CheckResult("from", True, "", f"{source.stage}: promoted there", (str(found.counting[-1].event),))
        if found.reasons:
            return _no(f"{source.stage}: {'; '.join(found.reasons)}")
    return _no(f"neither tagged {source.stage} nor promoted there")


def _rules(facts: Facts, source: Source, stage: Stage, place: Repository) -> Rules:
    return Rules.of(
        stage.name,
        place.reference.with_tag(stage.tag),
        policy=facts.policy,
        trust=facts.trust,
        older_policies=source.policy_digests,
        places=source.places,
        is_unsigned_enough=source.is_unsigned_enough,
        is_for_entry_elsewhere=True,
    )


def _why_nothing_counts(source: Source, found: Found, *, is_tagged: bool) -> str:
    if found.reasons:
        return f"{source.stage}: no promotion that counts is recorded there: {'; '.join(found.reasons)}"
    if is_tagged:
        # A tag can be moved by hand; what the stage checks is only known to hold from a promotion's record.
        return f"tagged {source.stage}, and no promotion that counts into it is recorded"
    return f"neither tagged {source.stage} nor promoted there"


def _red_today(
    facts: Facts, source: Source, stage: Stage, place: Repository, seen: frozenset[str]
) -> list[CheckResult]:
    """The source stage's checks that do not hold for this digest now, and those of the stages before it."""
    there = _facts_of(facts, stage, place)
    found = find_records(place, facts.digest, _rules(facts, source, stage, place))
    there = replace(there, entered=found.counting[-1] if found.counting and not facts.is_fresh else None)
    results = [run_check(spec, there) for spec in stage.checks if spec.kind != _NOT_AGAIN]
    is_free, expected, actual, _ = check_no_rejection(there)
    if not is_free:
        results.append(CheckResult("rejected", False, expected, actual))
    before = stage.takes_from and stage.name not in seen
    if before:
        results.append(check_way_in(there, seen))
    return [check for check in results if not check.is_passed]


def _facts_of(facts: Facts, stage: Stage, place: Repository) -> Facts:
    if place.reference.name == facts.repository.reference.name:
        return replace(facts, stage=stage, is_rollback=False)
    found = gather(
        place,
        facts.digest,
        stage=stage,
        policy=facts.policy,
        trust=facts.trust,
        open_stage=facts.open_stage,
        moment=facts.moment,
        also_in=facts.repository,
    )
    return replace(found, is_fresh=facts.is_fresh)


def _no(reason: str) -> CheckResult:
    return CheckResult("from", False, "", reason)
