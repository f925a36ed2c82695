"""What the trust policy refuses: the manifest, and the content that it names.

The digest of a manifest changes with one more newline in it; its config and its layers do not.  So a digest among
``deny`` is looked for among those, too: whoever withdraws a model for good denies the layer that holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitops_orchestration.promotion.checks.facts import Facts


def why_refused(facts: Facts) -> str | None:
    """Return why nothing about the ModelKit can count, or ``None``."""
    if facts.trust is None:
        return None
    refused = facts.trust.why_refused(facts.digest, facts.repository.reference)
    if refused:
        return refused
    manifest = facts.kit.manifest
    if manifest.config.digest in facts.trust.deny:
        return f"the trust policy denies {manifest.config.digest}, which is its config"
    denied = [layer.digest for layer in manifest.layers if layer.digest in facts.trust.deny]
    return f"the trust policy denies {denied[0]}, which is one of its layers" if denied else None
