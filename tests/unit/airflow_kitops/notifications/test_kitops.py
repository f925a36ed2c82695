"""What people are told, and through whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseNotifier

from airflow_kitops.notifications import KitOpsNotifier
from airflow_kitops.operators import KitNotifyOperator, KitPromoteOperator


class Post(BaseNotifier):
    """A notifier of somebody else, with a template."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.posted: list[str] = []

    def notify(self, context: Any) -> None:
        self.posted.append(self.text)


def context(returned: Any, **task: Any) -> dict[str, Any]:
    instance = SimpleNamespace(task_id="promote", map_index=-1, xcom_pull=lambda task_ids, map_indexes: returned)
    return {"task": SimpleNamespace(**task), "ti": instance, "dag": None}


@pytest.fixture
def promoted(put_modelkit) -> dict[str, Any]:
    """What the second promotion into a stage returned."""
    put_modelkit("team/iris:v1", seed=1)
    KitPromoteOperator(task_id="first", reference="team/iris:v1", stage="production").execute({})
    put_modelkit("team/iris:v2", seed=2)
    return KitPromoteOperator(task_id="second", reference="team/iris:v2", stage="production").execute({})


def test_another_notifiers_templates_have_the_message(promoted) -> None:
    post = Post("{{ kitops.subject }}\n{{ kitops.text }}\n{{ kitops.stage }}")
    KitOpsNotifier(post)(context(promoted))
    (text,) = post.posted
    assert "iris:production is in production" in text
    assert promoted["digest"] in text
    assert promoted["previousDigest"] in text
    assert "What is new" in text
    assert text.endswith("production")


def test_a_function_is_told_as_well(promoted) -> None:
    told: list[Any] = []
    KitOpsNotifier(told.append)(context(promoted))
    message = told[0]["kitops"]
    assert message["digest"] == promoted["digest"]
    assert message["html"].startswith("<!doctype html>")
    assert len(message["text"]) <= 3100


def test_the_message_goes_out_where_the_version_before_is_gone(promoted) -> None:
    told: list[Any] = []
    KitOpsNotifier(told.append)(context({**promoted, "previousDigest": "sha256:" + "0" * 64}))
    assert "could not be read" in told[0]["kitops"]["text"]


def test_a_task_that_returned_no_modelkit_tells_nothing(registry, capfd) -> None:
    told: list[Any] = []
    KitOpsNotifier(told.append)(context(42))
    assert told == []
    assert "returned no ModelKit" in "".join(capfd.readouterr())


def test_a_task_of_its_own_tells_and_fails_alone(promoted) -> None:
    told: list[Any] = []
    task = KitNotifyOperator(task_id="notify", reference=promoted, notifier=told.append)
    returned = task.execute({})
    assert set(returned) == {"subject", "text"}
    assert told[0]["kitops"]["subject"] == returned["subject"]

    def unreachable(_: Any) -> None:
        raise ConnectionError("no route to the chat")

    with pytest.raises(ConnectionError):
        KitNotifyOperator(task_id="notify", reference=promoted, notifier=unreachable).execute({})
    with pytest.raises(AirflowFailException, match="nothing to tell"):
        KitNotifyOperator(task_id="notify", reference="team/iris:v1", notifier=told.append).execute({})
