"""Approvals: people decide about one digest, one stage and one policy, and sign for it.

An approval counts when the trust policy knows the key, its owner has the role and did not act in another one, it
is for this stage and for this very policy text, it has not expired, and its owner has not changed their mind
since.  Two keys of one person are one voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError, PromotionError
from kitops_orchestration.lineage.attach import Attached, attach, load_evidence
from kitops_orchestration.lineage.statements import Approval, ResourceDescriptor
from kitops_orchestration.promotion.facts import Facts, signers
from kitops_orchestration.promotion.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, format_timestamp, now, parse_timestamp
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.lineage.predicates import Decision
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.evidence import Evidence
    from kitops_orchestration.signing.keys import Signer

    _Decided = tuple[Evidence, Approval]


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

    ``decided_on`` is when the person decided (RFC 3339); an orchestrator gives the time of its own event, so that
    a retry adds nothing.  By default it is now, or just after the person's last word where a clock was ahead: the
    last word counts, and it has to show which that is.  ``approver`` (``id``, ``name``, ``email``) is what the
    record says of the person; who counts is the owner of the key.

    Raises:
        PromotionError: the policy has no such stage, or an approval comes without a key.
    """
    policy.stage(stage)
    if signer is None and decision == "APPROVED":
        raise PromotionError(
            f"an approval of {repository.reference.name} for {stage} needs a key",
            advice="give the private key of the person who approves; unsigned approvals never count",
        )
    moment = parse_timestamp(decided_on) if decided_on else _after_the_last(repository, target, stage, signer)
    expires = None if expires_in_days is None else _after_days(moment, expires_in_days)
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


def _after_days(moment: datetime, days: float) -> str:
    try:
        return format_timestamp(moment + timedelta(days=days))
    except (OverflowError, ValueError) as error:
        raise PromotionError(
            f"an approval cannot hold for {days:g} days", advice="leave the expiry out, or give fewer days"
        ) from error


def _after_the_last(repository: Repository, target: str, stage: str, signer: Signer | None) -> datetime:
    moment = now()
    if signer is None:
        return moment
    own = TrustPolicy.for_key(signer.public_key)
    found = load_evidence(repository, target, predicate_types={predicate_types.APPROVAL}, trust=own)
    for item in found:
        is_about = item.statement is not None and item.statement.predicate.get("environment") == stage
        said = parse_timestamp(item.time) if item.is_verified and is_about and item.time else None
        if said is not None and moment - timedelta(seconds=1) < said <= moment + CLOCK_SKEW:
            moment = said + timedelta(seconds=1)
    return moment


def policy_resource(policy: PromotionPolicy) -> ResourceDescriptor:
    """Return how statements name a policy: its file and the digest of its text."""
    return ResourceDescriptor(
        name=policy.source or "promotion.yaml", digest={policy.digest.algorithm: policy.digest.hex}
    )


def check_approvals(facts: Facts, arguments: Mapping[str, Any]) -> tuple[bool, str, str, Sequence[Evidence]]:
    """Enough distinct people with a role approved this digest for this stage, and none of them rejects it now."""
    roles, excludes = arguments["roles"], arguments.get("excludeBuilder")
    count = max(arguments.get("count", 1), facts.threshold(predicate_types.APPROVAL))
    expected = f"approved by {count} with role {' or '.join(roles)}" + (", not by who built it" if excludes else "")
    if facts.trust is None:
        return False, expected, "no trust policy was given, so no signature counts", ()
    builders = _builders(facts) if excludes else set()
    if excludes and not builders:
        return False, expected, "no verified provenance says who built it", ()
    reasons: list[str] = []
    good: list[Evidence] = []
    rejected: list[Evidence] = []
    for item, decision in _standing_decisions(facts, set(roles)):
        problem = _why_not(facts, item, decision, builders, arguments)
        if decision.decision == "REJECTED":
            rejected.append(item)
        if problem is None:
            good.append(item)
        else:
            reasons.append(f"{item.signer_name}: {problem}")
    approved = ", ".join(dict.fromkeys(str(item.signer_name) for item in good)) or "nobody"
    actual = "; ".join([f"approved by {approved}", *reasons])
    return not rejected and len(signers(good)) >= count, expected, actual, [*good, *rejected]


def _standing_decisions(facts: Facts, roles: set[str]) -> list[_Decided]:
    """The last word about this stage of each identity that has one of the roles.

    Who approves in two roles says two things, and a "no" takes all of them back.
    """
    latest: dict[str, dict[str | None, _Decided]] = {}
    for item in facts.verified(predicate_types.APPROVAL):
        if item.statement is None or item.signer is None or not facts.roles_of(item.signer) & roles:
            continue
        try:
            decision = Approval.from_json(item.statement.predicate)
        except KitOpsError:
            continue
        if decision.environment != facts.stage.name:
            continue
        said = latest.get(item.signer, {})
        if decision.decision != "APPROVED":
            latest[item.signer] = {None: (item, decision)}
        elif not any(_is_no_of_the_same_second(earlier, item) for earlier in said.values()):
            approved = {role: earlier for role, earlier in said.items() if earlier[1].decision == "APPROVED"}
            latest[item.signer] = {**approved, decision.role: (item, decision)}
    return [decided for said in latest.values() for decided in said.values()]


def _is_no_of_the_same_second(earlier: _Decided, item: Evidence) -> bool:
    # Times are whole seconds: of two words in the same second the "no" is the last.
    return earlier[0].time == item.time and earlier[1].decision != "APPROVED"


def _why_not(
    facts: Facts, item: Evidence, decision: Approval, builders: set[str], arguments: Mapping[str, Any]
) -> str | None:
    max_age_days = arguments.get("maxAgeDays")
    if decision.decision != "APPROVED":
        return decision.decision.lower() + (f" ({decision.comment})" if decision.comment else "")
    if decision.policy is None or decision.policy.sha256 != facts.policy.digest:
        return "approved under another text of the policy"
    if decision.role is not None and decision.role not in arguments["roles"]:
        return f"approved as {decision.role}"
    if item.signer in builders:
        return "built it, and another person has to approve"
    if decision.expires_on and parse_timestamp(decision.expires_on) <= facts.moment:
        return f"the approval expired {decision.expires_on}"
    if item.time is None:
        return "the approval does not say when"
    age = facts.moment - parse_timestamp(item.time)
    if age < -CLOCK_SKEW:
        return f"the approval is dated in the future: {item.time}"
    if max_age_days is not None and age > timedelta(days=float(max_age_days)):
        return f"the approval of {item.time} is older than {max_age_days} days"
    return None


def _builders(facts: Facts) -> set[str]:
    """Identities that built it: those that signed the provenance, and whoever it says started the run."""
    found = facts.verified(predicate_types.PROVENANCE)
    names = {name for item in found if item.statement for name in _users(item.statement.predicate)}
    return signers(found) | {
        identity.id
        for identity in (facts.trust.identities if facts.trust else ())
        if names & {text.casefold() for text in (identity.id, identity.email, identity.name) if text}
    }


def _users(predicate: Mapping[str, Any]) -> set[str]:
    definition = predicate.get("buildDefinition")
    internal = definition.get("internalParameters") if isinstance(definition, Mapping) else None
    run = internal.get("orchestrator") if isinstance(internal, Mapping) else None
    user = run.get("user") if isinstance(run, Mapping) else None
    return {user.casefold()} if isinstance(user, str) and user else set()
