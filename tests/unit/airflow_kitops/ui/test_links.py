from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk.execution_time.xcom import XCom

from airflow_kitops.operators import KitInspectOperator
from airflow_kitops.ui.links import ApprovalLink, ModelKitLink

DIGEST = "sha256:" + "a" * 64


def key(map_index: int = -1) -> Any:
    """Airflow's ``TaskInstanceKey``, which 3.1 has at another place."""
    return SimpleNamespace(dag_id="d", task_id="t", run_id="r", try_number=1, map_index=map_index)


def modelkit_link(monkeypatch: pytest.MonkeyPatch, returned: Any, template: str) -> str:
    monkeypatch.setattr(XCom, "get_value", lambda **_: returned)
    connection = {"conn_type": "kitops", "host": "reg.example", "extra": {"web_url_template": template}}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    return ModelKitLink().get_link(KitInspectOperator(task_id="t", reference="team/iris:v1"), ti_key=key())


def test_an_approval_of_a_mapped_task_is_on_the_page_of_its_own_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example")
    link = ApprovalLink()
    operator = KitInspectOperator(task_id="t", reference="team/iris:v1")
    page = "http://airflow.example/dags/d/runs/r/tasks/t"
    assert link.get_link(operator, ti_key=key()) == f"{page}/required_actions"
    assert link.get_link(operator, ti_key=key(3)) == f"{page}/mapped/3/required_actions"


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("https://reg.example/{repository}?digest={digest}", f"https://reg.example/team/iris?digest={DIGEST}"),
        ("https://reg.example/{repository.name}", ""),
        ("https://reg.example/{owner}", ""),
        ("https://reg.example/{", ""),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_no_link(
    monkeypatch: pytest.MonkeyPatch, template: str, page: str
) -> None:
    assert modelkit_link(monkeypatch, {"reference": f"reg.example/team/iris:v1@{DIGEST}"}, template) == page


def test_a_task_that_returned_nothing_has_no_link_whatever_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda **_: None)
    operator = KitInspectOperator(task_id="t", reference="team/iris:v1", kitops_conn_id="there_is_none")
    assert ModelKitLink().get_link(operator, ti_key=key()) == ""


def test_without_a_template_the_link_leads_to_our_own_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example/")
    page = modelkit_link(monkeypatch, {"reference": f"reg.example/team/iris:v1@{DIGEST}"}, "")
    asked = urlsplit(page)
    assert f"{asked.scheme}://{asked.netloc}{asked.path}" == "http://airflow.example/kitops/modelkit"
    assert parse_qs(asked.query) == {"uri": ["oci://reg.example/team/iris"], "digest": [DIGEST]}


def test_what_has_no_digest_has_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert modelkit_link(monkeypatch, {"reference": "reg.example/team/iris:v1"}, "") == ""
