"""Which decisions about one environment stand: a "no" binds until somebody who may takes it back by its name.

No clock decides.  Every decision names in ``supersedes`` what its author's client had read of the author's own
decisions; so an approval from a machine whose clock is behind, or one that was made before the rejection and
attached after it, does not lift a "no" that it does not name.  Whatever the order of arrival, the answer is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kitops_orchestration.lineage.statements.predicates import Approval
from kitops_orchestration.lineage.statements.recorded import Recorded

POSITIVE = ("APPROVED", "OVERRULED")
TAKEN_BACK = "taken back later"

Decided = Recorded[Approval]


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions about one digest in one environment."""

    approvals: tuple[Decided, ...] = ()
    """Not taken back; whether each is still in time, and for the right policy, is another question."""
    refusals: tuple[Decided, ...] = ()
    """Rejections and revocations that bind."""
    ended: tuple[tuple[Decided, str], ...] = ()
    """What was taken back, lifted or replaced, with the reason."""
    ignored: tuple[tuple[Decided, str], ...] = ()
    """What was found and counts for nothing, with the reason."""
    gaps: tuple[str, ...] = ()
    """Decisions that others name and nobody can show."""

    @property
    def rejections(self) -> tuple[Decided, ...]:
        """The refusals that stop everybody; a revocation ends its author's approvals only."""
        return tuple(item for item in self.refusals if item.predicate.decision == "REJECTED")


def standing(
    records: Sequence[Decided],
    *,
    may_decide: Callable[[Decided], bool],
    may_overrule: Callable[[str], bool] = lambda _: False,
) -> Standing:
    """Judge the decisions about one environment.

    Args:
        records: all that were found, in any order.
        may_decide: tells of a decision whether its signer has one of the roles whose word is asked for.
        may_overrule: tells of an identity whether it may take back a "no" of somebody else.

    A "no" binds while its key stands in the trust policy, expired or not; a "yes" counts in the key's window only.
    """
    able, ignored = _split(records, may_decide, may_overrule)
    noes = [item for item in able if item.predicate.decision not in POSITIVE]
    lifted = {event_of(no): _lifted_by(no, able, may_overrule) for no in noes}
    refusals = [no for no in noes if lifted[event_of(no)] is None]
    approvals, ended = [], [(no, lifted[event_of(no)] or "") for no in noes if lifted[event_of(no)]]
    for item in able:
        if item.predicate.decision == "APPROVED":
            reason = _ended_by(item, able, noes)
            if reason is None:
                approvals.append(item)
            else:
                ended.append((item, reason))
    return Standing(tuple(approvals), tuple(refusals), tuple(ended), tuple(ignored), _gaps(records))


def event_of(item: Decided) -> str:
    """Return the digest by which other decisions name this one."""
    return str(item.evidence.descriptor.digest)


def _split(
    records: Sequence[Decided], may_decide: Callable[[Decided], bool], may_overrule: Callable[[str], bool]
) -> tuple[list[Decided], list[tuple[Decided, str]]]:
    able: list[Decided] = []
    ignored: list[tuple[Decided, str]] = []
    for item in records:
        signer, kind = item.evidence.signer, item.predicate.decision
        name = item.evidence.signer_name or signer
        if signer is None:
            ignored.append((item, item.evidence.reason))
        elif kind == "OVERRULED" and not may_overrule(signer):
            ignored.append((item, f"{name} has no role that may take back what others refused"))
        elif kind != "OVERRULED" and not may_decide(item):
            ignored.append((item, f"{name} has none of the roles that decide here"))
        elif kind in POSITIVE and not item.evidence.is_verified:
            ignored.append((item, item.evidence.reason))
        else:
            able.append(item)
    return able, ignored


def _lifted_by(no: Decided, able: Sequence[Decided], may_overrule: Callable[[str], bool]) -> str | None:
    author, event = no.evidence.signer, event_of(no)
    for other in able:
        if event not in other.predicate.supersedes or other is no:
            continue
        if other.evidence.signer == author and other.predicate.decision != "OVERRULED":
            return TAKEN_BACK
        if _is_overruling(other, may_overrule):
            return f"overruled by {other.evidence.signer_name}: {other.predicate.comment}"
    return None


def _is_overruling(item: Decided, may_overrule: Callable[[str], bool]) -> bool:
    said = item.predicate
    return said.decision == "OVERRULED" and bool(said.comment) and may_overrule(item.evidence.signer or "")


def _ended_by(approval: Decided, able: Sequence[Decided], noes: Sequence[Decided]) -> str | None:
    """An approval stands when it names every "no" of its author, and no later word of its author names it."""
    author, event = approval.evidence.signer, event_of(approval)
    if any(no.evidence.signer == author and event_of(no) not in approval.predicate.supersedes for no in noes):
        return TAKEN_BACK
    for other in able:
        if other.evidence.signer == author and other is not approval and event in other.predicate.supersedes:
            return "replaced by a later approval" if other.predicate.decision == "APPROVED" else TAKEN_BACK
    return None


def _gaps(records: Sequence[Decided]) -> tuple[str, ...]:
    known = {event_of(item) for item in records}
    named = {name: item for item in records for name in item.predicate.supersedes}
    return tuple(
        f"{item.evidence.signer_name or 'somebody'} names a decision that is not here: {name}"
        for name, item in sorted(named.items())
        if name not in known
    )
