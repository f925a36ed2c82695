"""Results as the small mappings that go to XCom: a pinned reference, a digest, a few facts.

A member that the core's own answer has (``to_json()``, what ``kitctl --json`` prints) has its name, type and value
here.  Of Airflow's own are ``repository`` and ``tag``, which are parts of the reference, counts, whether something is
signed, and what MLflow and the person who was asked say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog
    from kitops_orchestration.client import Copied
    from kitops_orchestration.lineage.publish import Published
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.mlflow_bridge.import_model import ImportResult
    from kitops_orchestration.mlflow_bridge.serving.smoke import SmokeTest
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.packing.gate import GateReport
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.modelkit.validation.report import Validation
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.promotion.retention.retain import RetentionResult
    from kitops_orchestration.signing.sign import SignResult
    from kitops_orchestration.signing.verify import VerifyResult

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


def validated(found: Validation) -> dict[str, Any]:
    """Return the verdict and every finding."""
    return {**located(found.reference), **_part(found.to_json(), "valid", "readsLayers", "findings")}


def packed(result: PackResult) -> dict[str, Any]:
    """Return what was packed; sizes in bytes."""
    facts = _part(result.to_json(), "sizeBytes", "uploadedBytes")
    return {**located(result.reference), **facts, "layerCount": len(result.layers)}


def published(result: Published | ExportResult) -> dict[str, Any]:
    """Return what was packed, what was attached to it, and whether it is signed."""
    return {
        **packed(result.pack),
        "provenance": result.provenance and str(result.provenance.descriptor.digest),
        "isSigned": result.signature is not None,
    }


def copied(result: Copied) -> dict[str, Any]:
    """Return where a copy went and what had to move for it."""
    names = ("movedBytes", "blobsCopied", "blobsSkipped", "blobsMounted")
    return {**located(result.reference), **_part(result.to_json(), *names)}


def unpacked(result: UnpackResult) -> dict[str, Any]:
    """Return what was unpacked.  ``targetDir`` is information: another task may run on another machine."""
    return {**located(result.reference), **_part(result.to_json(), "targetDir", "files", "sizeBytes")}


def exported(result: ExportResult) -> dict[str, Any]:
    """Return the ModelKit that a run became, what was exported, and the run's last metrics."""
    return {
        **published(result),
        **{name: value for name, value in result.to_json().items() if name != "warnings"},
        "runUrl": result.record.page_url,
        "metrics": {name: metric.stated for name, metric in list(result.record.metrics.items())[:_MOST_METRICS]},
    }


def promoted(result: PromotionResult, alias: AliasSync | None = None) -> dict[str, Any]:
    """Return where the ModelKit is now, the digest that the stage had before, and the record of it."""
    names = ("stage", "previousDigest", "isNew", "isMoved", "movedBytes", "record")
    facts = {**located(result.reference), **_part(result.to_json(), *names)}
    return {**facts, "alias": alias.to_json()} if alias else facts


def attached(reference: Reference, statement: Attached) -> dict[str, Any]:
    """Return what a statement was attached to, which is pinned, and the statement."""
    return {**located(reference), "statement": statement.to_json()}


def scanned(reference: Reference, report: GateReport, statement: Attached) -> dict[str, Any]:
    """Return the gate's verdict; what was found is in the task's log and in the statement."""
    counts = {"refusedCount": len(report.refused), "findingCount": len(report.findings)}
    return {**attached(reference, statement), "result": report.result, **counts}


def verified(result: VerifyResult) -> dict[str, Any]:
    """Return the verdict and who signed; not every signature: whoever may push may add as many as they like."""
    return {**located(result.reference), **_part(result.to_json(), "isVerified", "reason", "signers", "threshold")}


def whole(result: SignResult | ImportResult | SmokeTest) -> dict[str, Any]:
    """Return the whole answer, which is small; ``reference`` of it is pinned."""
    return {**located(result.reference), **result.to_json()}


def inspected(found: ModelKit) -> dict[str, Any]:
    """Return what a ModelKit is made of; sizes in bytes."""
    return {**located(found.reference), **_part(found.to_json(), "name", "version", "sizeBytes", "layers")}


def catalogued(found: Catalog) -> dict[str, Any]:
    """Return where the site is, and how much is on it; sizes in bytes."""
    return {
        "site": None if found.published is None else str(found.published.folder),
        "files": 0 if found.published is None else found.published.files,
        "sizeBytes": 0 if found.published is None else found.published.size_bytes,
        "asOf": found.as_of,
        **found.counts(),
        "state": str(found.state),
    }


def retained(result: RetentionResult) -> dict[str, Any]:
    """Return what went, or would go, and how many stay."""
    facts = _part(result.to_json(), "repository", "isDryRun", "removed")
    facts["removed"] = facts["removed"][:_MOST_REMOVED]
    return {**facts, "removedCount": len(result.removed), "keptCount": len(result.kept)}


def _part(answer: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: answer[name] for name in names}
