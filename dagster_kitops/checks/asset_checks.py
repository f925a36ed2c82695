"""Asset checks on ModelKits: what is asked of the registry, once per asset for any number of checks."""

# No `from __future__ import annotations`: Dagster reads the signatures of check functions.

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Required, TypedDict

import dagster as dg

from dagster_kitops._compat import AssetCheckEvaluationTargetMaterializationData, clean_name
from dagster_kitops._errors import translated
from dagster_kitops.event_log import RecordedModelKit, require_modelkit, require_own_partition
from dagster_kitops.metadata import ASKS_LABEL
from dagster_kitops.registry_access import RegistryAccess

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.lineage.answers.questions import Lineage
    from kitops_orchestration.modelkit.inspect import ModelKit


Answer = dg.AssetCheckResult | dg.AssetCheckEvaluation | dg.Output[None]
"""What a step of checks may yield."""


class CheckedModelKit:
    """The ModelKit under a check; what several checks ask is fetched once."""

    def __init__(self, kitops: RegistryAccess, recorded: RecordedModelKit) -> None:
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
        return self.client.lineage(self.recorded.reference, trust=None)


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


class CheckOptions(TypedDict, total=False):
    """What the functions that build one kind of check hand through to :func:`build_modelkit_checks`."""

    assets: Required[Sequence[dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str]]
    severity: dg.AssetCheckSeverity
    blocking: bool
    resource_key: str
    name: str | None
    partitions_def: dg.PartitionsDefinition[str] | None
    op_tags: Mapping[str, Any] | None
    retry_policy: dg.RetryPolicy | None
    pool: str | None


def build_modelkit_checks(
    *,
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str],
    checks: Sequence[ModelKitCheck],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    blocking: bool = False,
    resource_key: str = "kitops",
    name: str | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    op_tags: Mapping[str, Any] | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    pool: str | None = None,
) -> list[dg.AssetChecksDefinition]:
    """Return asset checks that ask ``checks`` of the newest ModelKit of each of ``assets``.

    All of them run in one step over one client, and can be selected one by one.

    Args:
        assets: What is checked.
        checks: What is asked: those of :mod:`dagster_kitops.checks.modelkit_checks`, or your own.
        severity: Of a failed check.  Only ``ERROR`` blocks.
        blocking: Hold back downstream assets of the same run.  The ModelKit is in its registry already: to stop it
            before, give :func:`modelkit_asset` a ``gate``; to stop its promotion, let the promotion be automatic.
        resource_key: Key of the :class:`KitOpsResource`.
        name: Of the step.
        partitions_def: That of the assets; read from those that are given as definitions.  Each partition's answer is
            kept by itself then.  Without it a green answer for one partition would release all of them to automatic
            promotion.  (Dagster calls partitioned checks a preview, and says so when they are defined.)
        op_tags: Of the step: a queue of ``dagster-celery``, a pod's resources.
        retry_policy: Of the step.
        pool: Of the step.
    """
    partitions = {_key(asset): partitions_def or getattr(asset, "partitions_def", None) for asset in assets}
    asset_keys = list(partitions)
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=key,
            description=check.description,
            blocking=blocking,
            partitions_def=partitions[key],
            metadata={ASKS_LABEL: check.name},
        )
        for key in asset_keys
        for check in checks
    ]
    by_name = {check.name: check for check in checks}
    step = name or clean_name("_".join(["check", *(check.name for check in checks), *asset_keys[0].path]))

    @dg.multi_asset_check(
        specs=specs,
        can_subset=True,
        name=step,
        required_resource_keys={resource_key},
        op_tags=op_tags,
        retry_policy=retry_policy,
        pool=pool,
    )
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterator[Answer]:
        kitops: RegistryAccess = getattr(context.resources, resource_key)
        failures: list[dg.Failure] = []
        for key in asset_keys:
            chosen = [spec for spec in specs if spec.asset_key == key and spec.key in context.selected_asset_check_keys]
            try:
                yield from _asked(context, kitops, chosen, by_name, severity)
            except dg.Failure as failure:
                if failure.allow_retries:
                    raise  # the registry is away: it is for the others as well
                failures.append(failure)  # one that cannot be checked does not hide the others
        for other in failures[1:]:
            context.log.error(other.description)
        if failures:
            raise failures[0]

    return [run_checks]


def _key(asset: dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str) -> dg.AssetKey:
    return dg.AssetKey.from_coercible(asset.key if isinstance(asset, (dg.AssetsDefinition, dg.AssetSpec)) else asset)


def answers(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    recorded: RecordedModelKit,
    checks: Sequence[ModelKitCheck],
    key: dg.AssetKey,
) -> list[dg.AssetCheckResult]:
    """Ask ``checks`` of one ModelKit, in the step that made it."""
    checked = CheckedModelKit(kitops, recorded)
    return [_result(context, check, key, checked, dg.AssetCheckSeverity.ERROR) for check in checks]


def _asked(
    context: dg.AssetCheckExecutionContext,
    kitops: RegistryAccess,
    specs: Sequence[dg.AssetCheckSpec],
    checks: Mapping[str, ModelKitCheck],
    severity: dg.AssetCheckSeverity,
) -> Iterator[Answer]:
    """Ask the chosen checks of one asset, by name, of the ModelKit that it has."""
    if not specs:
        return
    step = context.op_execution_context
    partition = step.partition_key if step.has_partition_key else None
    key = specs[0].asset_key
    recorded = require_modelkit(context.instance, key, partition=partition, run_id=context.run.run_id)
    require_own_partition(key, recorded, partition)
    checked = CheckedModelKit(kitops, recorded)
    for spec in specs:
        yield from _recorded(_result(step, checks[spec.name], key, checked, severity), spec, recorded, partition)


def _recorded(
    result: dg.AssetCheckResult, spec: dg.AssetCheckSpec, recorded: RecordedModelKit, partition: str | None
) -> Iterator[Answer]:
    """Yield what a check answered, as said of the event that was asked about.

    Dagster would say it of the asset's newest one by now; then a green answer for what this run made would release
    what another run has made meanwhile, and nobody has looked at, to automatic promotion.
    """
    if recorded.storage_id is None:
        yield result  # observed: Dagster ties answers to materializations only
        return
    yield dg.Output(None, output_name=spec.get_python_identifier())
    yield dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=result.passed,
        metadata=result.metadata,
        target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
            storage_id=recorded.storage_id, run_id=recorded.run_id, timestamp=recorded.timestamp
        ),
        severity=result.severity,
        description=result.description,
        blocking=spec.blocking,
        partition=partition if spec.partitions_def is not None else None,
    )


def _result(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    check: ModelKitCheck,
    key: dg.AssetKey,
    checked: CheckedModelKit,
    severity: dg.AssetCheckSeverity,
) -> dg.AssetCheckResult:
    with translated(context):
        finding = check.ask(checked)
    return dg.AssetCheckResult(
        passed=finding.is_passed,
        check_name=check.name,
        asset_key=key,
        severity=severity,
        description=finding.description,
        metadata={
            **finding.metadata,
            "kitops/digest": checked.recorded.digest,
        },  # which one it was is not for a check to say
    )
