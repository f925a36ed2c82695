from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, task

from airflow_kitops._compat import EVENTS_HAVE_PARTITIONS, AirflowException
from airflow_kitops.decorators import kit_pack_task, kit_unpack_task
from airflow_kitops.operators import KitTagOperator
from kitops_orchestration.testing.builders import make_context_dir


def operator_of(decorated, *arguments: object):
    with DAG("test"):
        return decorated(*arguments).operator


def test_what_a_function_writes_becomes_a_modelkit(registry: str) -> None:
    @kit_pack_task(push_to="team/tiny:v1")
    def train(size: int, context_dir: Path) -> None:
        make_context_dir(context_dir, model_bytes=size)

    facts = operator_of(train, 512).execute({})
    assert facts["reference"].startswith(f"{registry}/team/tiny:v1@sha256:")


def test_a_function_may_return_another_folder_and_annotations(registry: str, context_dir: Path) -> None:
    @kit_pack_task(push_to="team/iris:v1")
    def train() -> dict:
        return {"context_dir": str(context_dir), "extra_tags": ["latest"], "annotations": {"team": "blue"}}

    assert operator_of(train).execute({})["layerCount"] == 2


def test_a_function_that_returns_something_else_is_told_what_it_may_return(registry: str) -> None:
    @kit_pack_task(push_to="team/iris:v1")
    def train() -> dict:
        return {"accuracy": 0.9}

    with pytest.raises(ValueError, match="accuracy"):
        operator_of(train).execute({})


def test_a_function_gets_a_modelkits_files_and_they_are_gone_afterwards(
    registry: str, context_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    @kit_pack_task(push_to="team/iris:v1")
    def train() -> str:
        return str(context_dir)

    @kit_unpack_task(reference="team/iris:v1", filters=["model"])
    def read(times: int, model_dir: Path) -> int:
        assert not (model_dir / "data.csv").exists()
        return len((model_dir / "model.bin").read_bytes()) * times

    operator_of(train).execute({})
    assert operator_of(read, 2).execute({}) == 2 * (context_dir / "model.bin").stat().st_size
    assert list(scratch.iterdir()) == []


def test_the_decorators_are_found_under_task() -> None:
    assert task.kit_pack is not None
    assert task.kit_unpack is not None


class _Accessor:
    def __init__(self) -> None:
        self.extra: dict = {}
        self.partitions: list[str] = []
        self.added: list = []

    def add_partitions(self, key: str) -> None:
        self.partitions.append(key)

    def add(self, asset: Asset, extra: dict) -> None:
        self.added.append((asset.uri, extra))


class _Accessors:
    """What Airflow has under ``outlet_events``: one accessor for an asset or alias."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Accessor] = {}

    def __getitem__(self, key: Asset | AssetAlias) -> _Accessor:
        return self._by_name.setdefault(key.name, _Accessor())


def test_outlets_learn_which_modelkit_was_made(put_modelkit, registry: str) -> None:
    asset, alias = Asset("oci://ghcr.io/team/iris"), AssetAlias("models")
    events = _Accessors()
    tag = KitTagOperator(
        task_id="tag",
        reference=put_modelkit("team/iris:v1"),
        tag="v2",
        outlets=[asset, alias],
        partition_by_tag=EVENTS_HAVE_PARTITIONS,
    )
    facts = tag.execute({"outlet_events": events, "ti": SimpleNamespace()})
    assert events[asset].extra["digest"] == facts["digest"]
    assert events[asset].partitions == (["v2"] if EVENTS_HAVE_PARTITIONS else [])
    assert [uri for uri, _ in events[alias].added] == [f"{registry}/team/iris"]


@pytest.mark.skipif(EVENTS_HAVE_PARTITIONS, reason="asset events have partition keys here")
def test_a_partition_key_is_refused_where_the_dag_is_read_and_not_after_the_tag_has_moved() -> None:
    with pytest.raises(AirflowException, match=r"partition_by_tag: .* since Airflow 3\.3"):
        KitTagOperator(task_id="tag", reference="team/iris:v1", tag="v2", partition_by_tag=True)


def test_an_asynchronous_function_is_run_to_its_end(registry: str) -> None:
    @kit_pack_task(push_to="team/tiny:v1")
    async def train(context_dir: Path) -> None:
        make_context_dir(context_dir, model_bytes=512)

    @kit_unpack_task(reference="team/tiny:v1", filters="model")
    async def read(model_dir: Path) -> int:
        return len([path for path in model_dir.rglob("*") if path.is_file()])

    assert operator_of(train).execute({})["tag"] == "v1"
    assert operator_of(read).execute({}) == 1
