"""Which promotion records count: for this digest, this stage, this place and these rules, and for nothing else.

A record is the word of whoever signed it.  What is asked here stops mistakes and outsiders: a promotion that
nobody checked, one under other rules, into another repository, or signed by nobody who may.  It does not stop the
holder of a releaser's key; so whoever rests on a record makes the checks again as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.promotion.records.history import HistoryEntry, recorded_promotions
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.trust import TrustPolicy

NO_TRUST = "no trust policy was given, so no record counts"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a record has to name in order to count."""

    stage: str
    places: frozenset[str]
    """``registry/repository:tag`` that the stage has, or had by the policy's own words."""
    trust: TrustPolicy | None
    policy: Digest | None
    """Digest of the policy's text; ``None`` asks for no policy."""
    stage_policy: Digest | None = None
    older_policies: frozenset[Digest] = frozenset()
    is_unsigned_enough: bool = False
    is_for_entry_elsewhere: bool = False
    """True for ``from``: a rollback that left checks out is no way into another stage."""

    @classmethod
    def of(
        cls,
        stage: str,
        place: Reference,
        *,
        policy: PromotionPolicy | None,
        trust: TrustPolicy | None,
        older_policies: Iterable[Digest] = (),
        places: Iterable[str] = (),
        is_unsigned_enough: bool = False,
        is_for_entry_elsewhere: bool = False,
    ) -> Rules:
        """Return the rules for records into ``place``, which has the stage's tag."""
        known = {_name_of(place), *(_name_of(Reference.parse(text)) for text in places)}
        is_stage = policy is not None and stage in policy.stages
        return cls(
            stage,
            frozenset(known),
            trust,
            policy.digest if policy else None,
            policy.stage_digest(stage) if policy and is_stage else None,
            frozenset(older_policies),
            is_unsigned_enough,
            is_for_entry_elsewhere,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The records of one digest, judged."""

    counting: tuple[HistoryEntry, ...]
    """In the order in which they happened."""
    others: tuple[tuple[HistoryEntry, str], ...]
    """What was found and does not count, each with the reason."""

    @property
    def reasons(self) -> list[str]:
        """Why the others do not count, for people; each reason once."""
        return list(dict.fromkeys(reason for _, reason in self.others))


def find_records(repository: Repository, digest: Digest, rules: Rules, *, limits: Limits = Limits()) -> Found:
    """Read the promotions of ``digest`` and judge each; one request for the list, more for what is not cached."""
    entries = recorded_promotions(repository, digest, trust=rules.trust, limits=limits)
    return judge(entries, rules)


def judge(entries: Sequence[HistoryEntry], rules: Rules) -> Found:
    """Split records into those that count and the others, with reasons."""
    alone = [(entry, why_not(entry, rules)) for entry in entries if _is_about(entry, rules)]
    good = [entry for entry, problem in alone if problem is None]
    needed = _threshold(rules)
    counting = [entry for entry in good if len(_voices(entry, good)) >= needed]
    few = [(entry, f"{entry.record.believed()}, and {needed} identities are needed") for entry in good]
    others = [(entry, problem) for entry, problem in alone if problem is not None]
    return Found(tuple(counting), (*others, *(pair for pair in few if pair[0] not in counting)))


def why_not(entry: HistoryEntry, rules: Rules) -> str | None:
    """Return why a record does not count by itself, or ``None``."""
    return _why_not_signed(entry, rules) or _why_not_verdict(entry, rules)


def _why_not_signed(entry: HistoryEntry, rules: Rules) -> str | None:
    if rules.is_unsigned_enough:
        return None
    if rules.trust is None:
        return NO_TRUST
    evidence = entry.record.evidence
    if not evidence.is_verified:
        return f"a promotion is recorded, and does not count: {evidence.reason}"
    return None


def _why_not_verdict(entry: HistoryEntry, rules: Rules) -> str | None:
    said = entry.record.predicate
    place = place_of(said)
    if place not in rules.places:
        return f"a promotion into {place or said.dst_ref} is recorded, which is another place"
    if said.to_stage != rules.stage:
        return f"a promotion to the stage {said.to_stage} is recorded, which is another stage"
    if rules.policy is None:
        return None
    return _why_not_rules(said, rules) or _why_not_whole(said, rules)


def _why_not_rules(said: Promotion, rules: Rules) -> str | None:
    policy, stage_policy = policies_of(said)
    if policy is None:
        return "a promotion is recorded that nobody checked (without a policy)"
    if policy in {rules.policy, *rules.older_policies} or (stage_policy and stage_policy == rules.stage_policy):
        return None
    return f"a promotion is recorded under another policy ({policy[:19]}…)"


def _why_not_whole(said: Promotion, rules: Rules) -> str | None:
    verdict = said.verdict
    if verdict is None:
        # From before records carried a verdict: they were written after every check was green, and only then.
        return None
    if not verdict.is_passed:
        return f"a promotion is recorded whose verdict is {verdict.result}, with checks that did not pass"
    if verdict.stage != said.to_stage or verdict.place != place_of(said):
        return "a promotion is recorded whose verdict is about another stage or place"
    if verdict.skipped and rules.is_for_entry_elsewhere:
        return f"a rollback is recorded that left out {', '.join(verdict.skipped)}"
    return None


def policies_of(said: Promotion) -> tuple[str | None, str | None]:
    """Return the digests of the policy's text and of the stage's part of it that a record names."""
    verdict = said.verdict
    if verdict is not None:
        return (verdict.policy, verdict.stage_policy) if verdict.result == "PASSED" else (None, None)
    return (said.policy.sha256 if said.policy else None), None


def place_of(said: Promotion) -> str | None:
    """Return ``registry/repository:tag`` that a record says the tag is in, or ``None`` where it names none."""
    try:
        return _name_of(Reference.parse(said.dst_ref))
    except InvalidReferenceError:
        return None


def _name_of(reference: Reference) -> str:
    return f"{reference.name}:{reference.tag}"


def _is_about(entry: HistoryEntry, rules: Rules) -> bool:
    """Records of other stages elsewhere are no news; of this stage, or at this place, each is told."""
    said = entry.record.predicate
    return said.to_stage == rules.stage or place_of(said) in rules.places


def _threshold(rules: Rules) -> int:
    rule = rules.trust.rule(predicate_types.PROMOTION) if rules.trust and not rules.is_unsigned_enough else None
    return 1 if rule is None or (rules.trust and rules.trust.is_role_free) else rule.threshold


def _voices(entry: HistoryEntry, good: Sequence[HistoryEntry]) -> set[str | None]:
    """Who says the same: the same digest, place and predecessor."""
    said = entry.record.predicate
    return {
        other.record.evidence.signer
        for other in good
        if (other.record.predicate.previous_event, place_of(other.record.predicate))
        == (said.previous_event, place_of(said))
    }
