"""Which versions a new one is compared with: what the stage has, and what its records say that it had.

A tag can be taken away or moved by hand, so that there is nothing, or only something bad, to beat.  A stage that was
entered before is not empty: the last version that was promoted into it is looked for among those that are there.

And a releaser's key is enough to promote something bad under a policy of one's own, or under none.  So a version that
is worse than the one that it replaced does not stand alone: that one has to be beaten as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import InvalidReferenceError, PromotionError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none, tags_by_digest, tags_if_there
from kitops_orchestration.promotion.records.counting import Rules, find_records, why_not
from kitops_orchestration.promotion.records.history import HistoryEntry
from kitops_orchestration.promotion.stage_tag.anchor import stages_of_tag
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checks.facts import Facts


IsWorse = Callable[[Digest, Digest], bool]
"""Whether the first version was never as good as the second, by the check that compares."""
_MOST_STEPS = 1000
_MOST_STRANGERS = 10
"""How many promotions in a row that today's policy does not know are looked behind, each as good as the one before."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """What has to be beaten; nothing where ``problem`` says why it cannot be known."""

    digests: tuple[Digest, ...] = ()
    words: str = ""
    """What there is to say of it, for people."""
    problem: str | None = None
    entry: HistoryEntry | None = None
    """The promotion from which the way back begins to what was replaced."""


def rivals_of(facts: Facts, repository: Repository, stage: str) -> Rivals:
    """Find what a version on its way is compared with in ``stage``.

    Requests: those of one digest's records; where the tag was taken away or moved by hand from a stage that was
    entered before, a search through the repository's versions.
    """
    tag = facts.policy.stage(stage).tag
    current = resolve_or_none(repository, tag)
    rules = _rules(facts, repository, stage, tag)
    record = _last(find_records(repository, current, rules).counting) if current else None
    if record is not None:
        if current != facts.digest:
            return replace(_only(current), entry=record)
        return replace(_behind(facts, repository, record, stage), entry=_before(repository, rules, record))
    if stage not in stages_of_tag(repository, tag):
        return _only(current if current != facts.digest else None, words=f"{stage} is empty" if not current else "")
    head = _head(repository, rules, facts.digest)
    if head is None and current not in (None, facts.digest):
        return _only(current)
    if head is None:
        return Rivals(problem=f"{stage} was entered before, and no record that counts says with what")
    others = [digest for digest in (current, head.digest) if digest not in (None, facts.digest)]
    words = f"{stage} had {head.digest.short}, and its tag was taken away or moved by hand"
    return Rivals(tuple(dict.fromkeys(digest for digest in others if digest is not None)), words, entry=head)


def replaced_by_worse(
    facts: Facts, repository: Repository, stage: str, rivals: Rivals, is_worse: IsWorse
) -> Iterator[Digest]:
    """Yield the versions that are there and were replaced by worse ones, or by promotions that other rules let in.

    The walk ends at a promotion under today's policy, or one that it names for rollbacks, that was not worse.

    Raises:
        PromotionError: what another's rules replaced is gone.

    Requests: those of one version more, and of one more again for each that was worse or came in by other rules.
    """
    rules, entry = _rules(facts, repository, stage, facts.policy.stage(stage).tag), rivals.entry
    today = Rules.of(stage, repository.reference.with_tag(facts.policy.stage(stage).tag), **_of_policy(facts, stage))
    strangers = 0
    for _ in range(_MOST_STEPS):
        if entry is None:
            return
        if entry.record.predicate.rollback_of:
            # A way back goes to what is worse, and may: what counts is how that came there in the first place.
            entry = _first_of(repository, rules, entry)
        before = _digest(entry.record.predicate.previous_digest)
        if before in (None, entry.digest):
            return
        if resolve_or_none(repository, before) is None:
            if why_not(entry, today) is not None:
                raise PromotionError(
                    f"{entry.digest.short} replaced {before.short} in {stage} by rules that today's policy does not "
                    "know, and that one is gone: what has to be beaten is not known",
                    advice="put it back; or name the policy's older text in rollback: {policyDigests: […]}",
                )
            return
        if not is_worse(entry.digest, before):
            # Who came in by these rules is as good as it was; of another's promotions some may stand in between.
            strangers += 1
            if why_not(entry, today) is None or strangers > _MOST_STRANGERS:
                return
        if before != facts.digest:
            yield before
        entry = _before(repository, rules, entry)


def _before(repository: Repository, rules: Rules, entry: HistoryEntry) -> HistoryEntry | None:
    """The promotion before, by its event; the last one of that version where the event is not there."""
    said = entry.record.predicate
    previous = _digest(said.previous_digest)
    found = find_records(repository, previous, rules).counting if previous else ()
    named = next((item for item in found if item.event == said.previous_event), None)
    return named if named is not None or not found or found[-1].event == entry.event else found[-1]


def _first_of(repository: Repository, rules: Rules, entry: HistoryEntry) -> HistoryEntry:
    """The promotion of the same version that a rollback goes back to; the rollback itself where there is none."""
    earlier, seen = _before(repository, rules, entry), {entry.event}
    while earlier is not None and earlier.event not in seen and len(seen) < _MOST_STEPS:
        if earlier.digest == entry.digest and not earlier.record.predicate.rollback_of:
            return earlier
        seen.add(earlier.event)
        earlier = _before(repository, rules, earlier)
    return entry


def _digest(text: str | None) -> Digest | None:
    try:
        return Digest(text) if text else None
    except InvalidReferenceError:
        return None


def _rules(facts: Facts, repository: Repository, stage: str, tag: str) -> Rules:
    place = repository.reference.with_tag(tag)
    rules = Rules.of(stage, place, policy=facts.policy, trust=facts.trust, is_unsigned_enough=facts.trust is None)
    # Whatever rules it came in by: what was there is what has to be beaten.
    return replace(rules, policy=None)


def _of_policy(facts: Facts, stage: str) -> dict[str, Any]:
    return {
        "policy": facts.policy,
        "trust": facts.trust,
        "older_policies": facts.policy.stage(stage).rollback_digests,
        "is_unsigned_enough": facts.trust is None,
    }


def _only(digest: Digest | None, *, words: str = "") -> Rivals:
    return Rivals((digest,) if digest else (), words)


def _behind(facts: Facts, repository: Repository, record: HistoryEntry, stage: str) -> Rivals:
    """What the stage had before the version that is there: a version is not compared with itself."""
    said = record.record.predicate
    try:
        before = Digest(said.previous_digest) if said.previous_digest else None
    except InvalidReferenceError:
        return Rivals(problem=f"the record of what {stage} has names as its predecessor what is no digest")
    if before is None or before == facts.digest:
        return Rivals(words=f"it is what {stage} has, and nothing was before it")
    if resolve_or_none(repository, before) is None:
        return Rivals(words=f"it is what {stage} has; the version before it is no longer there")
    return Rivals((before,), f"it is what {stage} has, compared with what was before it")


def _head(repository: Repository, rules: Rules, own: Digest) -> HistoryEntry | None:
    """The last promotion into the stage among the versions that are there, other than that of ``own``."""
    limits = Limits()
    tagged = tags_by_digest(repository, tags_if_there(repository), limits=limits)
    digests = [digest for digest in sorted(tagged) if digest != own]
    one_by_one = replace(limits, concurrency=1)
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        found = pool.map(lambda digest: find_records(repository, digest, rules, limits=one_by_one).counting, digests)
        entries = [entry for counting in found for entry in counting]
    return max(entries, key=_order, default=None)


def _order(entry: HistoryEntry) -> tuple[int, str]:
    return entry.record.predicate.sequence or 0, entry.record.time or ""


def _last(entries: tuple[HistoryEntry, ...]) -> HistoryEntry | None:
    return entries[-1] if entries else None
