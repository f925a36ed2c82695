"""The predicate types that only promotion writes."""

from kitops_orchestration.signing.predicate_types import FREEZE, OURS

__all__ = ["FREEZE", "VERIFIER"]

VERIFIER = OURS + "verifier:v1"
"""Who we are in a verification result."""
