"""The predicate types that only promotion writes."""

from kitops_orchestration.signing.predicate_types import FREEZE, OURS

__all__ = ["FREEZE", "STAGE_TAG", "VERIFIER"]

STAGE_TAG = OURS + "stage-tag:v1"
"""A tag belongs to a stage: only its promotions move it."""

VERIFIER = OURS + "verifier:v1"
"""Who we are in a verification result."""
