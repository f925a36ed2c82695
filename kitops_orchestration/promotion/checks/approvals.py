"""Approvals: people decide about one digest, one stage and one policy, and sign for it.

An approval counts when the trust policy knows the key, its owner has the role and did not act in another one, it
is for this stage and for this very policy text, it has not expired, and its owner has not taken it back.  A "no"
binds until its author, or a role that the policy names, takes it back by its name.  Two keys of one person are one
voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage.statements import Approval, ResourceDescriptor
from kitops_orchestration.lineage.statements.recorded import Recorded, read
from kitops_orchestration.lineage.statements.standing import TAKEN_BACK, Standing, standing
from kitops_orchestration.promotion.checks.facts import Facts, signers
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence


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
    expected += ", with a proven time" if arguments.get("trustedTime") else ""
    if facts.trust is None:
        return False, expected, "no trust policy was given, so no signature counts", ()
    builders = _builders(facts) if excludes else set()
    if excludes and not builders:
        return False, expected, "no verified provenance says who built it", ()
    found = decisions_about(facts, set(roles))
    reasons = [f"{_name(item)}: {_refused(item)}" for item in found.refusals]
    good: list[Evidence] = []
    for item in found.approvals:
        problem = _why_not(facts, item.evidence, item.predicate, builders, arguments)
        if problem is None:
            good.append(item.evidence)
        else:
            reasons.append(f"{_name(item)}: {problem}")
    approved = ", ".join(dict.fromkeys(str(item.signer_name) for item in good)) or "nobody"
    actual = "; ".join([f"approved by {approved}", *reasons, *not_counted(found)])
    rejected = [item.evidence for item in found.rejections]
    return not rejected and len(signers(good)) >= count, expected, actual, [*good, *rejected]


def decisions_about(facts: Facts, roles: set[str]) -> Standing:
    """Return the decisions about the stage, by those who have one of the roles, or the trust policy's for approvals.

    Whom only the trust policy names may say "no", and not "yes": a "no" too many is repaired with one command.
    """
    rule = facts.trust.rule(predicate_types.APPROVAL) if facts.trust else None
    for_a_no = roles | (set(rule.roles) if rule else set())

    def may_decide(item: Recorded[Approval]) -> bool:
        wanted = roles if item.predicate.decision == "APPROVED" else for_a_no
        return bool(facts.roles_of(item.evidence.signer) & wanted)

    records, _ = read(facts.evidence, Approval, predicate_types.APPROVAL)
    here = [item for item in records if item.predicate.environment == facts.stage.name]
    return standing(
        [item for item in here if item.evidence.is_about_subject],
        may_decide=may_decide,
        may_overrule=lambda name: bool(facts.roles_of(name) & facts.policy.taken_back_by),
    )


def not_counted(found: Standing) -> list[str]:
    """Say of each decision that was found and counts for nothing why that is so."""
    seen = [f"{_DONE[item.predicate.decision]}, and not counted: {reason}" for item, reason in found.ignored]
    lifted = [
        f"{_name(item)}: {_DONE[item.predicate.decision]}, and {reason}"
        for item, reason in found.ended
        if reason != TAKEN_BACK and item.predicate.decision != "APPROVED"
    ]
    return list(dict.fromkeys([*seen, *lifted, *found.gaps]))


def check_no_rejection(facts: Facts) -> tuple[bool, str, str, Sequence[Evidence]]:
    """Nobody who may refuse this digest for this stage does: asked also where the stage asks for no approval."""
    found = decisions_about(facts, set())
    actual = "; ".join(f"{_name(item)}: {_refused(item)}" for item in found.rejections) or "nobody refuses it"
    return not found.rejections, "nobody refuses it", actual, [item.evidence for item in found.rejections]


_DONE = {"APPROVED": "approved", "REJECTED": "rejected", "REVOKED": "revoked", "OVERRULED": "overruled"}


def _name(item: Recorded[Approval]) -> str:
    return str(item.evidence.signer_name)


def _refused(item: Recorded[Approval]) -> str:
    said = item.predicate
    return _DONE[said.decision] + (f" ({said.comment})" if said.comment else "")


def _why_not(
    facts: Facts, item: Evidence, decision: Approval, builders: set[str], arguments: Mapping[str, Any]
) -> str | None:
    max_age_days = arguments.get("maxAgeDays")
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
    if parse_timestamp(item.time) > facts.moment + CLOCK_SKEW:
        return f"the approval is dated in the future: {item.time}"
    if max_age_days is not None and not facts.is_young(item.oldest_time, max_age_days):
        return f"the approval of {item.oldest_time} is older than {max_age_days} days"
    return _why_not_trusted_time(item) if arguments.get("trustedTime") else None


def _why_not_trusted_time(item: Evidence) -> str | None:
    moment = item.proven.moment
    if moment is None:
        return item.proven.problem or "its time is not proven: it has no time-stamp"
    if abs(moment - parse_timestamp(item.time)) > CLOCK_SKEW:
        return f"it says {item.time}, and {item.proven.authority} stamped it {item.when}"
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
