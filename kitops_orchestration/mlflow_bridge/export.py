"""export_run: an MLflow run, logged model or registered version becomes a ModelKit, in one call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.lineage.publish import Endorsement, endorse, require_signer
from kitops_orchestration.mlflow_bridge import kitfile_of_run as kit
from kitops_orchestration.mlflow_bridge.artifacts import META_FILE, ArtifactEntry, ArtifactStore
from kitops_orchestration.mlflow_bridge.mlmodel import with_mlmodel
from kitops_orchestration.mlflow_bridge.model_card import CARD_NAMES, model_card
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri, is_plain
from kitops_orchestration.mlflow_bridge.record import RunRecord, to_bytes
from kitops_orchestration.mlflow_bridge.redaction import DEFAULT_PATTERNS
from kitops_orchestration.mlflow_bridge.session import connect
from kitops_orchestration.mlflow_bridge.snapshot import History, linked_prompts, read_run
from kitops_orchestration.mlflow_bridge.source import ResolvedSource, parse_source, resolve, tracking_uri_of
from kitops_orchestration.mlflow_bridge.staging import Staging, chosen, export_scratch, without_meta
from kitops_orchestration.mlflow_bridge.write_back import WriteBack
from kitops_orchestration.mlflow_bridge.write_back import write_back as tag_in_mlflow
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.manifest_profile import created_from
from kitops_orchestration.modelkit.pack import PackResult, pack
from kitops_orchestration.oci.descriptor import EMPTY, Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.lineage.dependencies import Dependency
    from kitops_orchestration.lineage.run_context import RunContext
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
            "is_exported": self.is_exported,
            "run_id": self.source.run_id,
            "model_id": self.source.model_id,
            "registered_model": self.source.registered_name,
            "registered_version": self.source.registered_version,
            "size_bytes": self.pack.size_bytes,
            "uploaded_bytes": self.pack.uploaded_bytes,
            "provenance": str(self.provenance.descriptor.digest) if self.provenance else None,
            "tagged": list(self.write_back.written) if self.write_back else None,
            "warnings": list(self.warnings),
        }
        return {key: item for key, item in value.items() if item is not None}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What did not go wholly right after the push: tags that MLflow did not take, remarks of the packing."""
        return (*self.pack.warnings, *(self.write_back.warnings if self.write_back else ()))


@dataclass(frozen=True, slots=True)
class _Choices:
    """What goes into the ModelKit."""

    name: str | None
    datasets: Literal["reference", "copy"]
    artifacts: Sequence[str]
    prompts: bool


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is said of the ModelKit before a tag points at it."""

    is_attached: bool
    run_context: RunContext | None
    parameters: Mapping[str, Any]
    dependencies: Sequence[Dependency]
    signer: Signer | None
    is_signed: bool

    def add(self, repository: Repository, packed: PackResult, record: RunRecord) -> Endorsement:
        """Attach the provenance of the run, and sign, as far as it is wanted."""
        from kitops_orchestration.lineage.provenance import provenance
        from kitops_orchestration.mlflow_bridge.source_run import source_run

        statement = None
        if self.is_attached:
            statement = provenance(
                packed,
                self.run_context,
                source_run(record),
                parameters=self.parameters,
                dependencies=self.dependencies,
            )
        return endorse(repository, packed, statement, signer=self.signer, sign=self.is_signed)


def export_run(
    source: str,
    repository: Repository,
    *,
    tag: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    name: str | None = None,
    model_name: str | None = None,
    datasets: Literal["reference", "copy"] = "reference",
    history: History = "summary",
    artifacts: Sequence[str] = (),
    prompts: bool = True,
    redact: Sequence[str] = DEFAULT_PATTERNS,
    require_finished: bool = True,
    write_back: bool = True,
    attach_lineage: bool = True,
    run_context: RunContext | None = None,
    parameters: Mapping[str, Any] = EMPTY,
    dependencies: Sequence[Dependency] = (),
    signer: Signer | None = None,
    sign: bool = False,
    extra_tags: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
    scratch_dir: Path | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> ExportResult:
    """Export what ``source`` names (see :func:`parse_source`) into ``repository``.

    The model directory goes in untouched, beside it the run record, a model card where there is none, prompts,
    ``artifacts`` (patterns over the run's artifact paths; none by default) and, with ``datasets="copy"``, the data.
    A local store is read in place; a remote one is downloaded once into scratch (below ``scratch_dir``, else the
    system's folder) that is removed in every case.  The same run gives the same digest.

    The provenance names the run, ``run_context``, and what only the caller knows (``parameters``, ``dependencies``).
    With ``signer`` it is signed, with ``sign`` the ModelKit is, too.  Tags move last, when all of it is there.

    Raises:
        RunExportError: not found, several models (listed), not finished, or MLflow refuses.
        TrackingUnavailableError: MLflow does not answer.
        MissingExtraError: MLflow, or the part of it that this source needs, is not installed.
        RegistryError: the push failed; nothing is tagged then.
        SignatureError: ``sign`` without a ``signer``.
    """
    require_signer(repository, signer, sign=sign)
    evidence = _Evidence(attach_lineage, run_context, parameters, dependencies, signer, sign)
    parsed = parse_source(source)
    client = connect(tracking_uri_of(parsed, tracking_uri), registry_uri)
    resolved = resolve(parsed, client, model_name=model_name)
    record = read_run(
        resolved,
        client,
        history=history,
        require_finished=require_finished and resolved.modelkit_uri is None,
        patterns=redact,
        concurrency=limits.concurrency,
    )
    if resolved.modelkit_uri is not None:
        return _report_existing(resolved, record, repository, evidence)
    made: list[Endorsement] = []
    with export_scratch(scratch_dir) as scratch:
        staging = Staging(scratch / "context", limits.concurrency, progress, cancel)
        staging.context_dir.mkdir()
        record, kitfile = _stage(staging, resolved, record, client, _Choices(name, datasets, artifacts, prompts))
        packed = pack(
            staging.context_dir,
            repository,
            tag=tag,
            extra_tags=extra_tags,
            kitfile=kitfile,
            grafts=staging.grafts,
            exclude=(f"/{kit.MODEL_DIR}/{META_FILE}",),
            annotations={**created_from(_end_seconds(record)), **(annotations or {})},
            before_tag=lambda packed: made.append(evidence.add(repository, packed, record)),
            limits=limits,
            progress=progress,
            cancel=cancel,
        )
    (endorsement,) = made
    plain = is_plain(repository)
    tagged = tag_in_mlflow(resolved, packed.reference, client, plain_http=plain) if write_back else None
    return ExportResult(packed, record, resolved, endorsement.provenance, tagged, signature=endorsement.signature)


def _stage(
    staging: Staging, resolved: ResolvedSource, record: RunRecord, client: MlflowClient, choices: _Choices
) -> tuple[RunRecord, Kitfile]:
    """Fill the context directory; return the record as it was packed, and the Kitfile."""
    model_store = ArtifactStore(str(resolved.artifact_uri), tracking_uri=client.tracking_uri)
    files = without_meta(model_store.files())
    if not files:
        raise RunExportError(
            f"{resolved.source.text}: there is no model at {resolved.artifact_uri}",
            advice="the artifacts were deleted, or they lie on another machine: export there or through its server",
        )
    model_dir = staging.add_model(model_store, files)
    record = replace(record, model=with_mlmodel(record.model, model_dir))
    record, has_artifacts = _stage_artifacts(staging, resolved, record, client, choices)
    if choices.datasets == "copy":
        record = replace(record, inputs=staging.add_datasets(record.inputs, tracking_uri=client.tracking_uri))
    found = linked_prompts(client, resolved.run_id, record.model.prompts) if choices.prompts else []
    paths = staging.add_prompts(found)
    record = replace(
        record,
        prompts=tuple({"name": item["name"], "version": item["version"], "uri": item["uri"]} for item in found),
    )
    has_card = not _brings_card(files)
    kitfile = kit.kitfile_of_run(
        record,
        files=files,
        name=choices.name,
        has_card=has_card,
        has_artifacts=has_artifacts,
        prompt_paths=paths,
    )
    if has_card:
        title = kitfile.package.name if kitfile.package else "model"
        staging.add_text(kit.CARD_FILE, model_card(record, name=str(title)).encode())
    staging.add_text(kit.RUN_FILE, to_bytes(record.to_json()))
    if record.history_to_json():
        staging.add_text(kit.HISTORY_FILE, to_bytes(record.history_to_json()))
    return record, kitfile


def _stage_artifacts(
    staging: Staging, resolved: ResolvedSource, record: RunRecord, client: MlflowClient, choices: _Choices
) -> tuple[RunRecord, bool]:
    """Take the chosen files of the run's own artifacts; the record lists all of them with their sizes."""
    if resolved.run_id is None or not choices.artifacts:
        return record, False
    root = client.get_run(resolved.run_id).info.artifact_uri
    store = ArtifactStore(root, tracking_uri=client.tracking_uri)
    entries = store.files()
    listed = tuple({"path": entry.path, "size": entry.size} for entry in entries)
    taken = chosen(entries, choices.artifacts, outside=_legacy_folder(resolved, root))
    if not taken:
        patterns = ", ".join(choices.artifacts)
        raise RunExportError(
            f"no artifact of run {resolved.run_id} matches {patterns}",
            advice="its artifacts are " + (", ".join(entry.path for entry in entries[:20]) or "none"),
        )
    staging.add_artifacts(store, taken)
    return replace(record, artifacts=listed), True


def _legacy_folder(resolved: ResolvedSource, root: str) -> str | None:
    """Return the model's folder inside the run's artifacts (MLflow 2): it is packed as the model already."""
    uri = str(resolved.artifact_uri)
    return uri.removeprefix(root).strip("/") if uri.startswith(root.rstrip("/") + "/") else None


def _end_seconds(record: RunRecord) -> float | None:
    milliseconds = record.run.get("endTime")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else None


def _brings_card(files: Sequence[ArtifactEntry]) -> bool:
    return any(entry.path.lower() in CARD_NAMES for entry in files)


def _report_existing(
    resolved: ResolvedSource, record: RunRecord, repository: Repository, evidence: _Evidence
) -> ExportResult:
    """Return the ModelKit that the registered version already is; at most a signature is added to it."""
    from kitops_orchestration.modelkit.inspect import inspect
    from kitops_orchestration.modelkit.pack import PackedLayer
    from kitops_orchestration.oci.schemes import open_repository

    uri = ModelKitUri.parse(str(resolved.modelkit_uri))
    same = repository.reference == uri.reference.without_target()
    home = repository if same else open_repository(uri.reference, plain_http=uri.plain_http)
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
