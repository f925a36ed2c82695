"""What goes into the ModelKit of a run: the model, its record and card, and what was chosen beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge import kitfile_of_run as kit
from kitops_orchestration.mlflow_bridge.model_card import CARD_NAMES, model_card
from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactEntry, ArtifactStore
from kitops_orchestration.mlflow_bridge.runs.beside_model import linked_prompts, logged_tables
from kitops_orchestration.mlflow_bridge.runs.mlmodel import with_mlmodel
from kitops_orchestration.mlflow_bridge.runs.origin import Origin
from kitops_orchestration.mlflow_bridge.runs.origin_tags import ORIGIN_DIR
from kitops_orchestration.mlflow_bridge.runs.record import RunRecord, to_bytes
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource
from kitops_orchestration.mlflow_bridge.workspace import DatasetChoice, Workspace, chosen, without_traces
from kitops_orchestration.modelkit.kitfile import Kitfile

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Choices:
    """What goes into the ModelKit."""

    name: str | None
    datasets: DatasetChoice
    artifacts: Sequence[str]
    prompts: bool
    tables: bool


def fill(
    workspace: Workspace,
    resolved: ResolvedSource,
    record: RunRecord,
    client: MlflowClient,
    choices: Choices,
    origin: Origin | None = None,
) -> tuple[RunRecord, Kitfile]:
    """Fill the context directory; return the record as it was packed, and the Kitfile.

    ``origin`` is what a restored run was made from, whose ``record`` this is then.

    Raises:
        RunExportError: there is no model at its place, or nothing of what was asked for beside it.
    """
    model_store = ArtifactStore(str(resolved.artifact_uri), tracking_uri=client.tracking_uri)
    files = without_traces(model_store.files())
    if not files:
        raise RunExportError(
            f"{clean_value(resolved.source.text)}: there is no model at {clean_value(str(resolved.artifact_uri))}",
            advice="the artifacts were deleted, or they lie on another machine: export there or through its server",
        )
    model_dir = workspace.add_model(model_store, files)
    record = replace(
        record, model=with_mlmodel(record.model, model_dir), redacted=(*record.redacted, *workspace.redacted)
    )
    record, has_artifacts = _add_artifacts(workspace, resolved, record, client, choices)
    if choices.datasets != "reference":
        inputs = workspace.add_datasets(record.inputs, tracking_uri=client.tracking_uri, choice=choices.datasets)
        record = replace(record, inputs=inputs)
    if choices.tables and (listed := logged_tables(record.tags)):
        record = replace(
            record, tables=_told_before(record.tables, workspace.add_tables(_run_store(resolved, client), listed))
        )
    elif record.tables:
        record = replace(record, tables=())
    found: Sequence[Mapping[str, Any]] = ()
    if choices.prompts and origin is not None:
        found = origin.prompts
    elif choices.prompts:
        found = linked_prompts(client, resolved.run_id, record.model.prompts, record.model.tags)
    paths = workspace.add_prompts(found)
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
        workspace.add_text(kit.CARD_FILE, model_card(record, name=str(title)).encode())
    workspace.add_text(kit.RUN_FILE, to_bytes(record.to_json()))
    if record.history_to_json():
        workspace.add_text(kit.HISTORY_FILE, to_bytes(record.history_to_json()))
    return record, kitfile


def _add_artifacts(
    workspace: Workspace, resolved: ResolvedSource, record: RunRecord, client: MlflowClient, choices: Choices
) -> tuple[RunRecord, bool]:
    """Take the chosen files of the run's own artifacts; the record lists all of them with their sizes."""
    if resolved.run_id is None or not choices.artifacts:
        return replace(record, artifacts=()), False
    store = _run_store(resolved, client)
    entries = store.files()
    entries = [entry for entry in entries if not entry.path.startswith(f"{ORIGIN_DIR}/")]
    listed = _told_before(record.artifacts, [{"path": entry.path, "size": entry.size} for entry in entries])
    taken = chosen(entries, choices.artifacts, outside=_legacy_folder(resolved, store.uri))
    if not taken:
        patterns = ", ".join(choices.artifacts)
        raise RunExportError(
            f"no artifact of run {resolved.run_id} matches {patterns}",
            advice="its artifacts are " + (", ".join(entry.path for entry in entries[:20]) or "none"),
        )
    workspace.add_artifacts(store, taken)
    return replace(record, artifacts=listed), True


def _told_before(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """Return the list of a restored run's origin where what is here is a part of it: only what was packed came back."""
    paths = {row["path"] for row in before}
    is_part = all(row["path"] in paths for row in now if "notPacked" not in row)
    return tuple(before if before and is_part else now)


def _run_store(resolved: ResolvedSource, client: MlflowClient) -> ArtifactStore:
    return ArtifactStore(client.get_run(resolved.run_id).info.artifact_uri, tracking_uri=client.tracking_uri)


def _legacy_folder(resolved: ResolvedSource, root: str) -> str | None:
    """Return the model's folder inside the run's artifacts (MLflow 2): it is packed as the model already."""
    uri = str(resolved.artifact_uri)
    return uri.removeprefix(root).strip("/") if uri.startswith(root.rstrip("/") + "/") else None


def _brings_card(files: Sequence[ArtifactEntry]) -> bool:
    return any(entry.path.lower() in CARD_NAMES for entry in files)
