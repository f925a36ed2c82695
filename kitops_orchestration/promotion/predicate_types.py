"""The predicate types that only promotion writes."""

from kitops_orchestration.signing.predicate_types import OURS

FREEZE = OURS + "freeze:v1"
VERIFIER = OURS + "verifier:v1"
"""Who we are in a verification result."""
