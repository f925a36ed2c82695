"""Decide: a person approves, rejects or revokes a digest for a stage, and signs for it.

Every decision names those of the same person that its client had read, so that no clock decides which is the last.
A decision that would count for nothing is not written: a command without an effect is no success.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, cast

from kitops_orchestration.errors import KitOpsError, PromotionError
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.lineage.statements.attach import Attached, load_evidence, prepare
from kitops_orchestration.lineage.statements.recorded import Recorded, read
from kitops_orchestration.lineage.statements.standing import POSITIVE, event_of
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.read_once import ReadOnce
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, format_timestamp, now, parse_timestamp
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.predicates import Decision
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer

_WORDS = {"APPROVED": "an approval", "REJECTED": "a rejection", "REVOKED": "a revocation", "OVERRULED": "an overruling"}


class DecideOptions(TypedDict, total=False):
    """What :func:`decide` takes by name and a client or an adapter hands through."""

    signer: Signer | None
    trust: TrustPolicy | None
    role: str | None
    approver: Mapping[str, str] | None
    comment: str | None
    ticket: str | None
    expires_in_days: float | None
    decided_on: str | None
    limits: Limits


def decide(
    repository: Repository,
    target: str,
    decision: Decision,
    *,
    stage: str,
    policy: PromotionPolicy,
    stage_repository: Repository | None = None,
    signer: Signer | None = None,
    trust: TrustPolicy | None = None,
    role: str | None = None,
    approver: Mapping[str, str] | None = None,
    comment: str | None = None,
    ticket: str | None = None,
    expires_in_days: float | None = None,
    decided_on: str | None = None,
    limits: Limits = Limits(),
) -> Attached:
    """Attach a decision (``APPROVED``, ``REJECTED``, ``REVOKED``, ``OVERRULED``) about the digest at ``target``.

    ``decided_on`` is when the person decided (RFC 3339); an orchestrator gives the time of its own event, so that
    a retry adds nothing.  Then only what was decided before is taken back: a click that waited in a queue does not
    lift a rejection that came after it.  ``trust`` tells which other keys are the same person's, and whether the
    decision would count.  ``approver`` (``id``, ``name``, ``email``) is what the record says of the person; who
    counts is the owner of the key.

    A "no" goes to ``stage_repository`` as well, where that has the digest already: the gate asks there.

    Raises:
        PromotionError: the policy has no such stage, there is no key, or the decision would count for nothing; or it
            was written, and could not be where the stage is.
    """
    policy.stage(stage)
    if signer is None:
        raise PromotionError(
            f"{_WORDS[decision]} of {repository.reference.name} for {stage} needs a key",
            advice="give the private key of the person who decides; what is not signed never counts",
        )
    if trust is not None:
        require_voice(trust, signer, decision, stage=stage, policy=policy)
    if decision == "OVERRULED" and not (comment and comment.strip()):
        raise PromotionError(f"to overrule a rejection for {stage} needs a comment", advice="say why")
    # One list for both, what the decision takes the place of and whether it is there already; it is asked for again
    # when the decision is written.
    before_it = cast("Repository", ReadOnce(repository))
    subject = before_it.resolve(target)
    digest = subject.digest
    known = _known(before_it, digest, stage, signer, trust, limits, is_own=decision != "OVERRULED")
    moment = parse_timestamp(decided_on) if decided_on else _after_the_last(known)
    before = [item for item in known if _is_before(item, moment if decided_on else None)]
    statement = Approval(
        decision,
        stage,
        role=role,
        approver=approver,
        policy=policy_resource(policy),
        comment=comment,
        ticket=ticket,
        created_on=format_timestamp(moment),
        expires_on=None if expires_in_days is None else _after_days(moment, expires_in_days),
        supersedes=tuple(sorted(event_of(item) for item in before if _takes_place_of(item, decision, role))),
    )
    prepared = prepare(before_it, subject, statement, signer=signer, listed=before_it.referrers(digest))
    attached = prepared.write(repository, limits)
    _require_there(repository, digest, attached)
    if decision in ("REJECTED", "REVOKED") and stage_repository is not None:
        _say_where_the_stage_is(repository, digest, stage_repository, attached)
    return attached


def _say_where_the_stage_is(
    repository: Repository, digest: Digest, stage_repository: Repository, attached: Attached
) -> None:
    """Put a "no" beside the version that runs: in the repository that it came from, its gate would never see it."""
    here, there = repository.reference.name, stage_repository.reference.name
    try:
        if here == there or resolve_or_none(stage_repository, digest) is None:
            return
        copy(repository, attached.descriptor.digest, stage_repository)
        _require_there(stage_repository, digest, attached)
    except KitOpsError as error:
        if error.transient:
            raise
        raise PromotionError(
            f"the decision was written to {here}, and could not be to {there}, where the stage is: {error}",
            advice=f"decide about {there}@{digest} with somebody's rights who may write there",
        ) from error


def require_voice(
    trust: TrustPolicy, signer: Signer, decision: Decision, *, stage: str, policy: PromotionPolicy
) -> None:
    """Raise :class:`PromotionError` when a decision signed with this key would count for nothing."""
    owner = trust.judge(signer.public_key, predicate_types.APPROVAL)
    rule = trust.rule(predicate_types.APPROVAL)
    asked = {
        role for spec in policy.stage(stage).checks if spec.kind == "approvals" for role in spec.arguments["roles"]
    }
    roles = trust.roles_of(owner.identity.id if owner.identity else None)
    if decision == "OVERRULED":
        is_heard = owner.counts and bool(roles & policy.taken_back_by)
    elif decision == "APPROVED":
        is_heard = owner.counts and (not asked or bool(roles & asked))
    else:
        is_heard = bool(roles & (asked | set(rule.roles if rule else ())))
    if not is_heard:
        reason = owner.reason if not owner.counts else f"{owner.identity and owner.identity.shown} has no such role"
        raise PromotionError(
            f"{_WORDS[decision]} for {stage} with this key would count for nothing: {reason}",
            advice="let somebody decide whom the trust policy gives a role of the stage's approvals",
        )


def _known(
    repository: Repository,
    target: str,
    stage: str,
    signer: Signer,
    trust: TrustPolicy | None,
    limits: Limits,
    *,
    is_own: bool,
) -> list[Recorded[Approval]]:
    """The decisions about the stage that a new one may take the place of: one's own, or a "no" of anybody's."""
    whose = trust if trust is not None else TrustPolicy.for_key(signer.public_key)
    own = whose.judge(signer.public_key, predicate_types.APPROVAL).identity
    evidence = load_evidence(repository, target, predicate_types={predicate_types.APPROVAL}, trust=whose, limits=limits)
    records, _ = read(evidence, Approval, predicate_types.APPROVAL)
    about = [item for item in records if item.predicate.environment == stage and item.evidence.signer]
    return [item for item in about if not is_own or (own is not None and item.evidence.signer == own.id)]


def _is_before(item: Recorded[Approval], moment: datetime | None) -> bool:
    """Whether somebody who decided at ``moment`` may have known of it; without a moment everything read is known."""
    return moment is None or item.time is None or parse_timestamp(item.time) < moment


def _takes_place_of(item: Recorded[Approval], decision: Decision, role: str | None) -> bool:
    """A "no" ends all; an approval ends what its author refused, and what they approved in the same role."""
    said = item.predicate
    if decision == "OVERRULED":
        return said.decision not in POSITIVE
    return decision != "APPROVED" or said.decision != "APPROVED" or said.role == role


def _after_the_last(known: list[Recorded[Approval]]) -> datetime:
    """Now, or just after one's last word where a clock was ahead, for readers that only look at times."""
    moment = now()
    for item in known:
        said = parse_timestamp(item.time) if item.time else None
        if said is not None and moment - timedelta(seconds=1) < said <= moment + CLOCK_SKEW:
            moment = said + timedelta(seconds=1)
    return moment


def _after_days(moment: datetime, days: float) -> str:
    try:
        return format_timestamp(moment + timedelta(days=days))
    except (OverflowError, ValueError) as error:
        raise PromotionError(
            f"an approval cannot hold for {days:g} days", advice="leave the expiry out, or give fewer days"
        ) from error


def _require_there(repository: Repository, digest: Digest, attached: Attached) -> None:
    """A list of evidence has no lock: what was written and is not listed would be a success without an effect."""
    if attached.descriptor.digest not in {item.digest for item in repository.referrers(digest)}:
        raise PromotionError(
            f"the decision {attached.descriptor.digest} was written to {repository.reference.name} and is not listed",
            advice="run it again; another writer may have replaced the list of evidence",
        )
