"""Evidence: what happened to a digest, kept as statements beside it, and the questions answered from them.

The registry is the record.  A statement is attached to a manifest digest as a referrer, signed where a key is
given; nothing here has a database, and nothing fetches a layer.  Promotion, the MLflow bridge, the client and
the command line may use it.

    >>> from kitops_orchestration.lineage import Approval
    >>> Approval("APPROVED", environment="production", role="risk").predicate_type
    'urn:kitops-orchestration:predicate:approval:v1'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.compare import ModelKitDiff as ModelKitDiff
    from kitops_orchestration.lineage.answers.deployment import Deployments as Deployments
    from kitops_orchestration.lineage.answers.deployment import RunningModelKit as RunningModelKit
    from kitops_orchestration.lineage.answers.questions import Lineage as Lineage
    from kitops_orchestration.lineage.answers.sign_offs import SignOff as SignOff
    from kitops_orchestration.lineage.answers.sign_offs import SignOffs as SignOffs
    from kitops_orchestration.lineage.answers.timeline import Event as Event
    from kitops_orchestration.lineage.answers.timeline import Timeline as Timeline
    from kitops_orchestration.lineage.answers.training_data import DataUse as DataUse
    from kitops_orchestration.lineage.answers.training_data import TrainingData as TrainingData
    from kitops_orchestration.lineage.passport.passport import Passport as Passport
    from kitops_orchestration.lineage.publish import Published as Published
    from kitops_orchestration.lineage.statements.attach import Attached as Attached
    from kitops_orchestration.lineage.statements.attach import load_evidence as load_evidence
    from kitops_orchestration.lineage.statements.dependencies import Dependency as Dependency
    from kitops_orchestration.lineage.statements.dependencies import SourceRun as SourceRun
    from kitops_orchestration.lineage.statements.dependencies import base_model as base_model
    from kitops_orchestration.lineage.statements.dependencies import git_source as git_source
    from kitops_orchestration.lineage.statements.predicates import Approval as Approval
    from kitops_orchestration.lineage.statements.predicates import Deployment as Deployment
    from kitops_orchestration.lineage.statements.predicates import DeploymentTarget as DeploymentTarget
    from kitops_orchestration.lineage.statements.predicates import Metric as Metric
    from kitops_orchestration.lineage.statements.predicates import Promotion as Promotion
    from kitops_orchestration.lineage.statements.predicates import TestResult as TestResult
    from kitops_orchestration.lineage.statements.predicates import VerificationResult as VerificationResult
    from kitops_orchestration.lineage.statements.provenance import Provenance as Provenance
    from kitops_orchestration.lineage.statements.provenance import provenance as provenance
    from kitops_orchestration.lineage.statements.recorded import Recorded as Recorded
    from kitops_orchestration.lineage.statements.run_context import RunContext as RunContext
    from kitops_orchestration.lineage.statements.statement import Predicate as Predicate
    from kitops_orchestration.lineage.statements.statement import statement_about as statement_about

__all__ = [
    "Approval",
    "Attached",
    "DataUse",
    "Dependency",
    "Deployment",
    "DeploymentTarget",
    "Deployments",
    "Event",
    "Lineage",
    "Metric",
    "ModelKitDiff",
    "Passport",
    "Predicate",
    "Promotion",
    "Provenance",
    "Published",
    "Recorded",
    "RunContext",
    "RunningModelKit",
    "SignOff",
    "SignOffs",
    "SourceRun",
    "TestResult",
    "Timeline",
    "TrainingData",
    "VerificationResult",
    "base_model",
    "git_source",
    "load_evidence",
    "provenance",
    "statement_about",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Approval": "statements.predicates",
            "Attached": "statements.attach",
            "DataUse": "answers.training_data",
            "Dependency": "statements.dependencies",
            "Deployment": "statements.predicates",
            "DeploymentTarget": "statements.predicates",
            "Deployments": "answers.deployment",
            "Event": "answers.timeline",
            "Lineage": "answers.questions",
            "Metric": "statements.predicates",
            "ModelKitDiff": "answers.compare",
            "Passport": "passport.passport",
            "Predicate": "statements.statement",
            "Promotion": "statements.predicates",
            "Provenance": "statements.provenance",
            "Published": "publish",
            "Recorded": "statements.recorded",
            "RunContext": "statements.run_context",
            "RunningModelKit": "answers.deployment",
            "SignOff": "answers.sign_offs",
            "SignOffs": "answers.sign_offs",
            "SourceRun": "statements.dependencies",
            "TestResult": "statements.predicates",
            "Timeline": "answers.timeline",
            "TrainingData": "answers.training_data",
            "VerificationResult": "statements.predicates",
            "base_model": "statements.dependencies",
            "git_source": "statements.dependencies",
            "load_evidence": "statements.attach",
            "provenance": "statements.provenance",
            "statement_about": "statements.statement",
        },
    )
