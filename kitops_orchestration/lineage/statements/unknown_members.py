"""Members of a report that nothing here reads: told when it is attached, because a misspelt one would be silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kitops_orchestration.lineage.statements.card import unknown_parts
from kitops_orchestration.lineage.statements.predicates import Approval, Deployment, Promotion, TestResult, camel
from kitops_orchestration.signing import predicate_types

_TYPED = {kind.predicate_type: kind for kind in (Approval, Deployment, Promotion, TestResult)}
_OTHER_NAMES = {predicate_types.TEST_RESULT: {"kitops_metrics", "metrics"}}


def unknown_members(predicate_type: str, predicate: Mapping[str, Any]) -> list[str]:
    """Return the members that a typed predicate does not have; nothing for reports of other forms."""
    full = predicate_types.full_name(predicate_type)
    if full == predicate_types.CARD:
        return sorted(unknown_parts(predicate))
    kind = _TYPED.get(full)
    if kind is None:
        return []
    known = {camel(item.name) for item in fields(kind)} | _OTHER_NAMES.get(full, set())
    return sorted(set(predicate) - known)
