"""Approvals: people decide about one digest, one stage and one policy, and sign for it.

An approval counts when the trust policy knows the key, its owner has the role, it is for this stage and for
this very policy text, it has not expired, and its owner has not changed their mind since.  Two keys of one
person are one voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError, PromotionError
from kitops_orchestration.lineage.attach import Attached, attach
from kitops_orchestration.lineage.statements import Approval, ResourceDescriptor
from kitops_orchestration.promotion.facts import Facts
from kitops_orchestration.promotion.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import format_timestamp, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.lineage.predicates import Decision
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.evidence import Evidence
    from kitops_orchestration.signing.keys import Signer


def decide(
    repository: Repository,
    target: str,
    decision: Decision,
    *,
    stage: str,
    policy: PromotionPolicy,
    signer: Signer | None,
    role: str | None = None,
    approver: Mapping[str, str] | None = None,
    comment: str | None = None,
    ticket: str | None = None,
    expires_in_days: float | None = None,
    decided_on: str | None = None,
) -> Attached:
    """Attach a decision (``APPROVED``, ``REJECTED``, ``REVOKED``) about the digest at ``target``.

    ``decided_on`` is when the person decided (RFC 3339), now by default; an orchestrator gives the time of its
    own event, so that a retry adds nothing.  ``approver`` (``id``, ``name``, ``email``) is what the record says
    of the person; who counts is the owner of the key.

    Raises:
        PromotionError: the policy has no such stage, or an approval comes without a key.
    """
    policy.stage(stage)
    if signer is None and decision == "APPROVED":
        raise PromotionError(
            f"an approval of {repository.reference.name} for {stage} needs a key",
            advice="give the private key of the person who approves; unsigned approvals never count",
        )
    moment = parse_timestamp(decided_on) if decided_on else now()
    expires = None if expires_in_days is None else format_timestamp(moment + timedelta(days=expires_in_days))
    statement = Approval(
        decision,
        stage,
        role=role,
        approver=approver,
        policy=policy_resource(policy),
        comment=comment,
        ticket=ticket,
        created_on=format_timestamp(moment),
        expires_on=expires,
    )
    return attach(repository, target, statement, signer=signer)


def policy_resource(policy: PromotionPolicy) -> ResourceDescriptor:
    """Return how statements name a policy: its file and the digest of its text."""
    return ResourceDescriptor(
        name=policy.source or "promotion.yaml", digest={policy.digest.algorithm: policy.digest.hex}
    )


def check_approvals(facts: Facts, arguments: Mapping[str, Any]) -> tuple[bool, str, str, Sequence[Evidence]]:
    """Enough distinct people with a role approved this digest for this stage, and none of them rejects it now."""
    roles, count = arguments["roles"], arguments.get("count", 1)
    expected = f"approved by {count} with role {' or '.join(roles)}"
    if arguments.get("excludeBuilder"):
        expected += ", not by who built it"
    if facts.trust is None:
        return False, expected, "no trust policy was given, so no signature counts", ()
    builders = _builders(facts)
    if arguments.get("excludeBuilder") and not builders:
        return False, expected, "no verified provenance says who built it", ()
    builders = builders if arguments.get("excludeBuilder") else set()
    latest = _latest_decisions(facts, set(roles))
    reasons: list[str] = []
    good: list[Evidence] = []
    rejected: list[Evidence] = []
    for item, decision in latest.values():
        problem = _why_not(facts, item, decision, builders, arguments.get("maxAgeDays"))
        if decision.decision == "REJECTED":
            rejected.append(item)
        if problem is None:
            good.append(item)
        else:
            reasons.append(f"{item.signer_name}: {problem}")
    approved = ", ".join(str(item.signer_name) for item in good) or "nobody"
    actual = "; ".join([f"approved by {approved}", *reasons])
    return not rejected and len(good) >= count, expected, actual, [*good, *rejected]


def _latest_decisions(facts: Facts, roles: set[str]) -> dict[str, tuple[Evidence, Approval]]:
    """The last word of each identity that has one of the roles, about this stage."""
    latest: dict[str, tuple[Evidence, Approval]] = {}
    for item in facts.verified(predicate_types.APPROVAL):
        if item.statement is None or item.signer is None or not facts.roles_of(item.signer) & roles:
            continue
        try:
            decision = Approval.from_json(item.statement.predicate)
        except KitOpsError:
            continue
        if decision.environment == facts.stage.name and not _is_overruled(decision, item, latest.get(item.signer)):
            latest[item.signer] = (item, decision)
    return latest


def _is_overruled(decision: Approval, item: Evidence, earlier: tuple[Evidence, Approval] | None) -> bool:
    # Times are whole seconds: of two words in the same second the "no" is the last.
    return (
        earlier is not None
        and earlier[0].time == item.time
        and decision.decision == "APPROVED"
        and earlier[1].decision != "APPROVED"
    )


def _why_not(
    facts: Facts, item: Evidence, decision: Approval, builders: set[str], max_age_days: float | None
) -> str | None:
    if decision.decision != "APPROVED":
        return decision.decision.lower() + (f" ({decision.comment})" if decision.comment else "")
    if decision.policy is None or decision.policy.sha256 != facts.policy.digest:
        return "approved under another text of the policy"
    if item.signer in builders:
        return "built it, and another person has to approve"
    if decision.expires_on and parse_timestamp(decision.expires_on) <= facts.moment:
        return f"the approval expired {decision.expires_on}"
    if item.time is None:
        return "the approval does not say when"
    age = facts.moment - parse_timestamp(item.time)
    if age < -timedelta(minutes=5):
        return f"the approval is dated in the future: {item.time}"
    if max_age_days is not None and age > timedelta(days=float(max_age_days)):
        return f"the approval of {item.time} is older than {max_age_days} days"
    return None


def _builders(facts: Facts) -> set[str]:
    """Identities that signed the provenance: they built it."""
    return {item.signer for item in facts.verified(predicate_types.PROVENANCE) if item.signer}
