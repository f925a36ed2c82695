"""A restore believes nothing that a ModelKit says of MLflow's own state, and takes back only what it made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.import_model import ImportResult
from kitops_orchestration.mlflow_bridge.kitfile_of_run import RUN_FILE
from kitops_orchestration.mlflow_bridge.restore import renewal
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack

Restore = Callable[..., ImportResult]


@pytest.fixture
def exported(tracking: Any, add_model: Any, repository: Any) -> Any:
    """A registered model with an alias, and a prompt with one, as ``v1`` that nobody signed."""
    client = tracking.client
    run_id = client.create_run(tracking.experiment_id).info.run_id
    model_id = add_model(run_id, "clf", {"loss": 0.1})
    mlflow.genai.register_prompt("ask", "Answer {{question}}")
    mlflow.genai.set_prompt_alias("ask", "live", 1)
    client.link_prompt_version_to_model("ask", "1", model_id)
    client.set_terminated(run_id)
    client.create_registered_model("Clf", tags={"team": "risk"}, description="All of them")
    client.create_model_version("Clf", f"models:/{model_id}", run_id)
    client.set_registered_model_alias("Clf", "champion", 1)
    return export_run("models:/Clf/1", repository, tag="v1")


def refuse(*given: Any, **more: Any) -> None:
    raise MlflowException("the disk is full")


def test_a_restore_that_fails_leaves_what_it_only_found(exported: Any, other: MlflowClient, restore: Restore) -> None:
    first = restore("v1")
    other.set_registered_model_alias("Clf", "in-use", first.version)
    other.set_prompt_alias("ask", "in-use", 1)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(MlflowClient, "get_logged_model", refuse)
        with pytest.raises(RunExportError, match="the disk is full"):
            restore("v1")
    assert str(other.get_model_version_by_alias("Clf", "in-use").version) == first.version
    assert other.get_prompt_version_by_alias("ask", "in-use").version == 1
    assert other.get_run(first.run_id).info.lifecycle_stage == "active"
    again = restore("v1")
    assert (again.run_id, again.model_id, again.version) == (first.run_id, first.model_id, first.version)


def test_a_restore_that_fails_leaves_what_others_made_meanwhile(
    exported: Any, other: MlflowClient, restore: Restore
) -> None:
    theirs = "s3://somewhere/model"

    def meanwhile(*given: Any, **more: Any) -> None:
        if not any(item.source == theirs for item in other.search_model_versions("name='Clf'")):
            other.create_model_version("Clf", theirs)
            other.register_prompt("ask", "of somebody else")
        refuse()

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(MlflowClient, "set_tag", meanwhile)
        with pytest.raises(RunExportError, match="the disk is full"):
            restore("v1")
    (left,) = other.search_model_versions("name='Clf'")
    assert left.source == theirs
    assert [item.template for item in other.search_prompt_versions("ask")] == ["of somebody else"]


def test_tags_that_only_this_package_writes_are_not_taken_from_a_record(
    exported: Any, repository: Any, other: MlflowClient, restore: Restore, tmp_path: Path
) -> None:
    planted = {
        "kitops.restored.model": "m-of-somebody",
        "kitops.restored.later": "x",
        "kitops.stage.production": "x",
        "kitops.modelkit.signedBy": "ada",
        "kept": "yes",
    }
    unpack(repository, "v1", tmp_path / "kit")
    path = tmp_path / "kit" / RUN_FILE
    record = json.loads(path.read_text())
    record["tags"] = record["model"]["tags"] = record["registered"]["tags"] = planted
    path.write_text(json.dumps(record))
    pack(tmp_path / "kit", repository, tag="planted")
    seen: list[dict[str, str]] = []
    create = MlflowClient.create_logged_model

    def look(self: MlflowClient, *given: Any, **more: Any) -> Any:
        seen.append(dict(self.get_run(more["source_run_id"]).data.tags))
        return create(self, *given, **more)

    with pytest.MonkeyPatch.context() as watched:
        watched.setattr(MlflowClient, "create_logged_model", look)
        done = restore("planted")
    assert "kitops.restored.model" not in seen[0], "the next import would take a half run for a whole one"
    run, model = other.get_run(done.run_id), other.get_logged_model(done.model_id)
    version = other.get_model_version("Clf", str(done.version))
    assert run.data.tags["kitops.restored.model"] == done.model_id
    for tags in (run.data.tags, model.tags, version.tags):
        assert tags["kept"] == "yes"
        assert not set(tags) & set(planted) - {"kept", "kitops.restored.model"}


def test_without_a_trust_policy_provenance_sets_nothing(exported: Any, other: MlflowClient, restore: Restore) -> None:
    done = restore("v1")
    assert done.aliases == ()
    (warning,) = done.warnings
    assert "trust policy: aliases, description of the registered model, tags of the registered model" in warning
    assert "aliases of prompts" in warning
    found = other.get_registered_model("Clf")
    assert (found.aliases, found.description or "", found.tags.get("team")) == ({}, "", None)
    assert other.get_prompt_version("ask", 1).aliases == []
    assert restore("v1", aliases=["mine"]).aliases == ("mine",)


def test_a_long_restore_says_again_that_somebody_is_at_it(
    exported: Any, other: MlflowClient, restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "_INTERVAL_SECONDS", 0.05)
    upload, key, long_ago = MlflowClient.log_model_artifacts, "kitops.restored.began", "2020-01-01T00:00:00Z"

    def slow(self: MlflowClient, model_id: str, *given: Any) -> Any:
        run_id = self.get_logged_model(model_id).source_run_id
        other.set_tag(run_id, key, long_ago)
        deadline = time.monotonic() + 20
        while other.get_run(run_id).data.tags[key] == long_ago:
            assert time.monotonic() < deadline, "another import would delete the run"
            time.sleep(0.05)
        return upload(self, model_id, *given)

    with pytest.MonkeyPatch.context() as slowed:
        slowed.setattr(MlflowClient, "log_model_artifacts", slow)
        done = restore("v1")
    began = other.get_run(done.run_id).data.tags[key]
    time.sleep(1.2)
    assert other.get_run(done.run_id).data.tags[key] == began, "nobody is at it any more"


@pytest.mark.parametrize(
    "written",
    [
        "[1]",
        "{}",
        "[" * 100_000,
        '[{"name": "ask", "template": 7}]',
        '[{"template": "no name"}]',
        '[{"name": "ask", "version": "1", "template": "Give away {{secret}}"}]',
        "[]",
    ],
)
def test_prompts_that_somebody_wrote_over_the_origins_are_not_packed(
    exported: Any, other: MlflowClient, restore: Restore, repository: Any, tmp_path: Path, written: str
) -> None:
    done = restore("v1")
    (path,) = (tmp_path / "other").rglob("kitops/origin/prompts.json")
    path.write_text(written)
    export_run(f"models:/{done.model_id}", repository, tag="again", tracking_uri=other.tracking_uri)
    unpack(repository, "again", tmp_path / "kit")
    packed = [json.loads(found.read_text()) for found in (tmp_path / "kit/prompts").rglob("*.json")]
    assert [prompt["template"] for prompt in packed] == ["Answer {{question}}"]


@pytest.mark.parametrize("is_used", [False, True])
def test_a_restore_that_fails_takes_its_experiment_back_unless_it_is_used(
    exported: Any, other: MlflowClient, restore: Restore, is_used: bool
) -> None:
    def meanwhile(self: MlflowClient, *given: Any, **more: Any) -> None:
        if is_used:
            other.create_run(other.get_experiment_by_name("new").experiment_id)
        refuse()

    for _ in range(2):
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(MlflowClient, "log_outputs", meanwhile)
            with pytest.raises(RunExportError, match="the disk is full"):
                restore("v1", experiment="new")
        found = other.get_experiment_by_name("new")
        assert (found is not None and found.lifecycle_stage == "active") == is_used
        if is_used:
            return
    done = restore("v1", experiment="new")
    assert other.get_run(done.run_id).info.experiment_id == other.get_experiment_by_name("new").experiment_id
