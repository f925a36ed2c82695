"""Statements about a ModelKit: the in-toto Statement, and every typed predicate that can be said in one.

>>> digest = "sha256:" + "0" * 64
>>> statement_about(digest, Approval("APPROVED", environment="production")).predicate["decision"]
'APPROVED'
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from kitops_orchestration.lineage.dependencies import Dependency, SourceRun, base_model, git_source
from kitops_orchestration.lineage.predicates import (
    Approval,
    Deployment,
    DeploymentTarget,
    Metric,
    Promotion,
    TestResult,
    VerificationResult,
)
from kitops_orchestration.lineage.provenance import Provenance, provenance
from kitops_orchestration.lineage.run_context import RunContext
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement

__all__ = [
    "Approval",
    "Dependency",
    "Deployment",
    "DeploymentTarget",
    "Metric",
    "Predicate",
    "Promotion",
    "Provenance",
    "ResourceDescriptor",
    "RunContext",
    "SourceRun",
    "Statement",
    "TestResult",
    "VerificationResult",
    "base_model",
    "git_source",
    "provenance",
    "statement_about",
]


@runtime_checkable
class Predicate(Protocol):
    """What can be said of a ModelKit."""

    @property
    def predicate_type(self) -> str:
        """The URI that names the type."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object; the same value gives the same object."""
        ...


def statement_about(digest: str, predicate: Predicate, *, name: str | None = None) -> Statement:
    """Return the statement that ``predicate`` holds for the manifest ``digest``."""
    return Statement.build(digest, predicate.predicate_type, predicate.to_json(), name=name)
