"""``modelkit://`` inside MLflow: every form of URI, the cache, the views, who may be reached and who is trusted."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.import_model import import_modelkit
from kitops_orchestration.mlflow_bridge.modelkit_uri import pinned_uri
from kitops_orchestration.modelkit.kitfile import Kitfile, Model
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.signing.keys import generate_key_pair, load_private_key
from kitops_orchestration.signing.sign import sign

ROW = np.array([[3.0, 0.0]])


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def kit(tracking: Any, log_classifier: Any, embedded_registry: Any, tmp_path: Path) -> Iterator[Reference]:
    """A classifier and its data in a registry with a port: ``127.0.0.1:…/team/clf:v1``."""
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    frame.to_csv(tmp_path / "train.csv", index=False)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frame, source=str(tmp_path / "train.csv"), name="train"), "training")
        log_classifier(input_example=ROW)
    repository = open_repository(Reference.parse(f"{embedded_registry.host}/team/clf"))
    return export_run(run.info.run_id, repository, tag="v1", datasets="copy").reference


def by_tag(kit: Reference) -> str:
    return f"modelkit://{kit.name}:{kit.tag}"


def test_a_model_is_loaded_straight_from_a_registry(kit: Reference) -> None:
    assert list(mlflow.pyfunc.load_model(by_tag(kit)).predict(ROW)) == [1]
    assert list(mlflow.sklearn.load_model(by_tag(kit)).predict(ROW)) == [1]


@pytest.mark.parametrize("form", ["digest", "both", "http", "plus", "folder", "trailing"])
def test_every_form_of_uri_loads(form: str, kit: Reference) -> None:
    uri = {
        "digest": f"modelkit://{kit.name}@{kit.digest}",
        "both": f"modelkit://{kit}",
        "http": f"modelkit-http://{kit.name}:v1",
        "plus": f"modelkit+http://{kit.name}:v1",
        "folder": f"{by_tag(kit)}/model",
        "trailing": f"{by_tag(kit)}/",
    }[form]
    assert list(mlflow.sklearn.load_model(uri).predict(ROW)) == [1]


def test_a_folder_registry_is_reached_too(kit: Reference, repository: Any) -> None:
    from kitops_orchestration.oci.copying.graph import copy

    copied = copy(open_repository(kit), "v1", repository, tag="v1")
    uri = f"modelkit-{repository.reference}@{copied.descriptor.digest}"
    assert list(mlflow.sklearn.load_model(uri).predict(ROW)) == [1]


def test_single_files_and_listings_are_relative_to_the_model(kit: Reference, tmp_path: Path) -> None:
    text = mlflow.artifacts.load_text(f"{by_tag(kit)}/MLmodel")
    assert "flavors" in text
    names = [item.path for item in mlflow.artifacts.list_artifacts(by_tag(kit))]
    assert any(name.endswith("model.skops") for name in names)
    root = get_artifact_repository(by_tag(kit))
    assert "MLmodel" in [item.path for item in root.list_artifacts()]
    path = mlflow.artifacts.download_artifacts(f"{by_tag(kit)}/datasets/train/train.csv", dst_path=str(tmp_path))
    assert Path(path).read_text() == "a\n1.0\n2.0\n"


def test_mlmodel_can_be_read_without_loading(kit: Reference) -> None:
    assert mlflow.models.Model.load(by_tag(kit)).flavors["sklearn"]


@pytest.mark.parametrize("uri", ["modelkit://{name}", "modelkit://{name}:v9", "modelkit://{name}:v1/nothing"])
def test_a_uri_that_leads_nowhere_is_an_error_of_mlflow_with_advice(uri: str, kit: Reference) -> None:
    with pytest.raises(MlflowException) as refusal:
        mlflow.sklearn.load_model(uri.format(name=kit.name))
    assert "(" in str(refusal.value)


def test_a_modelkit_is_never_written_to(kit: Reference, tmp_path: Path) -> None:
    root = get_artifact_repository(by_tag(kit))
    (tmp_path / "x").write_text("x")
    for call in (lambda: root.log_artifact(str(tmp_path / "x")), lambda: root.log_artifacts(str(tmp_path)),
                 root.delete_artifacts):  # fmt: skip
        with pytest.raises(MlflowException, match="never changes"):
            call()


def test_a_registered_version_by_reference_loads_by_alias(kit: Reference, tracking: Any) -> None:
    repository = open_repository(kit)
    result = import_modelkit(repository, "v1", registered_model="Imported", aliases=["champion"])
    assert (result.version, result.model_uri) == ("1", "models:/Imported/1")
    version = tracking.client.get_model_version("Imported", "1")
    assert version.source == f"modelkit://{kit.name}@{kit.digest}"
    assert version.tags["kitops.modelkit.digest"] == str(kit.digest)
    assert list(mlflow.sklearn.load_model("models:/Imported@champion").predict(ROW)) == [1]
    assert list(mlflow.pyfunc.load_model("models:/Imported/1").predict(ROW)) == [1]


def test_importing_the_same_digest_again_adds_no_version(kit: Reference, tracking: Any) -> None:
    results = [import_modelkit(open_repository(kit), "v1", registered_model="Imported") for _ in range(2)]
    assert results[0].version == results[1].version == "1"


def test_register_model_takes_the_uri(kit: Reference) -> None:
    version = mlflow.register_model(by_tag(kit), "Direct")
    assert list(mlflow.sklearn.load_model(f"models:/Direct/{version.version}").predict(ROW)) == [1]


def test_a_copy_is_a_logged_model_of_its_own(kit: Reference, tracking: Any) -> None:
    result = import_modelkit(open_repository(kit), "v1", mode="copy", registered_model="Copied", experiment="imports")
    assert result.model_id is not None
    model = tracking.client.get_logged_model(result.model_id)
    assert (model.name, str(model.status)) == ("clf", "READY")
    assert list(mlflow.sklearn.load_model(result.model_uri).predict(ROW)) == [1]
    assert list(mlflow.pyfunc.load_model(f"models:/{result.model_id}").predict(ROW)) == [1]


def test_copying_the_same_digest_again_adds_nothing(kit: Reference, tracking: Any) -> None:
    repository = open_repository(kit.without_target())
    name = "O'Brien's iris"  # a quote means something to MLflow's search
    results = [
        import_modelkit(repository, "v1", registered_model=name, mode="copy", experiment="demo") for _ in range(2)
    ]

    assert results[0] == results[1]
    assert len(tracking.client.search_logged_models([tracking.experiment_id])) == 2  # the one exported, and the copy
    reference = [import_modelkit(repository, "v1", registered_model=name).version for _ in range(2)]
    assert reference[0] == reference[1] != results[0].version


def test_an_alias_needs_a_registered_model(kit: Reference, tracking: Any) -> None:
    repository = open_repository(kit.without_target())
    with pytest.raises(RunExportError, match="aliases belong to a registered model"):
        import_modelkit(repository, "v1", mode="copy", aliases=["champion"])


def test_what_is_in_the_cache_is_not_fetched_again(kit: Reference, embedded_registry: Any) -> None:
    mlflow.sklearn.load_model(by_tag(kit))
    count = len([item for item in embedded_registry.log.all() if "/blobs/" in item.path])
    mlflow.sklearn.load_model(by_tag(kit))
    assert len([item for item in embedded_registry.log.all() if "/blobs/" in item.path]) == count


def test_listing_moves_no_file(embedded_registry: Any, tmp_path: Path) -> None:
    model_dir = tmp_path / "context" / "model"
    (model_dir / "data").mkdir(parents=True)
    (model_dir / "MLmodel").write_text("flavors: {}\n")
    (model_dir / "data" / "weights.bin").write_bytes(bytes(32 * 1024 * 1024))
    (model_dir / "zz.txt").write_text("last")
    repository = open_repository(Reference.parse(f"{embedded_registry.host}/team/large"))
    packed = pack(tmp_path / "context", repository, tag="v1", kitfile=Kitfile("1.0.0", model=Model(path="model")))
    embedded_registry.log.clear()
    root = get_artifact_repository(f"modelkit://{packed.reference}")
    assert [(item.path, item.is_dir, item.file_size) for item in root.list_artifacts()] == [
        ("MLmodel", False, 12), ("data", True, None), ("zz.txt", False, 4),
    ]  # fmt: skip
    assert [item.path for item in root.list_artifacts("data")] == ["data/weights.bin"]
    assert root.list_artifacts("data/weights.bin") == []
    read = sum(record.bytes_sent for record in embedded_registry.log.all() if "/blobs/" in record.path)
    assert read < 16 * 1024 * 1024


def test_a_changed_cache_is_thrown_away(kit: Reference, cache_dir: Path) -> None:
    mlflow.sklearn.load_model(by_tag(kit))
    (file,) = cache_dir.rglob("unpacked/*/content/model/model.skops")
    file.chmod(0o644)
    file.write_bytes(b"tampered")
    assert list(mlflow.sklearn.load_model(by_tag(kit)).predict(ROW)) == [1]


def test_writing_into_a_view_leaves_the_cache_alone(kit: Reference, cache_dir: Path) -> None:
    view = Path(mlflow.artifacts.download_artifacts(by_tag(kit)))
    (view / "registered_model_meta").write_text("model_name: x\n")
    (view / "MLmodel").write_text("broken")
    assert list(mlflow.sklearn.load_model(by_tag(kit)).predict(ROW)) == [1]
    assert not list(cache_dir.rglob("unpacked/*/content/**/registered_model_meta"))


def test_a_server_process_reaches_no_registry_that_nobody_allowed(
    kit: Reference, embedded_registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    before = len(embedded_registry.log.all())
    with pytest.raises(MlflowException, match="may not reach the registry"):
        get_artifact_repository(by_tag(kit)).list_artifacts()
    assert len(embedded_registry.log.all()) == before
    monkeypatch.setenv("KITOPS_MLFLOW_ALLOWED_REGISTRIES", f"other.example, {kit.registry}")
    assert get_artifact_repository(by_tag(kit)).list_artifacts()


def test_a_list_of_registries_binds_every_process(kit: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITOPS_MLFLOW_ALLOWED_REGISTRIES", "registry.example")
    with pytest.raises(MlflowException, match="KITOPS_MLFLOW_ALLOWED_REGISTRIES"):
        mlflow.sklearn.load_model(by_tag(kit))


def test_with_a_trust_policy_only_signed_modelkits_load(
    kit: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_path, public_path = generate_key_pair("pw").write(tmp_path / "release")
    policy = tmp_path / "trust.yaml"
    policy.write_text(
        f"version: 1\nidentities: [{{id: release, keys: [{{publicKey: {public_path.name}}}], roles: [releaser]}}]\n"
    )
    monkeypatch.setenv("KITOPS_MLFLOW_TRUST_POLICY", str(policy))
    with pytest.raises(MlflowException, match="sign"):
        mlflow.sklearn.load_model(by_tag(kit))
    sign(open_repository(kit), "v1", load_private_key(private_path, "pw"))
    assert list(mlflow.sklearn.load_model(by_tag(kit)).predict(ROW)) == [1]


def test_a_dataset_from_a_modelkit_is_traced_to_its_digest(kit: Reference, tracking: Any, log_classifier: Any) -> None:
    uri = f"modelkit://{kit.name}@{kit.digest}/datasets/train/train.csv"
    dataset = mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), source=uri, name="again")
    assert dataset.source._get_source_type() == "modelkit"
    assert Path(dataset.source.load()).read_text() == "a\n1.0\n2.0\n"
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, "training")
        log_classifier()
    result = export_run(run.info.run_id, open_repository(kit), tag="child")
    assert result.record.inputs[0].sha256 == kit.digest.hex
    loaded = mlflow.data.get_source(tracking.client.get_run(run.info.run_id).inputs.dataset_inputs[0])
    assert loaded.uri == uri


def test_runs_are_tagged_with_the_modelkit_they_started_from(
    kit: Reference, tracking: Any, log_classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITOPS_MODELKIT_REF", str(kit.with_tag("v1")))
    monkeypatch.setenv("KITOPS_MODELKIT_DIGEST", str(kit.digest))
    with mlflow.start_run() as run:
        log_classifier()
    assert run.data.tags["kitops.input.digest"] == str(kit.digest)
    result = export_run(run.info.run_id, open_repository(kit), tag="child")
    assert result.record.tags["kitops.input.ref"] == f"{kit.name}:v1"
    from kitops_orchestration.lineage.answers.questions import lineage

    assert str(kit.digest.hex) in str(lineage(open_repository(kit), "child").to_json())


def test_a_version_by_reference_is_accepted_and_loaded_through_a_server(kit: Reference, server: Any) -> None:
    name = f"Imported-{uuid.uuid4().hex[:8]}"
    result = import_modelkit(open_repository(kit), "v1", registered_model=name, aliases=["champion"])
    assert list(mlflow.sklearn.load_model(f"models:/{name}@champion").predict(ROW)) == [1]
    again = import_modelkit(open_repository(kit), "v1", registered_model=name, mode="copy", experiment=name)
    assert (result.version, again.version) == ("1", "2")
    assert list(mlflow.sklearn.load_model(again.model_uri).predict(ROW)) == [1]


def test_the_server_itself_does_not_follow_a_version_to_its_registry(
    kit: Reference, server: Any, embedded_registry: Any
) -> None:
    name = f"Forged-{uuid.uuid4().hex[:8]}"
    import_modelkit(open_repository(kit), "v1", registered_model=name)
    embedded_registry.log.clear()
    answer = requests.get(
        f"{server.uri}/model-versions/get-artifact",
        params={"name": name, "version": "1", "path": "MLmodel"},
        timeout=30,
    )
    assert not answer.ok
    assert "may not reach the registry" in answer.text
    assert embedded_registry.log.all() == []


def test_importing_the_core_imports_no_mlflow() -> None:
    code = (
        "import sys, kitops_orchestration.mlflow_bridge.plugin, kitops_orchestration.client;"
        "sys.exit(any(name.split('.')[0] == 'mlflow' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plugin_brings_nine_small_modules_to_every_import_of_mlflow() -> None:
    """MLflow imports it with itself, for whoever has both installed and uses neither our scheme nor our datasets."""
    code = (
        "import sys, mlflow.data, mlflow.store.artifact.artifact_repo;"
        "print(*(name for name in sys.modules if name.split('.')[0] == 'kitops_orchestration'))"
    )
    found = subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True).split()
    assert {"kitops_orchestration.mlflow_bridge.plugin", "kitops_orchestration.mlflow_bridge.store.dataset_source"} <= {
        *found
    }
    assert len(found) <= 9, found


def test_a_server_takes_the_plain_http_scheme_that_we_write(server: Any) -> None:
    name = f"Plain-{uuid.uuid4().hex[:8]}"
    server.client.create_registered_model(name)
    digest = "sha256:" + "a" * 64
    uri = pinned_uri(Reference.parse(f"registry.example:5000/team/clf@{digest}"), plain_http=True)
    assert server.client.create_model_version(name, uri).source == uri
    with pytest.raises(MlflowException, match="Invalid model version source"):
        server.client.create_model_version(name, uri.replace("modelkit-http", "modelkit+http"))


def test_a_server_that_is_asked_for_a_versions_file_connects_nowhere(
    kit: Reference, server: Any, embedded_registry: Any
) -> None:
    """The source of a version is text of any user; the server itself would go there to answer for a file of it."""
    name = f"led-astray-{uuid.uuid4().hex[:8]}"
    server.client.create_registered_model(name)
    version = server.client.create_model_version(name, source=by_tag(kit))
    assert get_artifact_repository(by_tag(kit)).list_artifacts(), "from here it can be read"
    before = len(embedded_registry.log.all())

    asked = {"name": name, "version": version.version, "path": "MLmodel"}
    answer = requests.get(f"{server.uri}/model-versions/get-artifact", params=asked, timeout=120)

    assert answer.status_code >= 400, answer.content[:200]
    assert len(embedded_registry.log.all()) == before, "the server went where the version's source leads"
