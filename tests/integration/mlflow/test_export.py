"""export_run from a local store: what goes in, what stays as it was, and the same digest every time."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import math
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelOutput

from kitops_orchestration.errors import GateRefusedError, RunExportError, SignatureError
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.lineage.statements.run_context import RunContext
from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
from kitops_orchestration.modelkit.packing.gate import GateRules
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.progress import ProgressEvent
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.verify import verify
from kitops_orchestration.testing import assert_valid


def layer_of(result: ExportResult, path: str) -> Any:
    return next(layer for layer in result.pack.layers if layer.path == path)


def files_in(repository: LayoutRepository, result: ExportResult, path: str) -> dict[str, bytes]:
    """Names and contents of one layer."""
    with (
        repository.fetch_blob(layer_of(result, path).descriptor) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}


@pytest.fixture
def export(repository: LayoutRepository) -> Callable[..., ExportResult]:
    def run(source: str, **options: Any) -> ExportResult:
        exported = export_run(source, repository, **{"tag": "v1", **options})
        assert_valid(repository, exported.digest)
        return exported

    return run


@pytest.fixture
def run_id(tracking: Any, log_classifier: Any) -> str:
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"C": "1.0", "api_token": "hunter2"})
        mlflow.log_metric("loss", math.nan, step=0)
        mlflow.log_metric("loss", 0.25, step=1)
        mlflow.log_metric("up", math.inf)
        mlflow.set_tags({"mlflow.note.content": "A small classifier", "license": "Apache-2.0"})
        mlflow.log_text("hello", "notes.md")
        mlflow.log_text("a,b", "plots/one.csv")
        log_classifier(registered_model_name="Clf", input_example=np.array([[0.0, 1.0]]))
    return str(run.info.run_id)


def test_a_run_becomes_a_modelkit_with_a_filled_kitfile(
    run_id: str, export: Any, tracking: Any, repository: LayoutRepository
) -> None:
    result = export("models:/Clf/1", tracking_uri=tracking.uri)
    assert repository.resolve("v1").digest == result.digest == result.reference.digest
    kitfile = result.pack.kitfile
    assert (kitfile.package.name, kitfile.package.version) == ("Clf", "1")
    assert (kitfile.package.license, kitfile.package.description) == ("Apache-2.0", "A small classifier")
    assert (kitfile.model.name, kitfile.model.framework, kitfile.model.format) == ("clf", "sklearn", "skops")
    facts = kitfile.model.parameters["mlflow"]
    assert (facts["run_id"], facts["model_id"]) == (run_id, result.source.model_id)
    assert facts["metrics"] == {"loss": 0.25, "up": "Infinity"}
    assert facts["params"] == {"C": "1.0", "api_token": "[redacted]"}
    assert "hunter2" not in json.dumps(result.record.to_json()) + kitfile.to_yaml()


def test_what_a_pack_refuses_is_not_exported(run_id: str, export: Any, repository: LayoutRepository) -> None:
    with mlflow.start_run(run_id=run_id):
        mlflow.log_text("db:\n  password: Tr41n-on-nights!\n", "plots/settings.yaml")

    with pytest.raises(GateRefusedError, match=r"settings\.yaml:2") as raised:
        export(run_id, artifacts=["plots/*"])

    assert "Tr41n" not in str(raised.value)
    assert not repository.directory.exists()
    allowed = GateRules(allow_secret=("*/settings.yaml:2=of the tests",))
    assert export(run_id, artifacts=["plots/*"], gate_rules=allowed).pack.gate.allowed[0].reason == "of the tests"


def test_the_model_directory_goes_in_untouched_and_is_not_written_to(
    run_id: str, export: Any, tracking: Any, repository: LayoutRepository, tree_digest: Callable[[Path], str]
) -> None:
    before = tree_digest(tracking.artifact_dir)
    result = export(run_id)
    assert tree_digest(tracking.artifact_dir) == before
    model_dir = tracking.artifact_dir / "models" / result.source.model_id / "artifacts"
    packed = files_in(repository, result, "model")
    assert packed == {f"model/{path.name}": path.read_bytes() for path in model_dir.iterdir()}


def test_the_run_record_and_a_card_are_packed_beside_the_model(
    run_id: str, export: Any, repository: LayoutRepository
) -> None:
    result = export(run_id)
    record = json.loads(files_in(repository, result, "mlflow")["mlflow/run.json"])
    assert record == json.loads(json.dumps(result.record.to_json()))
    assert record["metrics"]["loss"] | {"timestamp": 0} == {
        "last": 0.25, "step": 1, "timestamp": 0, "min": 0.25, "max": 0.25, "count": 2,
        "basis": "run", "runId": result.record.run_id,
    }  # fmt: skip
    assert record["model"]["signature"]["inputs"]
    assert "scikit-learn" in record["model"]["requirements"]
    card = files_in(repository, result, "docs/MODEL_CARD.md")["docs/MODEL_CARD.md"].decode()
    assert "A small classifier" in card
    assert "hunter2" not in card


def test_the_same_run_gives_the_same_digest_whoever_loaded_it_between(run_id: str, export: Any, tracking: Any) -> None:
    first = export(run_id)
    assert first.write_back is not None
    assert first.write_back.warnings == ()
    mlflow.sklearn.load_model("models:/Clf/1")
    mlflow.pyfunc.load_model(f"models:/{first.source.model_id}")
    tracking.client.set_registered_model_alias("Clf", "champion", 1)
    again = export(run_id, tag="again")
    assert again.digest == first.digest
    assert again.pack.uploaded_layers == 0


def test_the_same_version_gives_the_same_digest_by_alias_and_number(run_id: str, export: Any, tracking: Any) -> None:
    tracking.client.set_registered_model_alias("Clf", "champion", 1)
    assert export("models:/Clf@champion").digest == export("models:/Clf/1").digest


def test_reference_and_digest_are_written_back(run_id: str, export: Any, tracking: Any) -> None:
    result = export(run_id)
    digest = str(result.digest)
    version = tracking.client.get_model_version("Clf", "1")
    places = (
        tracking.client.get_run(run_id).data.tags,
        tracking.client.get_logged_model(result.source.model_id).tags,
        version.tags,
    )
    for tags in places:
        assert tags["kitops.modelkit.digest"] == digest
        assert tags["kitops.modelkit.ref"] == str(result.reference)
        assert tags["kitops.modelkit.uri"].endswith(f"models/clf@{digest}")
        assert tags["kitops.modelkit.pushed_at"].endswith("Z")


def test_chosen_artifacts_go_in_and_others_stay(run_id: str, export: Any, repository: LayoutRepository) -> None:
    result = export(run_id, artifacts=["plots/*"])
    assert files_in(repository, result, "artifacts") == {"artifacts/plots/one.csv": b"a,b"}
    assert [item["path"] for item in result.record.artifacts] == ["notes.md", "plots/one.csv"]
    with pytest.raises(RunExportError, match=r"matches \*\.png") as refusal:
        export(run_id, artifacts=["*.png"])
    assert "notes.md" in str(refusal.value.advice)


def test_datasets_are_copied_on_request(
    tracking: Any, log_classifier: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    frame.to_csv(tmp_path / "train.csv", index=False)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, source=str(tmp_path / "train.csv"), name="train"), "training")
        log_classifier()
    by_reference = export(run.info.run_id)
    assert by_reference.pack.kitfile.datasets == ()
    result = export(run.info.run_id, datasets="copy")
    assert files_in(repository, result, "datasets/train") == {
        "datasets/train/train.csv": (tmp_path / "train.csv").read_bytes()
    }
    assert result.record.inputs[0].path == "datasets/train"
    assert result.record.inputs[0].sha256 == by_reference.record.inputs[0].sha256


def test_a_dataset_logged_twice_is_copied_once(
    tracking: Any, log_classifier: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    frames = [pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [9.0, 2.0]})]
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    with mlflow.start_run() as run:
        for frame, path in zip(frames, paths, strict=True):
            frame.to_csv(path, index=False)
            dataset = mlflow.data.from_pandas(frame, source=str(path), name="same name!")
            mlflow.log_input(dataset, "training")
        mlflow.log_input(dataset, "validation")
        log_classifier()
    result = export(run.info.run_id, datasets="copy")
    folders = [item.path for item in result.pack.kitfile.datasets]
    assert len(set(folders)) == len(folders) == 2
    assert "datasets/same_name_" in folders
    contents = {name: content for path in folders for name, content in files_in(repository, result, path).items()}
    assert sorted(contents.values()) == sorted(path.read_bytes() for path in paths)
    assert {item.sha256 for item in result.record.inputs} == {
        hashlib.sha256(item).hexdigest() for item in contents.values()
    }


def test_a_dataset_behind_http_is_copied(
    tracking: Any, log_classifier: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "train.csv").write_text("a\n1.0\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{web.server_address[1]}"
        ids = []
        for name in ("train.csv", "missing.csv"):
            with mlflow.start_run() as run:
                frame = pd.DataFrame({"a": [1.0]})
                mlflow.log_input(mlflow.data.from_pandas(frame, source=f"{base}/{name}", name=name), "training")
                log_classifier()
            ids.append(run.info.run_id)
        result = export(ids[0], datasets="copy")
        with pytest.raises(RunExportError, match="404"):
            export(ids[1], datasets="copy")
        web.shutdown()
    assert files_in(repository, result, "datasets/train.csv") == {"datasets/train.csv/train.csv": b"a\n1.0\n"}
    assert result.record.inputs[0].sha256 == hashlib.sha256(b"a\n1.0\n").hexdigest()


def test_a_dataset_that_cannot_be_copied_is_an_error(tracking: Any, log_classifier: Any, export: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), name="made"), "training")
        log_classifier()
    with pytest.raises(RunExportError, match="'made'"):
        export(run.info.run_id, datasets="copy")


def test_of_several_datasets_those_that_can_be_are_copied_and_the_others_say_why(
    tracking: Any, log_classifier: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"a": [1.0]})
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.to_csv(tmp_path / "gone.csv", index=False)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, source=str(tmp_path / "train.csv"), name="train"), "training")
        mlflow.log_input(mlflow.data.from_pandas(frame, source=str(tmp_path / "gone.csv"), name="gone"), "validation")
        mlflow.log_input(mlflow.data.from_pandas(frame, name="made"), "testing")
        log_classifier()
    (tmp_path / "gone.csv").unlink()
    result = export(run.info.run_id, datasets="copy")
    assert files_in(repository, result, "datasets/train") == {
        "datasets/train/train.csv": (tmp_path / "train.csv").read_bytes()
    }
    reasons = {item.name: item.not_copied for item in result.record.inputs}
    assert reasons["train"] is None
    assert "gone.csv" in reasons["gone"]
    assert "has no file to copy" in reasons["made"]
    assert sum("stays a reference" in warning for warning in result.warnings) == 2
    assert [item.name for item in result.pack.kitfile.datasets] == ["train"]


@pytest.mark.parametrize("logged_as", ["model", "clf"])
def test_a_run_is_called_as_its_model_is_registered(
    logged_as: str, tracking: Any, log_classifier: Any, export: Any
) -> None:
    with mlflow.start_run() as run:
        mlflow.set_tag("mlflow.user", "root")
        info = log_classifier(logged_as, registered_model_name="wine")
    by_run, by_model = export(run.info.run_id), export(f"models:/{info.model_id}")
    package = by_run.pack.kitfile.package
    assert (package.name, package.version, package.authors) == ("wine", "1", ())
    assert by_run.digest == by_model.digest == export("models:/wine/1").digest
    assert by_run.record.registered["name"] == "wine"
    mlflow.register_model(f"models:/{info.model_id}", "later")
    mlflow.register_model(f"models:/{info.model_id}", "wine")
    assert export(run.info.run_id).digest == by_run.digest


def test_a_run_without_a_registered_model_is_called_by_its_experiment_where_the_model_has_no_name(
    tracking: Any, log_classifier: Any, export: Any
) -> None:
    with mlflow.start_run() as run:
        mlflow.set_tag("mlflow.user", "ada")
        log_classifier("model")
    package = export(run.info.run_id).pack.kitfile.package
    assert (package.name, package.authors) == ("demo", ("ada",))


def test_the_full_history_is_a_file_of_its_own(run_id: str, export: Any, repository: LayoutRepository) -> None:
    files = files_in(repository, export(run_id, history="full"), "mlflow")
    points = json.loads(files["mlflow/metrics.json"])["loss"]
    assert [(step, value) for step, value, _ in points] == [(0, "NaN"), (1, 0.25)]


def test_prompts_of_the_run_go_in(tracking: Any, log_classifier: Any, export: Any, repository: Any) -> None:
    prompt = mlflow.genai.register_prompt("greet", "Hello {{name}}")
    with mlflow.start_run() as run:
        log_classifier()
        tracking.client.link_prompt_version_to_run(run.info.run_id, prompt)
    result = export(run.info.run_id)
    (prompt_file,) = result.pack.kitfile.prompts
    assert prompt_file.path == "prompts/greet.v1.json"
    assert json.loads(files_in(repository, result, prompt_file.path)[prompt_file.path])["template"] == "Hello {{name}}"


def test_the_layout_of_mlflow_2_is_exported_without_packing_the_model_twice(
    tracking: Any, classifier: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    mlflow.sklearn.save_model(classifier, str(tmp_path / "saved"), pip_requirements=["scikit-learn"])
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "saved"), "model")
        mlflow.log_text("hello", "notes.md")
    result = export(run.info.run_id, artifacts=["*"])
    assert "model/MLmodel" in files_in(repository, result, "model")
    assert set(files_in(repository, result, "artifacts")) == {"artifacts/notes.md"}


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [value * 2 for value in model_input]


def test_a_python_model_with_code_and_a_large_file_is_packed_whole(
    tracking: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 4096 * 8)
    (tmp_path / "mylib.py").write_text("FACTOR = 2\n")
    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(
            name="doubler",
            python_model=Doubler(),
            artifacts={"weights": str(tmp_path / "weights.bin")},
            code_paths=[str(tmp_path / "mylib.py")],
            pip_requirements=["mlflow"],
        )
    result = export(run.info.run_id)
    packed = files_in(repository, result, "model")
    assert packed["model/artifacts/weights.bin"] == (tmp_path / "weights.bin").read_bytes()
    assert packed["model/code/mylib.py"] == b"FACTOR = 2\n"
    assert (result.pack.kitfile.model.framework, result.pack.kitfile.model.format) == ("python_function", "cloudpickle")


def test_a_large_local_model_is_never_copied(
    tracking: Any, export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    with (weights / "model.safetensors").open("wb") as stream:
        stream.truncate(64 * 1024 * 1024)
    model = tracking.client.create_logged_model(tracking.experiment_id, name="large")
    tracking.client.log_model_artifacts(model.model_id, str(weights))
    tracking.client.finalize_logged_model(model.model_id, "READY")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    most = 0

    def watch(event: ProgressEvent) -> None:
        nonlocal most
        most = max(most, sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()))

    result = export(f"models:/{model.model_id}", progress=watch)
    assert result.pack.kitfile.model.format == "safetensors"
    assert result.pack.size_bytes > 64 * 1024 * 1024
    assert 0 < most < 1024 * 1024


def test_the_command_line_exports_a_large_model_in_little_memory(tracking: Any, tmp_path: Path) -> None:
    """MLflow as a whole takes more than this by its imports alone: ``kitctl`` imports it without data frames."""
    client = tracking.client
    run = client.create_run(tracking.experiment_id)
    model = client.create_logged_model(tracking.experiment_id, name="large", source_run_id=run.info.run_id)
    folder = tracking.artifact_dir / "models" / model.model_id / "artifacts"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  python_function: {loader_module: none}\n")
    with (folder / "weights.bin").open("wb") as weights:
        weights.truncate(2**30)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    client.set_terminated(run.info.run_id)
    code = f"""
import atexit, pathlib, sys
from kitops_orchestration.cli.main import main
@atexit.register
def report():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
main(["export-run", "{run.info.run_id}", "-t", "file://{tmp_path}/models/large:v1", "--tracking-uri", "{tracking.uri}"])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("exported  file://")
    assert int(done.stderr.splitlines()[-1]) / 1024 < 200


def test_the_end_of_the_run_says_when_the_modelkit_was_made(run_id: str, export: Any, tracking: Any) -> None:
    ended = tracking.client.get_run(run_id).info.end_time // 1000

    created = export(run_id).pack.manifest.annotations["org.opencontainers.image.created"]

    assert datetime.fromisoformat(created).timestamp() == ended


def test_files_that_a_context_would_hide_stay_in_the_model(
    tracking: Any, export: Any, repository: LayoutRepository, tmp_path: Path
) -> None:
    names = {"MLmodel", ".kitignore", "Kitfile", "nested/registered_model_meta", ".hidden", "a b/ü.txt"}
    for name in names:
        (tmp_path / "weights" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "weights" / name).write_text("{}" if name == "MLmodel" else "*\n")
    model = tracking.client.create_logged_model(tracking.experiment_id, name="odd")
    tracking.client.log_model_artifacts(model.model_id, str(tmp_path / "weights"))
    tracking.client.finalize_logged_model(model.model_id, "READY")
    result = export(f"models:/{model.model_id}")
    assert set(files_in(repository, result, "model")) == {f"model/{name}" for name in names}


@pytest.mark.parametrize("has_a_password", [False, True])  # then texts are packed without it, file by file
def test_what_using_a_model_leaves_in_its_folder_is_no_part_of_it(
    tracking: Any, export: Any, repository: LayoutRepository, tmp_path: Path, has_a_password: bool
) -> None:
    code = tmp_path / "weights" / "code"
    code.mkdir(parents=True)
    (tmp_path / "weights" / "MLmodel").write_text("{}")
    (code / "adding.py").write_text("more = 1\n")
    if has_a_password:
        (tmp_path / "weights" / "requirements.txt").write_text(
            "--index-url https://me:hunter2hunter2@x.example/simple\n"
        )
    model = tracking.client.create_logged_model(tracking.experiment_id, name="coded")
    tracking.client.log_model_artifacts(model.model_id, str(tmp_path / "weights"))
    tracking.client.finalize_logged_model(model.model_id, "READY")
    before = export(f"models:/{model.model_id}")
    (kept,) = (path.parent for path in tracking.artifact_dir.rglob("adding.py"))
    for folder in (kept / "__pycache__", kept.parent / "__pycache__"):
        folder.mkdir()
        (folder / "adding.cpython-311.pyc").write_bytes(b"of this machine")
    assert export(f"models:/{model.model_id}").digest == before.digest
    assert "model/code/adding.py" in files_in(repository, before, "model")


def test_a_model_whose_files_are_gone_is_said_so_and_nothing_is_pushed(
    run_id: str, export: Any, tracking: Any, repository: LayoutRepository
) -> None:
    shutil.rmtree(tracking.artifact_dir / "models")
    with pytest.raises(RunExportError, match="there is no model at"):
        export(run_id)
    assert tags_if_there(repository) == []


def test_no_scratch_is_left_behind(run_id: str, export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    export(run_id)
    with pytest.raises(RunExportError):
        export(run_id, artifacts=["nothing*"])
    assert list(scratch.iterdir()) == []


def test_provenance_is_attached_to_the_digest(run_id: str, export: Any, repository: LayoutRepository) -> None:
    context = RunContext(orchestrator="airflow", job="train", task="export", run_id="manual-1")
    result = export(run_id, run_context=context)
    assert result.provenance is not None
    assert result.provenance.is_new
    (evidence,) = load_evidence(repository, result.digest)
    predicate = evidence.statement.predicate
    assert predicate["buildDefinition"]["externalParameters"]["source"]["uri"].endswith(f"runs/{run_id}")
    roles = {item["annotations"]["role"] for item in predicate["buildDefinition"]["resolvedDependencies"]}
    assert "environment" in roles
    assert predicate["runDetails"]["metadata"]["startedOn"]


def test_the_tag_moves_after_the_evidence_is_there(run_id: str, repository: LayoutRepository) -> None:
    seen: list[int] = []

    class Watched(LayoutRepository):
        def set_tag(self, tag: str, descriptor: Descriptor) -> None:
            seen.append(len(self.referrers(descriptor.digest)))
            super().set_tag(tag, descriptor)

    result = export_run(run_id, Watched(repository.reference), tag="v1")
    assert seen == [1]
    assert repository.resolve("v1").digest == result.digest
    assert result.reference.tag == "v1"
    assert json.loads(json.dumps(result.to_json()))["provenance"].startswith("sha256:")


def test_a_second_export_of_the_same_run_adds_no_second_provenance(
    run_id: str, export: Any, repository: LayoutRepository
) -> None:
    export(run_id)
    again = export(run_id)
    assert again.provenance is not None
    assert not again.provenance.is_new
    assert len(repository.referrers(again.digest)) == 1


def test_a_model_without_a_run_is_exported(tracking: Any, export: Any, repository: Any, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "weights.gguf").write_bytes(b"GGUF" + bytes(100))
    model = tracking.client.create_logged_model(tracking.experiment_id, name="llm")
    tracking.client.log_model_artifacts(model.model_id, str(weights))
    tracking.client.finalize_logged_model(model.model_id, "READY")
    result = export(f"models:/{model.model_id}")
    assert result.record.run_id is None
    assert (result.pack.kitfile.model.name, result.pack.kitfile.model.format) == ("llm", "gguf")
    assert "model/weights.gguf" in files_in(repository, result, "model")


def test_a_version_that_is_a_modelkit_already_is_reported_and_not_exported(
    run_id: str, export: Any, tracking: Any, repository: LayoutRepository
) -> None:
    first = export(run_id)
    assert first.is_exported
    version = tracking.client.create_model_version("Clf", f"modelkit-{first.reference}")
    tags = list(repository.tags())
    result = export(f"models:/Clf/{version.version}", tag="v2")
    assert not result.is_exported
    assert result.digest == first.digest
    assert "already is a ModelKit" in result.warnings[0]
    assert list(repository.tags()) == tags


def test_a_signed_export_is_signed_before_its_tags_move(run_id, repository, monkeypatch) -> None:
    order: list[str] = []

    class Watched(LayoutRepository):
        def push_manifest(self, node: Any, *, tag: str | None = None) -> Descriptor:
            order.append(tag or ("evidence" if node.subject else "manifest"))
            return super().push_manifest(node, tag=tag)

        def set_tag(self, tag: str, descriptor: Descriptor) -> None:
            order.append(tag)
            super().set_tag(tag, descriptor)

    watched, signer = Watched(repository.reference), generate_key_pair().signer
    result = export_run(run_id, watched, tag="v1", extra_tags=["stable"], signer=signer, sign=True)

    assert order[0] == "manifest"
    assert order[-2:] == ["v1", "stable"]
    assert {"v1", "stable"}.isdisjoint(order[:-2])
    assert verify(repository, "v1", key=signer.public_key).is_verified
    assert result.signature is not None
    assert result.provenance is not None


def test_signing_without_a_key_exports_nothing(run_id, repository) -> None:
    with pytest.raises(SignatureError, match="no key"):
        export_run(run_id, repository, tag="v1", sign=True)
    assert tags_if_there(repository) == []


def test_annotations_and_what_the_caller_knows_are_kept(export, run_id, repository) -> None:
    result = export(run_id, annotations={"org.example.team": "blue"}, parameters={"pipeline": {"step": "nightly"}})
    (said,) = load_evidence(repository, "v1")
    parameters = said.statement.predicate["buildDefinition"]["externalParameters"]["parameters"]
    assert result.pack.manifest.annotations["org.example.team"] == "blue"
    assert parameters["pipeline"] == {"step": "nightly"}
    assert parameters["C"] == "1.0"


def test_scratch_that_cannot_be_made_is_one_error_with_what_to_do(export, run_id, repository, tmp_path) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(RunExportError, match=r"scratch folder in .*a-file") as caught:
        export(run_id, scratch_dir=tmp_path / "a-file")
    assert "free some space" in caught.value.advice
    assert tags_if_there(repository) == []
