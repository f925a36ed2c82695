"""The predicate types we write and read, and who may usually make them.

Ours stand under one constant, a URN, because a predicate type is a name and need not be an address: a host
that nobody holds for the project could be taken over.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "urn:kitops-orchestration:predicate:"

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
DIRECTORY = "https://model_signing/signature/v1.0"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VERIFICATION = "https://in-toto.io/attestation/svr/v0.2"
CYCLONEDX = "https://cyclonedx.org/bom"
APPROVAL = OURS + "approval:v1"
PROMOTION = OURS + "promotion:v1"
DEPLOYMENT = OURS + "deployment:v1"
FREEZE = OURS + "freeze:v1"
"""A stage was closed, or opened again."""
CHECKPOINT = OURS + "checkpoint:v1"
"""What a repository held: the root over its versions, their evidence, and the tags of its stages."""
REMOVAL = OURS + "removal:v1"
"""Versions were let go, with all that was known of them."""
FILE_LIST = OURS + "file-list:v1"
CARD = OURS + "card:v1"
"""What people write about a version, section by section: intended use, limitations, the open points of Annex IV."""
SCAN = OURS + "scan:v1"
"""What a security scanner found: ``scanner``, ``result``, ``files``, ``findings``."""
GATE = OURS + "gate:v1"
"""What the gate of a pack found in the layers of a ModelKit: ``result``, ``scanners``, ``lookedAt``, ``findings``."""


@dataclass(frozen=True, slots=True)
class PredicateType:
    """One row: what a predicate type is called, who may make it, and what reads it."""

    uri: str
    short_name: str
    role: str
    """Which role a signature over it needs where the trust policy has no rule for it."""
    reader: str | None = None
    """``module:class`` of the core that reads it; ``None`` where its members are taken as they are."""
    other_names: tuple[str, ...] = ()
    """What users of cosign are used to."""


_PREDICATES = "lineage.statements.predicates"

REGISTRY = (
    PredicateType(SIGNATURE, "signature", "releaser"),
    PredicateType(DIRECTORY, "directory", "builder"),
    PredicateType(
        PROVENANCE,
        "provenance",
        "builder",
        "lineage.statements.provenance:Provenance",
        ("slsa-provenance", "slsaprovenance"),
    ),
    PredicateType(TEST_RESULT, "test-result", "evaluator", f"{_PREDICATES}:TestResult"),
    PredicateType(VERIFICATION, "verification", "releaser", f"{_PREDICATES}:VerificationResult"),
    PredicateType(CYCLONEDX, "bom", "builder", other_names=("cyclonedx",)),
    PredicateType(APPROVAL, "approval", "approver", f"{_PREDICATES}:Approval"),
    PredicateType(PROMOTION, "promotion", "releaser", f"{_PREDICATES}:Promotion"),
    PredicateType(DEPLOYMENT, "deployment", "deployer", f"{_PREDICATES}:Deployment"),
    PredicateType(FREEZE, "freeze", "releaser", "promotion.stage_tag.freeze:Freeze"),
    PredicateType(CHECKPOINT, "checkpoint", "witness", "promotion.checkpoint.statement:CheckpointStatement"),
    PredicateType(REMOVAL, "removal", "releaser", "promotion.checkpoint.removal:Removal"),
    PredicateType(FILE_LIST, "file-list", "builder"),
    PredicateType(CARD, "card", "approver", "lineage.statements.card:Card"),
    PredicateType(SCAN, "scan", "evaluator"),
    PredicateType(GATE, "gate", "evaluator"),
)
"""Every predicate type that is known here.

One that is not needs a rule in the trust policy: what nobody was named for, nobody may claim.
"""

SHORT_NAMES = {row.short_name: row.uri for row in REGISTRY}
"""How a trust policy and the command line may call them."""

DEFAULT_ROLES = {row.uri: row.role for row in REGISTRY}
"""Which role each needs where the trust policy has no rule for it."""

_OTHER_NAMES = {name: row.uri for row in REGISTRY for name in row.other_names}


def full_name(name: str) -> str:
    """Return the predicate type for a short name, or the text itself."""
    return SHORT_NAMES.get(name) or _OTHER_NAMES.get(name, name)


def short_name(predicate_type: str) -> str:
    """Return how people call a predicate type: its short name, or the text itself."""
    return next((short for short, full in SHORT_NAMES.items() if full == predicate_type), predicate_type)
