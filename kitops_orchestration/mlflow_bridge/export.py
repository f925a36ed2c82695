"""export_run: an MLflow run, logged model or registered version becomes a ModelKit, in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.lineage.publish import Endorsement, endorse, signs
from kitops_orchestration.mlflow_bridge import kitfile_of_run as kit
from kitops_orchestration.mlflow_bridge.best.candidates import choose_best
from kitops_orchestration.mlflow_bridge.best.choice import BEST_PARAMETER, BestChoice, best_query
from kitops_orchestration.mlflow_bridge.content import Choices, fill
from kitops_orchestration.mlflow_bridge.kitfile_parameters import facts_of_kitfile
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri, is_plain
from kitops_orchestration.mlflow_bridge.runs.beside_model import REGISTRY_PARAMETER, registry_state
from kitops_orchestration.mlflow_bridge.runs.metric_points import History
from kitops_orchestration.mlflow_bridge.runs.origin import RESTORED_PARAMETER, origin_of, restored_facts
from kitops_orchestration.mlflow_bridge.runs.record import RunRecord
from kitops_orchestration.mlflow_bridge.runs.redaction import DEFAULT_PATTERNS
from kitops_orchestration.mlflow_bridge.runs.registration import with_registration
from kitops_orchestration.mlflow_bridge.runs.session import connect
from kitops_orchestration.mlflow_bridge.runs.snapshot import read_run
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource, parse_source, resolve, tracking_uri_of
from kitops_orchestration.mlflow_bridge.workspace import LEFT_BY_LOADING, DatasetChoice, Workspace, export_scratch
from kitops_orchestration.mlflow_bridge.write_back import WriteBack
from kitops_orchestration.mlflow_bridge.write_back import write_back as tag_in_mlflow
from kitops_orchestration.modelkit.pack import PackResult, pack
from kitops_orchestration.modelkit.packing.gate import GateRules
from kitops_orchestration.modelkit.packing.manifest_profile import created_from
from kitops_orchestration.oci.descriptor import EMPTY, Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.schemes import opener_beside
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import now

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.lineage.statements.dependencies import Dependency
    from kitops_orchestration.lineage.statements.run_context import RunContext
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.sign import SignResult


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A run as a ModelKit."""

    pack: PackResult
    record: RunRecord
    source: ResolvedSource
    provenance: Attached | None = None
    write_back: WriteBack | None = None
    is_exported: bool = True
    """False when the registered version already was a ModelKit: ``reference`` is that one, nothing was packed."""
    signature: SignResult | None = None
    best: BestChoice | None = None
    """What was chosen among what, where the source was a choice."""

    @property
    def reference(self) -> Reference:
        """The ModelKit: tag and digest."""
        return self.pack.reference

    @property
    def digest(self) -> Digest:
        """Digest of its manifest."""
        return Digest(self.pack.digest)

    def to_json(self) -> dict[str, Any]:
        """Return the facts that metadata is made of."""
        value = {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "isExported": self.is_exported,
            "runId": self.source.run_id,
            "modelId": self.source.model_id,
            "registeredModel": self.source.registered_name,
            "registeredVersion": self.source.registered_version,
            "sizeBytes": self.pack.size_bytes,
            "uploadedBytes": self.pack.uploaded_bytes,
            "provenance": str(self.provenance.descriptor.digest) if self.provenance else None,
            "tagged": list(self.write_back.written) if self.write_back else None,
            "best": self.best.to_json() if self.best else None,
            "warnings": list(self.warnings),
        }
        return {key: item for key, item in value.items() if item is not None}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Files without their credentials, datasets that stayed references, remarks of packing, tags not taken."""
        cleaned = [item for item in self.record.redacted if item.startswith(f"{kit.MODEL_DIR}/")]
        said = [f"{path} is packed without the credentials in it" for path in cleaned]
        left = [item for item in self.record.inputs if item.not_copied]
        said += [f"dataset {item.name!r} stays a reference: {item.not_copied}" for item in left]
        said += self.best.warnings if self.best else ()
        return (*said, *self.pack.warnings, *(self.write_back.warnings if self.write_back else ()))


BeforeTag = Callable[[ExportResult], None]


def _nothing_to_say(_: ExportResult) -> None:
    """Nobody wants to look at the result before tags move."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is said of the ModelKit before a tag points at it."""

    began_on: datetime
    """When the export began."""
    is_attached: bool
    run_context: RunContext | None
    parameters: Mapping[str, Any]
    dependencies: Sequence[Dependency]
    signer: Signer | None
    is_signed: bool

    def add(self, repository: Repository, packed: PackResult, record: RunRecord) -> Endorsement:
        """Attach the provenance of the run, and sign, as far as it is wanted."""
        from kitops_orchestration.lineage.statements.provenance import provenance
        from kitops_orchestration.mlflow_bridge.source_run import source_run

        statement = None
        if self.is_attached:
            statement = provenance(
                packed,
                self.run_context,
                source_run(record),
                parameters=self.parameters,
                dependencies=self.dependencies,
                packed_between=(self.began_on, now()),
            )
        return endorse(repository, packed, statement, signer=self.signer, sign=self.is_signed)


class ExportRunOptions(TypedDict, total=False):
    """What :func:`export_run` takes by name and a client or an adapter hands through."""

    tracking_uri: str | None
    registry_uri: str | None
    name: str | None
    model_name: str | None
    best: str | None
    best_filter: str | None
    datasets: DatasetChoice
    history: History
    artifacts: Sequence[str]
    prompts: bool
    tables: bool
    redact: Sequence[str]
    require_finished: bool
    write_back: bool
    describe: bool
    attach_lineage: bool
    run_context: RunContext | None
    parameters: Mapping[str, Any]
    dependencies: Sequence[Dependency]
    signer: Signer | None
    sign: bool | None
    before_tag: BeforeTag
    extra_tags: Sequence[str]
    annotations: Mapping[str, str] | None
    scratch_dir: Path | None
    gate_rules: GateRules | Mapping[str, Any]
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def export_run(
    source: str,
    repository: Repository,
    *,
    tag: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    name: str | None = None,
    model_name: str | None = None,
    best: str | None = None,
    best_filter: str | None = None,
    datasets: DatasetChoice = "reference",
    history: History = "summary",
    artifacts: Sequence[str] = (),
    prompts: bool = True,
    tables: bool = True,
    redact: Sequence[str] = DEFAULT_PATTERNS,
    require_finished: bool = True,
    write_back: bool = True,
    describe: bool = True,
    attach_lineage: bool = True,
    run_context: RunContext | None = None,
    parameters: Mapping[str, Any] = EMPTY,
    dependencies: Sequence[Dependency] = (),
    signer: Signer | None = None,
    sign: bool | None = False,
    before_tag: BeforeTag = _nothing_to_say,
    extra_tags: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
    scratch_dir: Path | None = None,
    open_repository: OpenRepository | None = None,
    gate_rules: GateRules | Mapping[str, Any] = GateRules(),
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> ExportResult:
    """Export what ``source`` names (see :func:`parse_source`) into ``repository``.

    With ``best`` (``METRIC[@DATASET][:min|max]``) the source is an experiment (``experiments:/name``), a registered
    model (``models:/name``) or a run with child runs, and the model with the best number is exported; ``best_filter``
    is MLflow's search text over the runs or versions.  ``best:<source>?metric=…&filter=…`` says the same in one text.

    The model directory goes in untouched, beside it the run record, a model card where there is none, prompts, the
    run's ``tables`` (results of evaluations, 16 MiB in all), ``artifacts`` (patterns over the run's artifact paths;
    none by default) and, with ``datasets="copy"``, the data; or the data of some, ``{"train": "copy"}``, where ``"*"``
    is for those that are not named.  A local store is read in place; a remote one is downloaded once into scratch
    (below ``scratch_dir``, else the system's folder) that is removed in every case.  The same run gives the same
    digest.

    The provenance names the run, ``run_context``, and what only the caller knows (``parameters``, ``dependencies``).
    With ``signer`` it is signed, with ``sign`` the ModelKit is, too (``None``: where there is a ``signer``).
    ``before_tag`` is then called with the result as far as it is known; what it raises leaves the tags alone.  Tags
    move last, when all of it is there; then MLflow is told, by tags (``write_back``) and in the descriptions of run,
    model and versions (``describe``).  ``open_repository`` gives the ModelKit that a registered version already is.

    Raises:
        GateRefusedError: the model, or an artifact, holds a secret or is not what it says; nothing was sent.
        RunExportError: not found, several models (listed), not finished, or MLflow refuses.
        TrackingUnavailableError: MLflow does not answer.
        MissingExtraError: MLflow, or the part of it that this source needs, is not installed.
        RegistryError: the push failed; nothing is tagged then.
        SignatureError: ``sign`` without a ``signer``.
    """
    is_signed = signs(repository, signer, sign=sign)
    evidence = _Evidence(now(), attach_lineage, run_context, parameters, dependencies, signer, is_signed)
    query = best_query(source, best, best_filter)
    place = parse_source(source) if query is None else query.source
    client = connect(tracking_uri_of(place, tracking_uri), registry_uri)
    choice = None
    if query is not None:
        choice = choose_best(query, client, require_finished=require_finished, concurrency=limits.concurrency)
        evidence = replace(evidence, parameters={**parameters, BEST_PARAMETER: choice.to_json()})
    parsed = parse_source(choice.chosen.source if choice else source)
    resolved = with_registration(resolve(parsed, client, model_name=model_name), client)
    record = read_run(
        resolved,
        client,
        history=history,
        require_finished=require_finished and resolved.modelkit_uri is None,
        patterns=redact,
        concurrency=limits.concurrency,
    )
    origin = origin_of(client, resolved.run_id, record)
    if origin is not None:
        evidence = replace(evidence, parameters={**evidence.parameters, RESTORED_PARAMETER: restored_facts(record)})
        record = origin.record
    if record.run_id is None:
        resolved = replace(resolved, run_id=None)  # the run is gone for good: nothing more is asked of it
    if resolved.modelkit_uri is not None:
        known = _report_existing(resolved, record, repository, evidence, open_repository or opener_beside(repository))
        before_tag(known)
        return known
    made: list[ExportResult] = []

    def said_before_tag(packed: PackResult) -> None:
        endorsed = _endorsed(repository, packed, record, evidence)
        made.append(
            ExportResult(packed, record, resolved, endorsed.provenance, signature=endorsed.signature, best=choice)
        )
        before_tag(made[0])

    with export_scratch(scratch_dir) as scratch:
        workspace = Workspace(scratch / "context", limits.concurrency, progress, cancel)
        workspace.context_dir.mkdir()
        record, kitfile = fill(
            workspace, resolved, record, client, Choices(name, datasets, artifacts, prompts, tables), origin
        )
        if attach_lineage and (state := registry_state(client, resolved, record.prompts)):
            evidence = replace(evidence, parameters={**evidence.parameters, REGISTRY_PARAMETER: state})
        packed = pack(
            workspace.context_dir,
            repository,
            tag=tag,
            extra_tags=extra_tags,
            kitfile=kitfile,
            grafts=workspace.grafts,
            exclude=LEFT_BY_LOADING,
            annotations={**created_from(_end_seconds(record)), **(annotations or {})},
            gate_rules=gate_rules,
            before_tag=said_before_tag,
            limits=limits,
            progress=progress,
            cancel=cancel,
        )
    (result,) = made
    if not write_back:
        return result
    plain = is_plain(repository)
    tagged = tag_in_mlflow(resolved, packed.reference, client, plain_http=plain, describe=describe)
    return replace(result, write_back=tagged)


def _endorsed(repository: Repository, packed: PackResult, record: RunRecord, evidence: _Evidence) -> Endorsement:
    """Read back what was written, with the limits of any reader, before anything is said of it or a tag moves."""
    from kitops_orchestration.modelkit.inspect import inspect

    found = inspect(repository, Digest(packed.digest))
    if facts_of_kitfile(found.kitfile) != facts_of_kitfile(packed.kitfile):
        raise RunExportError(
            f"{packed.reference}: the Kitfile that was written is not the one that is read",
            advice="report this, with the run's record (mlflow/run.json)",
        )
    return evidence.add(repository, packed, record)


def _end_seconds(record: RunRecord) -> float | None:
    milliseconds = record.run.get("endTime")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def _report_existing(
    resolved: ResolvedSource,
    record: RunRecord,
    repository: Repository,
    evidence: _Evidence,
    open_repository: OpenRepository,
) -> ExportResult:
    """Return the ModelKit that the registered version already is; at most a signature is added to it."""
    from kitops_orchestration.modelkit.inspect import inspect
    from kitops_orchestration.modelkit.pack import PackedLayer

    uri = ModelKitUri.parse(str(resolved.modelkit_uri))
    same = repository.reference == uri.reference.without_target()
    home = repository if same else open_repository(uri.reference)
    found = inspect(home, uri.reference.target)
    packed = PackResult(
        reference=uri.reference.with_digest(found.digest),
        digest=found.digest,
        manifest=found.manifest,
        kitfile=found.kitfile,
        layers=tuple(
            PackedLayer(item.kind, item.path, item.name, item.descriptor, item.diff_id, False) for item in found.layers
        ),
        size_bytes=found.size_bytes,
        uploaded_bytes=0,
        uploaded_layers=0,
        warnings=(f"{resolved.source.text} already is a ModelKit: {resolved.modelkit_uri}",),
    )
    signature = endorse(home, packed, None, signer=evidence.signer, sign=evidence.is_signed).signature
    return ExportResult(packed, record, resolved, is_exported=False, signature=signature)
