"""Statements about a ModelKit: what can be said of a digest, attached to it in its registry, and read again.

>>> digest = "sha256:" + "0" * 64
>>> statement_about(digest, Approval("APPROVED", environment="production")).predicate["decision"]
'APPROVED'
"""

from kitops_orchestration.lineage.statements.dependencies import Dependency, SourceRun, base_model, git_source
from kitops_orchestration.lineage.statements.predicates import (
    Approval,
    Deployment,
    DeploymentTarget,
    Metric,
    Promotion,
    TestResult,
    VerificationResult,
)
from kitops_orchestration.lineage.statements.provenance import Provenance, provenance
from kitops_orchestration.lineage.statements.run_context import RunContext
from kitops_orchestration.lineage.statements.statement import Predicate, statement_about
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
