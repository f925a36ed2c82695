"""Evidence: what happened to a digest, kept as statements beside it, and the questions answered from them.

The registry is the record.  A statement is attached to a manifest digest as a referrer, signed where a key is
given; nothing here has a database, and nothing fetches a layer.  Promotion, the MLflow bridge, the client and
the command line may use it.

    >>> from kitops_orchestration.lineage.statements import Approval
    >>> Approval("APPROVED", environment="production", role="risk").predicate_type
    'urn:kitops-orchestration:predicate:approval:v1'
"""

from __future__ import annotations

from kitops_orchestration.lineage.statements import (
    Approval,
    Dependency,
    Deployment,
    DeploymentTarget,
    Metric,
    Promotion,
    Provenance,
    RunContext,
    SourceRun,
    Statement,
    TestResult,
    VerificationResult,
)

__all__ = [
    "Approval",
    "Dependency",
    "Deployment",
    "DeploymentTarget",
    "Metric",
    "Promotion",
    "Provenance",
    "RunContext",
    "SourceRun",
    "Statement",
    "TestResult",
    "VerificationResult",
]
