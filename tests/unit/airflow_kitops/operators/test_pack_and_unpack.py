from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitDiffOperator,
    KitInspectOperator,
    KitPackAndPushOperator,
    KitPackOperator,
    KitUnpackOperator,
    KitValidateOperator,
)
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.registry import EmbeddedRegistry


def pack(context_dir: Path, push_to: str = "team/iris:v1", **options: object) -> dict:
    return KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to=push_to, **options).execute({})


def test_a_folder_becomes_a_modelkit_in_the_folder_registry(context_dir: Path, registry: str) -> None:
    facts = pack(context_dir)
    assert facts["reference"] == f"{registry}/team/iris:v1@{facts['digest']}"
    assert facts["layerCount"] == 2
    assert str(context_dir) not in json.dumps(facts)


def test_packing_again_gives_the_same_digest_and_uploads_nothing(context_dir: Path, registry: str) -> None:
    first, second = pack(context_dir), pack(context_dir)
    assert first["digest"] == second["digest"]
    assert second["uploadedBytes"] == 0


def test_a_folder_becomes_a_modelkit_straight_in_a_registry(context_dir: Path, registry: str) -> None:
    with EmbeddedRegistry() as remote:
        facts = pack(context_dir, f"{remote.host}/team/iris:v1", extra_tags=["latest"])
        assert (
            KitInspectOperator(task_id="i", reference=f"{remote.host}/team/iris:latest").execute({})["digest"]
            == (facts["digest"])
        )


def test_a_kitfile_that_cannot_be_read_is_not_retried(context_dir: Path, registry: str) -> None:
    (context_dir / "Kitfile").write_text("manifestVersion: [")
    with pytest.raises(AirflowFailException, match="Kitfile"):
        pack(context_dir)


def test_a_reference_without_a_tag_packs_nothing(context_dir: Path, registry: str) -> None:
    with pytest.raises(AirflowFailException, match=r"no tag.*team/iris\nadd one, for example .*team/iris:latest"):
        pack(context_dir, "team/iris")
    assert not Path(registry.removeprefix("file://")).exists()


def test_options_reach_the_core(context_dir: Path, registry: str) -> None:
    plain, zipped = pack(context_dir), pack(context_dir, "team/iris:zipped", pack_options={"compression": "gzip"})
    assert plain["digest"] != zipped["digest"]


def test_only_the_wanted_part_is_unpacked(context_dir: Path, registry: str, tmp_path: Path) -> None:
    facts = KitUnpackOperator(
        task_id="unpack", reference=pack(context_dir), target_dir=str(tmp_path / "there"), filters=["model"]
    ).execute({})
    assert (tmp_path / "there" / "model.bin").read_bytes() == (context_dir / "model.bin").read_bytes()
    assert not (tmp_path / "there" / "data.csv").exists()
    assert facts["files"] >= 1


def test_a_file_that_is_there_already_is_not_overwritten(context_dir: Path, registry: str, tmp_path: Path) -> None:
    reference = pack(context_dir)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "model.bin").write_text("mine")
    with pytest.raises(AirflowFailException):
        KitUnpackOperator(task_id="unpack", reference=reference, target_dir=str(tmp_path / "there")).execute({})
    assert (tmp_path / "there" / "model.bin").read_text() == "mine"


def test_inspecting_names_the_layers(context_dir: Path, registry: str) -> None:
    found = KitInspectOperator(task_id="inspect", reference=pack(context_dir)).execute({})
    assert found["name"] == "iris"
    assert [layer["kind"] for layer in found["layers"]] == ["model", "dataset"]
    json.dumps(found)


def test_a_valid_modelkit_lets_the_pipeline_go_on(context_dir: Path, registry: str) -> None:
    reference = pack(context_dir)
    for reads_layers in (True, False):
        found = KitValidateOperator(task_id="validate", reference=reference, reads_layers=reads_layers).execute({})
        assert (found["valid"], found["readsLayers"], found["digest"]) == (True, reads_layers, reference["digest"])
        json.dumps(found)


def test_a_broken_modelkit_stops_it_without_a_retry(context_dir: Path, registry: str) -> None:
    reference = pack(context_dir)
    modelkit = KitOpsHook().client.inspect(reference)
    LayoutRepository(modelkit.reference).blob_path(modelkit.layers[0].descriptor.digest).unlink()
    with pytest.raises(AirflowFailException, match="is not valid: blobs: "):
        KitValidateOperator(task_id="validate", reference=reference, reads_layers=False).execute({})
    found = KitValidateOperator(task_id="validate", reference=reference, fail_when_wrong=False).execute({})
    assert not found["valid"]


def test_a_difference_is_json(context_dir: Path, registry: str) -> None:
    before = pack(context_dir)
    (context_dir / "model.bin").write_bytes(b"other weights")
    after = pack(context_dir, "team/iris:v2")
    assert json.dumps(KitDiffOperator(task_id="diff", left=before, right=after).execute({}))


def test_pack_and_push_says_where_it_comes_from_and_signs(context_dir: Path, signing_connection: Path) -> None:
    operator = KitPackAndPushOperator(task_id="publish", context_dir=str(context_dir), push_to="team/iris:v1")
    context = {
        "ti": SimpleNamespace(
            dag_id="training", task_id="publish", run_id="run-1", try_number=2, map_index=-1, log_url="http://airflow"
        )
    }
    first, again = operator.execute(context), operator.execute(context)
    assert first["isSigned"]
    assert first["provenance"] == again["provenance"]
    found = json.dumps(KitOpsHook().client.lineage(first).to_json())
    assert "training" in found
    assert "run-1" in found


def test_pack_and_push_without_a_key_attaches_unsigned_provenance(context_dir: Path, registry: str) -> None:
    operator = KitPackAndPushOperator(task_id="publish", context_dir=str(context_dir), push_to="team/iris:v1")
    assert not operator.execute({})["isSigned"]


def test_pack_and_push_that_cannot_sign_moves_no_tag(context_dir: Path, registry: str) -> None:
    operator = KitPackAndPushOperator(
        task_id="publish", context_dir=str(context_dir), push_to="team/iris:v1", sign=True, extra_tags=["latest"]
    )
    with pytest.raises(AirflowFailException, match="there is no key"):
        operator.execute({})
    assert tags_if_there(KitOpsHook().client.repository("team/iris")) == []


def test_pack_and_push_moves_the_tags_when_provenance_and_signature_are_there(
    context_dir: Path, signing_connection: Path
) -> None:
    with EmbeddedRegistry() as remote:
        reference = f"{remote.host}/team/iris:v1"
        facts = KitPackAndPushOperator(
            task_id="publish", context_dir=str(context_dir), push_to=reference, extra_tags=["latest"]
        ).execute({})
        written = [record.path for record in remote.requests if record.method == "PUT" and "/manifests/" in record.path]
        listed = {item.digest for item in open_repository(Reference.parse(reference)).referrers(facts["digest"])}
        tagged = next(number for number, path in enumerate(written) if path.endswith("/manifests/v1"))
        before = {path.rpartition("/")[2] for path in written[:tagged]}
    assert facts["isSigned"]
    assert len(listed) == 2
    assert listed <= before
    assert "latest" not in before


def test_a_folder_in_object_storage_is_packed_and_not_left_behind(
    context_dir: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("AIRFLOW__KITOPS__SCRATCH_DIR", str(scratch))
    here = pack(context_dir)
    there = KitPackOperator(task_id="p", context_dir=f"file://{context_dir}", push_to="team/iris:v2").execute({})
    assert there["digest"] == here["digest"]
    assert list(scratch.iterdir()) == []


def test_a_task_leaves_one_xcom_unless_its_keys_are_asked_for() -> None:
    fields = {"context_dir": "/somewhere", "push_to": "team/iris:v1"}
    assert KitPackOperator(task_id="pack", **fields).multiple_outputs is False
    assert KitPackOperator(task_id="pack_keys", multiple_outputs=True, **fields).multiple_outputs is True
    assert KitPackOperator(task_id="pack_none", do_xcom_push=False, **fields).do_xcom_push is False
