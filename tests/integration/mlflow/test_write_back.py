"""Aliases follow promotions, and failures to tag are warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mlflow
import pytest

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, resolve
from kitops_orchestration.mlflow_bridge.write_back import stages_of, sync_alias, write_back


@pytest.fixture
def two_versions(tracking: Any, log_classifier: Any, repository: Any) -> list[Any]:
    results = []
    for number in (1, 2):
        with mlflow.start_run():
            mlflow.log_param("number", number)
            log_classifier(registered_model_name="Clf")
        results.append(export_run(f"models:/Clf/{number}", repository, tag=f"v{number}"))
    return results


def test_a_promotion_moves_the_alias_of_its_stage(two_versions: list[Any], tracking: Any) -> None:
    first, second = (str(result.digest) for result in two_versions)
    change = sync_alias("Clf", "production", first)
    assert (change.alias, change.version, change.previous_version, change.is_changed) == ("champion", "1", None, True)
    assert not sync_alias("Clf", "production", first).is_changed
    change = sync_alias("Clf", "production", second)
    assert (change.version, change.previous_version) == ("2", "1")
    assert str(tracking.client.get_model_version_by_alias("Clf", "champion").version) == "2"
    tag = tracking.client.get_model_version("Clf", "2").tags["kitops.stage.production"]
    assert tag.startswith(f"{second} 20")


def test_a_stage_without_a_name_of_its_own_keeps_it(two_versions: list[Any]) -> None:
    assert sync_alias("Clf", "shadow", str(two_versions[0].digest)).alias == "shadow"
    assert sync_alias("Clf", "live", str(two_versions[0].digest), aliases={"live": "blue"}).alias == "blue"


def test_the_stages_of_a_model_are_read_from_its_aliases(two_versions: list[Any], tracking: Any) -> None:
    first, second = (str(result.digest) for result in two_versions)
    sync_alias("Clf", "production", first)
    tracking.client.set_registered_model_alias("Clf", "challenger", 2)
    assert stages_of("Clf") == {"production": first, "staging": second}


def test_a_digest_that_no_version_carries_is_an_error(two_versions: list[Any]) -> None:
    with pytest.raises(RunExportError, match="no version of 'Clf'") as refusal:
        sync_alias("Clf", "production", "sha256:" + "0" * 64)
    assert refusal.value.advice


def test_an_alias_that_mlflow_does_not_take_is_said_so(two_versions: list[Any]) -> None:
    with pytest.raises(RunExportError, match="alias"):
        sync_alias("Clf", "v1", str(two_versions[0].digest))


def test_a_tag_that_cannot_be_written_is_a_warning_and_the_others_are_written(
    two_versions: list[Any], tracking: Any
) -> None:
    resolved = resolve(parse_source("models:/Clf/1"), tracking.client)
    tracking.client.delete_run(resolved.run_id)
    result = write_back(resolved, two_versions[0].reference, tracking.client)
    assert result.written == (f"model:{resolved.model_id}", "version:Clf/1")
    (warning,) = result.warnings
    assert resolved.run_id in warning


def descriptions(client: Any, resolved: Any) -> list[str | None]:
    return [
        client.get_run(resolved.run_id).data.tags.get("mlflow.note.content"),
        client.get_logged_model(resolved.model_id).tags.get("mlflow.note.content"),
        client.get_model_version("Clf", "1").description,
    ]


def test_descriptions_link_to_the_modelkit_and_keep_what_people_wrote(
    tracking: Any, add_model: Any, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tracking.client
    run_id = client.create_run(tracking.experiment_id).info.run_id
    model_id = add_model(run_id, "clf", {"accuracy": 0.9})
    client.set_terminated(run_id)
    client.create_registered_model("Clf")
    client.create_model_version("Clf", f"models:/{model_id}", run_id, description="# Ours\n\n- by Ada")
    client.set_tag(run_id, "mlflow.note.content", "line\n\n")
    resolved = resolve(parse_source("models:/Clf/1"), client)
    first = export_run("models:/Clf/1", repository, tag="v1", describe=False)
    assert descriptions(client, resolved) == ["line\n\n", None, "# Ours\n\n- by Ada"]
    reference = replace(first.reference, registry="registry.example:5000", repository="team/iris", tag="v1")
    monkeypatch.setenv(
        "KITOPS_PASSPORT_PAGE", "https://airflow.example/kitops/modelkit?uri={registry}%2F{repository}&digest={digest}"
    )
    assert write_back(resolved, reference, client).warnings == ()
    digest = str(reference.digest)
    line = (
        f"**ModelKit** `{reference}`"
        f" · [manifest](<https://registry.example:5000/v2/team/iris/manifests/{digest.replace(':', '%3A')}>)"
        " · [passport](<https://airflow.example/kitops/modelkit?uri=registry.example%3A5000%2Fteam%2Firis"
        f"&digest={digest.replace(':', '%3A')}>)"
    )
    block = f"<!-- kitops:begin -->\n{line}\n<!-- kitops:end -->"
    assert descriptions(client, resolved) == [f"line\n\n\n\n{block}", block, f"# Ours\n\n- by Ada\n\n{block}"]
    again = export_run("models:/Clf/1", repository, tag="v2")
    assert again.digest == first.digest, "what we wrote is no part of the model"
    assert all(text and text.count("kitops:begin") == 1 for text in descriptions(client, resolved))
    client.set_tag(run_id, "mlflow.note.content", "mine <!-- kitops:end --> only")
    export_run("models:/Clf/1", repository, tag="v3")
    assert descriptions(client, resolved)[0] == "mine <!-- kitops:end --> only"
    monkeypatch.setenv("KITOPS_PASSPORT_PAGE", "javascript:alert({digest})")
    told = write_back(resolved, reference, client)
    assert len(told.written) == 3
    assert "not a web address" in told.warnings[0]
