"""Results as the small mappings that go to XCom: a pinned reference, a digest, a few facts, never a local path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.client import Copied
    from kitops_orchestration.lineage.publish import Published
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.mlflow_bridge.record import RunRecord
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.promotion.retention import RetentionResult

_MOST_METRICS = 50  # a mapping for XCom stays small; the ModelKit has all of them
_MOST_REMOVED = 100  # the task's log has all of them


def reference_text(reference: str | Mapping[str, Any]) -> str:
    """Return the text of a reference that another task handed over as its result's mapping, or as text."""
    if not isinstance(reference, Mapping):
        return reference
    if not isinstance(reference.get("reference"), str):
        raise KitOpsError(
            f"a mapping without a reference: it has {', '.join(map(str, reference)) or 'nothing'}",
            advice="hand over the result of a task that returns a reference, or the reference as text",
        )
    return str(reference["reference"])


def located(reference: Reference) -> dict[str, Any]:
    """Return the part that every mapping has; ``reference`` is pinned to ``digest``."""
    return {
        "reference": str(reference),
        "digest": reference.digest and str(reference.digest),
        "repository": reference.name,
        "tag": reference.tag,
    }


def packed(result: PackResult) -> dict[str, Any]:
    """Return what was packed; sizes in bytes."""
    return {
        **located(result.reference),
        "size_bytes": result.size_bytes,
        "uploaded_bytes": result.uploaded_bytes,
        "layers": len(result.layers),
    }


def published(result: Published | ExportResult) -> dict[str, Any]:
    """Return what was packed, what was attached to it, and whether it is signed."""
    return {
        **packed(result.pack),
        "provenance_digest": result.provenance and str(result.provenance.descriptor.digest),
        "is_signed": result.signature is not None,
    }


def copied(result: Copied) -> dict[str, Any]:
    """Return where a copy went and what had to move for it."""
    return {
        **located(result.reference),
        "moved_bytes": result.copy.bytes_moved,
        "blobs_copied": result.copy.blobs_copied,
        "blobs_skipped": result.copy.blobs_skipped,
        "blobs_mounted": result.copy.blobs_mounted,
    }


def unpacked(result: UnpackResult) -> dict[str, Any]:
    """Return what was unpacked.  ``target_dir`` is information: another task may run on another machine."""
    return {
        **located(result.reference),
        "target_dir": str(result.target_dir),
        "files": result.files,
        "size_bytes": result.size_bytes,
    }


def exported(result: ExportResult) -> dict[str, Any]:
    """Return the ModelKit that a run became, which run it was, and the run's last metrics."""
    return {
        **published(result),
        "run_id": result.record.run_id,
        "run_url": _run_url(result.record),
        "metrics": {name: metric.last for name, metric in list(result.record.metrics.items())[:_MOST_METRICS]},
    }


def _run_url(record: RunRecord) -> str | None:
    if not record.tracking_uri.startswith("http") or record.run_id is None:
        return None
    experiment = record.experiment.get("id", "0")
    return f"{record.tracking_uri.rstrip('/')}/#/experiments/{experiment}/runs/{record.run_id}"


def promoted(result: PromotionResult) -> dict[str, Any]:
    """Return where the ModelKit is now, and the digest that the stage had before."""
    return {
        **located(result.reference),
        "stage": result.stage,
        "previous_digest": result.previous_digest and str(result.previous_digest),
        "is_new": result.is_new,
    }


def inspected(found: ModelKit) -> dict[str, Any]:
    """Return what a ModelKit is made of; sizes in bytes."""
    package = found.kitfile.package
    return {
        **located(found.reference),
        "name": package.name if package else None,
        "version": package.version if package else None,
        "size_bytes": found.size_bytes,
        "layers": [
            {
                "kind": layer.kind,
                "path": layer.path,
                "digest": str(layer.descriptor.digest),
                "size_bytes": layer.descriptor.size,
            }
            for layer in found.layers
        ],
    }


def retained(result: RetentionResult) -> dict[str, Any]:
    """Return what went, or would go, and how many stay."""
    removed = [f"{result.repository}@{version.digest}" for version in result.removed[:_MOST_REMOVED]]
    return {
        "repository": result.repository.name,
        "removed": removed,
        "removed_count": len(result.removed),
        "kept_count": len(result.kept),
        "dry_run": result.is_dry_run,
    }
