"""A release in one line: which tasks there are, in which order, and what may stand in their place."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, TaskGroup
from airflow.sdk import task

from airflow_kitops.operators import KitSignOperator
from airflow_kitops.task_groups import KitReleaseTaskGroup
from airflow_kitops.task_groups.release import STEPS
from kitops_orchestration.errors import KitOpsError

ALL = {"policy": "promotion.yaml", "target": {"kind": "vm", "name": "scoring-1"}, "notifier": print}


def release(**options: Any) -> tuple[DAG, list[str]]:
    """Make the group in a DAG; the value are its tasks in the order in which they run."""
    with DAG("release_of_wine") as dag:
        KitReleaseTaskGroup(source="runs:/42", push_to="team/wine:v1", stage="production", **options)
    return dag, [task.task_id for task in dag.topological_sort()]


def one(name: str) -> BaseOperator:
    return KitSignOperator(task_id=name, reference="team/other:v1")


def group_of(name: str, *inner: str) -> TaskGroup:
    with TaskGroup(name) as group:
        for task_id in inner:
            one(task_id)
    return group


def test_each_step_follows_the_one_before() -> None:
    dag, order = release(**ALL)
    assert order == [f"release.{step}" for step in STEPS]
    for before, after in itertools.pairwise(order):
        assert before in dag.get_task(after).upstream_task_ids


def test_every_step_is_about_the_exported_digest_and_the_last_two_about_the_promoted() -> None:
    dag, _ = release(**ALL)
    about = {step: dag.get_task(f"release.{step}").reference for step in STEPS[1:]}
    assert {about[step].operator.task_id for step in STEPS[1:6]} == {"release.export"}
    assert {about[step].operator.task_id for step in STEPS[6:]} == {"release.promote"}


def test_an_approval_in_a_release_only_records_the_decision() -> None:
    dag, _ = release(**ALL)
    assert dag.get_task("release.approve").promote is False
    assert dag.get_task("release.promote").policy == "promotion.yaml"


def test_what_nothing_is_known_of_is_left_out() -> None:
    _, order = release()
    assert order == [f"release.{step}" for step in ("export", "scan", "sign", "smoke_test", "promote")]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_left_out_changed_and_replaced(step: str) -> None:
    _, left = release(**ALL, steps={step: None})
    assert f"release.{step}" not in left
    assert len(left) == len(STEPS) - 1

    dag, _ = release(**ALL, steps={step: {"retries": 7}})
    assert dag.get_task(f"release.{step}").retries == 7

    seen: list[Any] = []

    def other(about: Any) -> BaseOperator:
        seen.append(about)
        return KitSignOperator(task_id="other", reference="team/other:v1")

    dag, order = release(**ALL, steps={step: other})
    assert len(seen) == 1
    assert order == [f"release.{'other' if name == step else name}" for name in STEPS]


@pytest.mark.parametrize(("step", "after"), [("export", "scan"), ("promote", "record")])
def test_a_decorated_task_takes_the_place_of_a_step_that_says_what_the_next_ones_are_about(
    step: str, after: str
) -> None:
    @task
    def other(about: Any) -> dict[str, str]:
        return {"reference": str(about)}

    dag, order = release(**ALL, steps={step: other})
    assert order[STEPS.index(step)] == "release.other"
    about = dag.get_task(f"release.{after}").reference
    assert [(operator.task_id, key) for operator, key in about.iter_references()] == [("release.other", "return_value")]


@pytest.mark.parametrize(
    ("step", "given", "says"),
    [
        ("export", lambda _: None, "step 'export' makes NoneType"),
        ("promote", lambda _: TaskGroup("several"), "step 'promote' makes TaskGroup"),
        ("scan", lambda _: None, "'scan' makes NoneType"),
        ("scan", 5, "'scan' is int"),
        *((step, lambda _: [], f"step '{step}' makes an empty list") for step in STEPS),
        ("smoke_test", lambda _: (), "'smoke_test' makes an empty list"),
        ("smoke_test", lambda _: "smoke", "'smoke_test' makes str"),
        ("promote", lambda _: "promoted", "'promote' makes str"),
        ("scan", lambda _: KitSignOperator, "'scan' makes BaseOperatorMeta"),
        ("scan", lambda _: [one("a"), "b"], "'scan' makes a list with str"),
        ("scan", lambda _: [[one("a")]], "'scan' makes a list with list"),
        *((step, lambda about: about, f"'{step}' returns 'release.export', which") for step in STEPS[1:6]),
        ("scan", lambda about: [one("a"), about], "'scan' returns 'release.export', which"),
        ("sign", lambda about: about.operator, "'sign' returns 'release.export', which"),
        ("notify", lambda about: about, "'notify' returns 'release.promote', which"),
    ],
)
def test_what_cannot_be_a_step_is_told_where_the_dag_is_read(step: str, given: Any, says: str) -> None:
    with pytest.raises(KitOpsError, match=says):
        release(**ALL, steps={step: given})


def test_a_group_of_tasks_takes_the_place_of_a_step_that_nobody_waits_for_a_result_of() -> None:
    def several(about: Any) -> TaskGroup:
        with TaskGroup("several") as group:
            for name in ("one", "two"):
                KitSignOperator(task_id=name, reference=about)
        return group

    dag, _ = release(**ALL, steps={"scan": several})
    both = {"release.several.one", "release.several.two"}
    assert all(dag.get_task(name).upstream_task_ids == {"release.export"} for name in both)
    assert both <= dag.get_task("release.sign").upstream_task_ids


def test_each_task_of_a_list_follows_each_of_the_list_before() -> None:
    steps = {
        "scan": lambda _: [one("scan_a"), one("scan_b")],
        "sign": lambda _: (one("sign_a"), group_of("sign_more", "b", "c")),
        "smoke_test": lambda _: [one("smoke")],
    }
    dag, _ = release(**ALL, steps=steps)
    scanned = {"release.scan_a", "release.scan_b"}
    signed = {"release.sign_a", "release.sign_more.b", "release.sign_more.c"}
    assert all(dag.get_task(name).upstream_task_ids == {"release.export"} for name in scanned)
    assert all(dag.get_task(name).upstream_task_ids == scanned for name in signed)
    assert dag.get_task("release.smoke").upstream_task_ids == signed


@pytest.mark.parametrize("empty", [1, 2, 3])
def test_a_group_without_a_task_cuts_nothing_loose(empty: int) -> None:
    replaced = ("scan", "sign", "smoke_test", "approve")[-empty:]
    steps = {step: lambda _, step=step: group_of(step) for step in replaced}
    dag, order = release(**ALL, steps=steps)
    before = order[order.index("release.promote") - 1]
    assert before == f"release.{STEPS[4 - empty]}"
    assert before in dag.get_task("release.promote").upstream_task_ids


def test_what_is_packed_outside_of_the_group_may_be_its_export() -> None:
    @task
    def train() -> dict[str, str]:
        return {"reference": "team/wine:v1"}

    with DAG("release_of_wine") as dag:
        KitReleaseTaskGroup(
            source=train(), push_to="team/wine:v1", stage="production", steps={"export": lambda source: source}
        )
    assert dag.get_task("release.scan").upstream_task_ids == {"train"}


def test_a_step_that_there_is_not_is_an_error_where_the_dag_is_read() -> None:
    with pytest.raises(KitOpsError, match="'smoke' is no step"):
        release(steps={"smoke": None})


def test_the_connection_is_that_of_every_step() -> None:
    dag, order = release(**ALL, kitops_conn_id="theirs")
    assert {dag.get_task(name).kitops_conn_id for name in order} == {"theirs"}


def test_two_releases_have_names_of_their_own() -> None:
    with DAG("two") as dag:
        for name in ("red", "white"):
            KitReleaseTaskGroup(f"release_{name}", source="runs:/1", push_to=f"team/{name}:v1", stage="staging")
    assert {"release_red.export", "release_white.promote"} <= set(dag.task_ids)
