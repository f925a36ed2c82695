"""Asset checks on ModelKits: what is asked of the registry, once per asset for any number of checks."""

# No `from __future__ import annotations`: Dagster reads the signatures of check functions.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops._errors import translated
from dagster_kitops.event_log import RecordedModelKit, require_modelkit
from dagster_kitops.resources import KitOpsResource

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.modelkit.inspect import ModelKit


class CheckedModelKit:
    """The ModelKit under a check; what several checks ask is fetched once."""

    def __init__(self, client: "KitClient", recorded: RecordedModelKit) -> None:
        self.client = client
        self.recorded = recorded

    @cached_property
    def modelkit(self) -> "ModelKit":
        """Manifest and Kitfile from the registry, verified against the recorded digest."""
        return self.client.inspect(str(self.recorded.reference))

    @cached_property
    def lineage(self) -> "Lineage":
        """The evidence attached to the digest."""
        return self.client.lineage(str(self.recorded.reference))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; numbers in ``metadata`` are plotted over time."""

    is_passed: bool
    description: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelKitCheck:
    """A named question about a ModelKit; ``KitOpsError`` from it means that it could not be asked."""

    name: str
    description: str
    ask: Callable[[CheckedModelKit], Finding]


def integrity_check() -> ModelKitCheck:
    """Is every blob that the recorded manifest names in the registry?"""
    return ModelKitCheck("modelkit_integrity", "Manifest verified by digest, every blob present", _ask_integrity)


def provenance_check() -> ModelKitCheck:
    """Does the registry hold a statement on how the ModelKit was made?"""
    return ModelKitCheck("modelkit_provenance", "A provenance statement is attached", _ask_provenance)


def tag_check() -> ModelKitCheck:
    """Does the tag still point at the recorded digest? If not, someone moved it outside of Dagster."""
    return ModelKitCheck("modelkit_tag", "The tag points at the recorded digest", _ask_tag)


_NAMED = {"integrity": integrity_check, "provenance": provenance_check, "tag": tag_check}


def named_check(name: str) -> ModelKitCheck:
    """Return a check by its short name: ``integrity``, ``provenance``, ``tag``."""
    return _NAMED[name]()


def build_modelkit_checks(
    *,
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str],
    checks: Sequence[ModelKitCheck],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    blocking: bool = False,
    resource_key: str = "kitops",
    name: str | None = None,
) -> list[dg.AssetChecksDefinition]:
    """Return asset checks that ask ``checks`` of the newest ModelKit of each of ``assets``.

    All of them run in one step over one client, and can be selected one by one.

    Args:
        severity: Of a failed check.  Only ``ERROR`` blocks.
        blocking: Hold back downstream assets of the same run.  The ModelKit is in its registry already: to stop it
            before, give :func:`modelkit_asset` a ``gate``; to stop its promotion, let the promotion be automatic.
    """
    keys = [asset.key if isinstance(asset, (dg.AssetsDefinition, dg.AssetSpec)) else asset for asset in assets]
    asset_keys = [dg.AssetKey.from_coercible(key) for key in keys]
    specs = [
        dg.AssetCheckSpec(check.name, asset=key, description=check.description, blocking=blocking)
        for key in asset_keys
        for check in checks
    ]
    by_name = {check.name: check for check in checks}
    step = name or clean_name("_".join(["check", *(check.name for check in checks), *asset_keys[0].path]))

    @dg.multi_asset_check(specs=specs, can_subset=True, name=step, required_resource_keys={resource_key})
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        for key in asset_keys:
            selected = [
                spec for spec in specs if spec.asset_key == key and spec.key in context.selected_asset_check_keys
            ]
            if not selected:
                continue
            checked = CheckedModelKit(kitops.get_client(), require_modelkit(context.instance, key))
            for spec in selected:
                yield _result(context, by_name[spec.name], spec, checked, severity)

    return [run_checks]


def build_modelkit_integrity_checks(**options: Any) -> list[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the integrity check alone."""
    return build_modelkit_checks(checks=[integrity_check()], **options)


def build_modelkit_provenance_checks(**options: Any) -> list[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the provenance check alone."""
    return build_modelkit_checks(checks=[provenance_check()], **options)


def build_modelkit_tag_checks(**options: Any) -> list[dg.AssetChecksDefinition]:
    """Return :func:`build_modelkit_checks` with the check of moved tags alone."""
    return build_modelkit_checks(checks=[tag_check()], **options)


def _result(
    context: dg.AssetCheckExecutionContext,
    check: ModelKitCheck,
    spec: dg.AssetCheckSpec,
    checked: CheckedModelKit,
    severity: dg.AssetCheckSeverity,
) -> dg.AssetCheckResult:
    with translated(context.op_execution_context):
        finding = check.ask(checked)
    return dg.AssetCheckResult(
        passed=finding.is_passed,
        check_name=spec.name,
        asset_key=spec.asset_key,
        severity=severity,
        description=finding.description,
        metadata={"kitops/digest": checked.recorded.digest, **finding.metadata},
    )


def _ask_integrity(checked: CheckedModelKit) -> Finding:
    repository = checked.client.repository(checked.recorded.reference)
    blobs = checked.modelkit.manifest.blobs
    missing = [str(blob.digest) for blob in blobs if not repository.has_blob(blob)]
    text = f"{len(missing)} of {len(blobs)} blobs missing: {', '.join(missing)}" if missing else f"{len(blobs)} blobs"
    return Finding(not missing, text, {"blobs": len(blobs), "missing_blobs": len(missing)})


def _ask_provenance(checked: CheckedModelKit) -> Finding:
    is_present = checked.lineage.provenance is not None
    return Finding(is_present, "provenance attached" if is_present else "no provenance statement is attached")


def _ask_tag(checked: CheckedModelKit) -> Finding:
    reference = checked.recorded.reference
    now = checked.client.resolve(replace(reference, digest=None)) if reference.tag else reference
    is_same = now.digest == reference.digest
    text = f"{reference.tag} points at {now.digest}" + ("" if is_same else f", not at the recorded {reference.digest}")
    return Finding(is_same, text, {"kitops/found_digest": str(now.digest)})
