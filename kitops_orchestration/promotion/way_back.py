"""The check ``rollback``: what goes back was in the stage before.

A rollback may leave checks out, so it must be no way around them: only what lies on the chain that leads from the
stage's present head back to its first promotion opens that.  The links stand inside signed text, so nobody inserts
a record into the past; a genuine-looking record beside the chain opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.promotion.checks.builtin import CheckResult
from kitops_orchestration.promotion.records.counting import Rules, find_records
from kitops_orchestration.promotion.records.history import history
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class WayBack:
    """Whether a digest may go back, and whether checks may be left out on the way."""

    check: CheckResult
    may_skip: bool


def way_back(
    repository: Repository,
    place: Reference,
    digest: Digest,
    stage: str,
    *,
    policy: PromotionPolicy | None,
    trust: TrustPolicy | None,
    limits: Limits = Limits(),
) -> WayBack:
    """Judge a way back into ``place`` (with the stage's tag).

    Requests: those of the digest's records, and one or two for each promotion between the head and the digest.
    """
    older = policy.stages[stage].rollback_digests if policy and stage in policy.stages else frozenset()
    is_play = policy is None and trust is None
    rules = Rules.of(stage, place, policy=policy, trust=trust, older_policies=older, is_unsigned_enough=is_play)
    found = find_records(repository, digest, rules, limits=limits)
    expected = f"{digest.short} was in {stage} before"
    chain = history(repository, stage, tag=place.tag, trust=trust, limits=limits)
    ancestors = {entry.event for entry in chain.entries}
    counting = [entry for entry in found.counting if entry.event in ancestors]
    if counting:
        last = counting[-1]
        check = CheckResult("rollback", True, expected, f"promoted on {last.record.time}", (str(last.event),))
        return WayBack(check, may_skip=True)
    was_here = [entry for entry in chain.entries if entry.digest == digest]
    reasons = found.reasons or ["no promotion that counts is recorded"]
    if found.counting:
        reasons.append("the record is not among those that led to what the stage has now")
    if not was_here:
        return WayBack(CheckResult("rollback", False, expected, "; ".join(reasons)), may_skip=False)
    words = f"it was; every check is made, because {'; '.join(reasons)}"
    event = (str(was_here[0].event),)
    return WayBack(CheckResult("rollback", True, expected, words, event), may_skip=policy is None)
