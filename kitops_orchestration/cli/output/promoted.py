"""What promote and rollback print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.cli.output.answer import human_bytes, print_facts, print_json

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.promotion.promote import PromotionResult


def print_promoted(result: PromotionResult, *, as_json: bool, alias: AliasSync | None = None) -> None:
    """Print what the stage has now, and what it had before."""
    if as_json:
        print_json({**result.to_json(), **({"alias": alias.to_json()} if alias else {})})
        return
    before = result.previous_digest.short if result.previous_digest else "nothing"
    moved = f"{human_bytes(result.copy.bytes_moved)}, {result.copy.blobs_mounted} blobs mounted"
    print_facts(
        [
            (_done(result), result.reference),
            ("stage", result.stage),
            ("before", before if result.is_moved else None),
            ("moved", moved),
            ("record", f"{result.record.descriptor.digest} ({'signed' if result.record.is_signed else 'not signed'})"),
            ("in MLflow", f"models:/{alias.name}@{alias.alias} is version {alias.version}" if alias else None),
        ]
    )


def _done(result: PromotionResult) -> str:
    if result.is_moved:
        return "promoted"
    return "recorded" if result.is_new else "was there"
