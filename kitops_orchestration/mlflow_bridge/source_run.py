"""A run record as the lineage knows runs: what provenance says of the training."""

from __future__ import annotations

from datetime import UTC, datetime

from kitops_orchestration.lineage.statements.dependencies import Dependency, SourceRun, git_source
from kitops_orchestration.mlflow_bridge.kitfile_of_run import RUN_FILE
from kitops_orchestration.mlflow_bridge.plugin import INPUT_DIGEST_TAG, INPUT_REFERENCE_TAG
from kitops_orchestration.mlflow_bridge.runs.record import RECORD_MEDIA_TYPE, DatasetRecord, RunRecord, to_bytes
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing.statement import ResourceDescriptor

_MOST_REQUIREMENTS = 32 * 1024


def source_run(record: RunRecord) -> SourceRun:
    """Return the run with its data, code, base model and environment as dependencies."""
    content = to_bytes(record.to_json())
    run_file = ResourceDescriptor(RUN_FILE, digest={"sha256": Digest.of(content).hex}, media_type=RECORD_MEDIA_TYPE)
    return SourceRun(
        "mlflow-run" if record.run_id else "mlflow-model",
        uri=record.uri or (f"models:/{record.model.model_id}" if record.model.model_id else None),
        url=record.page_url,
        name=record.run.get("name"),
        parameters=record.params,
        metrics={key: metric.stated for key, metric in record.metrics.items()},
        dependencies=tuple(_dependencies(record)),
        byproducts=(run_file,),
        started_on=_time(record.run.get("startTime")),
        finished_on=_time(record.run.get("endTime")),
        user=record.run.get("user"),
        packages={"mlflow": record.model.mlflow_version} if record.model.mlflow_version else {},
    )


def _dependencies(record: RunRecord) -> list[Dependency]:
    found = [_dataset(item) for item in record.inputs]
    source = record.run.get("source", {})
    if record.git_commit:
        found.append(
            git_source(
                source.get("gitRepoUrl"),
                record.git_commit,
                branch=source.get("gitBranch"),
                is_dirty={"true": True, "false": False}.get(str(source.get("gitDirty")).lower()),
                path=source.get("name"),
            )
        )
    if record.tags.get(INPUT_DIGEST_TAG):
        digest = Digest(record.tags[INPUT_DIGEST_TAG])
        reference = record.tags.get(INPUT_REFERENCE_TAG)
        uri = f"oci://{reference}" if reference else None
        found.append(Dependency("base-model", reference, uri, {digest.algorithm: digest.hex}))
    found += [Dependency("base-model", model_id, f"models:/{model_id}") for model_id in record.model_inputs]
    if record.model.requirements:
        text = ("\n".join(record.model.requirements) + "\n").encode()
        # Few lines travel along: so a bill of materials names the libraries without fetching a layer.
        carried = text if len(text) <= _MOST_REQUIREMENTS else None
        named = {"sha256": Digest.of(text).hex}
        found.append(Dependency("environment", "requirements.txt", digest=named, content=carried))
    return found


def _dataset(item: DatasetRecord) -> Dependency:
    facts = {
        "context": item.context,
        "mlflow_digest": item.digest,
        "source_type": item.source_type,
        "rows": item.profile.get("num_rows") if isinstance(item.profile, dict) else None,
    }
    # Data that could not be read still has a name of its own: MLflow's, which is no identity and says so.
    uri = item.uri or f"mlflow-dataset:{item.name}#{item.digest}"
    return Dependency(
        "dataset",
        item.name,
        uri,
        {"sha256": item.sha256} if item.sha256 else {},
        {key: value for key, value in facts.items() if value is not None},
    )


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
