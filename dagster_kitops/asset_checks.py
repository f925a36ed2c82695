"""Asset checks on ModelKits: what is asked of the registry, once per asset for any number of checks."""

# No `from __future__ import annotations`: Dagster reads the signatures of check functions.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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

    def __init__(self, kitops: KitOpsResource, recorded: RecordedModelKit) -> None:
        self.kitops = kitops
        self.recorded = recorded
        self.answers: dict[Any, Any] = {}
        """What checks of one family keep for each other."""

    @property
    def client(self) -> "KitClient":
        """The core's client of the resource."""
        return self.kitops.get_client()

    @cached_property
    def modelkit(self) -> "ModelKit":
        """Manifest and Kitfile from the registry, verified against the recorded digest."""
        return self.client.inspect(self.recorded.reference)

    @cached_property
    def lineage(self) -> "Lineage":
        """The evidence attached to the digest."""
        return self.client.lineage(self.recorded.reference)


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
        assets: What is checked.
        checks: What is asked: those of :mod:`dagster_kitops.modelkit_checks`, or your own.
        severity: Of a failed check.  Only ``ERROR`` blocks.
        blocking: Hold back downstream assets of the same run.  The ModelKit is in its registry already: to stop it
            before, give :func:`modelkit_asset` a ``gate``; to stop its promotion, let the promotion be automatic.
        resource_key: Key of the :class:`KitOpsResource`.
        name: Of the step.
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
            chosen = [spec for spec in specs if spec.asset_key == key and spec.key in context.selected_asset_check_keys]
            if not chosen:
                continue
            checked = CheckedModelKit(kitops, require_modelkit(context.instance, key))
            for spec in chosen:
                yield _result(context, by_name[spec.name], spec, checked, severity)

    return [run_checks]


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
