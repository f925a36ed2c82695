"""The predicate types we write and read, and who may usually make them.

Ours stand under one constant, a URN, because a predicate type is a name and need not be an address: a host
that nobody holds for the project could be taken over.
"""

from __future__ import annotations

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
FILE_LIST = OURS + "file-list:v1"
SCAN = OURS + "scan:v1"
"""What a security scanner found: ``scanner``, ``result``, ``files``, ``findings``."""

SHORT_NAMES = {
    "signature": SIGNATURE,
    "directory": DIRECTORY,
    "provenance": PROVENANCE,
    "test-result": TEST_RESULT,
    "verification": VERIFICATION,
    "bom": CYCLONEDX,
    "approval": APPROVAL,
    "promotion": PROMOTION,
    "deployment": DEPLOYMENT,
    "freeze": FREEZE,
    "file-list": FILE_LIST,
    "scan": SCAN,
}
"""How a trust policy and the command line may call them."""

DEFAULT_ROLES = {
    SIGNATURE: "releaser",
    DIRECTORY: "builder",
    FILE_LIST: "builder",
    PROVENANCE: "builder",
    TEST_RESULT: "evaluator",
    VERIFICATION: "releaser",
    CYCLONEDX: "builder",
    APPROVAL: "approver",
    PROMOTION: "releaser",
    DEPLOYMENT: "deployer",
    FREEZE: "releaser",
    SCAN: "evaluator",
}
"""Which role a signature over each type needs where the trust policy has no rule for it.

A type that is not listed needs a rule: what nobody was named for, nobody may claim.
"""


_OTHER_NAMES = {"slsa-provenance": PROVENANCE, "slsaprovenance": PROVENANCE, "cyclonedx": CYCLONEDX}
"""What cosign's users are used to."""


def full_name(name: str) -> str:
    """Return the predicate type for a short name, or the text itself."""
    return SHORT_NAMES.get(name) or _OTHER_NAMES.get(name, name)


def short_name(predicate_type: str) -> str:
    """Return how people call a predicate type: its short name, or the text itself."""
    return next((short for short, full in SHORT_NAMES.items() if full == predicate_type), predicate_type)
