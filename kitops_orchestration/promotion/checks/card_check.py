"""The check ``cardComplete``: people who may say so wrote what the policy asks for, about this very version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage.statements.card import Card, Written, written
from kitops_orchestration.lineage.statements.recorded import read
from kitops_orchestration.promotion.checks.facts import Facts, signers
from kitops_orchestration.signing.predicate_types import CARD

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence


def check_card_complete(facts: Facts, arguments: Mapping[str, Any]) -> tuple[bool, str, str, Sequence[Evidence]]:
    """Each section stands in cards that count, by as many people as the trust policy's rule for cards asks for.

    ``roles`` narrows whose word is taken.  What was seen and does not count is told, with the reason.
    """
    wanted, roles = arguments["sections"], set(arguments.get("roles") or ())
    count = facts.threshold(CARD)
    expected = f"a card that says {', '.join(wanted)}"
    expected += f", by role {' or '.join(sorted(roles))}" if roles else ""
    expected += f", each by {count}" if count > 1 else ""
    if facts.trust is None:
        return False, expected, "no trust policy was given, so no signature counts", ()
    cards, broken = read(facts.evidence, Card, CARD)
    able = [item for item in cards if item.evidence.is_verified and _has_role(facts, item.evidence, roles)]
    standing = written(able)
    told, good = [], True
    for name in wanted:
        by = [item for item in standing if item.name == name]
        people = signers([item.card.evidence for item in by])
        good = good and len(people) >= count
        told.append(_said(name, by, len(people), count))
    ignored = [*(item.evidence for item in cards if item not in able), *broken]
    ignored += [item for item in facts.evidence if item.predicate_type == CARD and item.statement is None]
    told += [f"a card is there, and not counted: {_why(facts, item, roles)}" for item in ignored]
    used = {item.card.evidence.descriptor.digest: item.card.evidence for item in standing if item.name in wanted}
    return good, expected, "; ".join(dict.fromkeys(told)), list(used.values())


def _said(name: str, by: Sequence[Written], people: int, count: int) -> str:
    if not by:
        return f"{name}: nobody who counts wrote it"
    names = ", ".join(dict.fromkeys(str(item.card.evidence.signer_name) for item in by))
    return f"{name} by {names}" + (f", {people} of {count}" if people < count else "")


def _has_role(facts: Facts, evidence: Evidence, roles: set[str]) -> bool:
    return not roles or bool(facts.roles_of(evidence.signer) & roles)


def _why(facts: Facts, evidence: Evidence, roles: set[str]) -> str:
    if evidence.is_verified and not _has_role(facts, evidence, roles):
        return f"{evidence.signer_name} has no role {' or '.join(sorted(roles))}"
    return evidence.reason
