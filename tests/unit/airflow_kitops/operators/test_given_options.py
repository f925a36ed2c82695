"""Options that operators hand through: refused when the DAG is read, rendered like every other field."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import DAG, task

from airflow_kitops._compat import AirflowFailException
from airflow_kitops.operators import KitExportRunOperator, KitPackOperator
from kitops_orchestration.errors import OptionError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compresion": "zstd"}, r"pack_options of the task 'pack' has no 'compresion'"),
        ({"compression": "zip"}, r"pack_options of the task 'pack': compression is 'zip'"),
        ({"exclude": "*.bak"}, r"exclude is '\*.bak'"),
        ({"extra_tags": ["a"]}, r"'extra_tags', which is an argument of its own"),
        ({"compresion": "{{ params.how }}"}, r"has no 'compresion'"),
    ],
)
def test_a_wrong_option_is_told_when_the_dag_is_read(options: dict, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        KitPackOperator(task_id="pack", context_dir=".", push_to="team/iris:v1", pack_options=options)


def test_an_export_is_held_to_its_own_options() -> None:
    with pytest.raises(OptionError, match="export_options of the task 'export': history is 'all'"):
        KitExportRunOperator(task_id="export", source="runs:/x", push_to="a:b", export_options={"history": "all"})


def test_what_another_task_gives_sets_the_dependency_and_a_template_is_excused() -> None:
    with DAG("options", schedule=None):

        @task
        def choose() -> str:
            return "zstd"

        chosen = choose()
        packs = [
            KitPackOperator(task_id=name, context_dir=".", push_to="team/iris:v1", pack_options=options)
            for name, options in (
                ("one", {"compression": chosen}),
                ("all", chosen),
                ("template", {"compression": "{{ params.how }}"}),
            )
        ]

    assert [pack.upstream_task_ids for pack in packs] == [{"choose"}, {"choose"}, set()]
    assert "pack_options" in KitPackOperator.template_fields
    assert "export_options" in KitExportRunOperator.template_fields


def test_what_was_rendered_is_looked_at_before_anything_is_packed(registry: str, context_dir: Path) -> None:
    pack = KitPackOperator(
        task_id="pack",
        context_dir=str(context_dir),
        push_to="team/iris:v1",
        pack_options={"compression": "{{ x }}", "use_cache": "{{ y }}"},
    )
    pack.pack_options = {"compression": "zstd", "use_cache": "False"}  # as Jinja leaves them
    assert pack.execute({})["digest"]

    pack.pack_options = {"compression": "zip"}
    with pytest.raises(AirflowFailException, match="compression is 'zip'"):
        pack.execute({})
