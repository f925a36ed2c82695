"""What templates render into the fields of operators: text for everything, or native objects for text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitCatalogOperator,
    KitDiffOperator,
    KitExportRunOperator,
    KitInspectOperator,
    KitPackOperator,
    KitPromoteOperator,
    KitPushOperator,
    KitRecordDeploymentOperator,
    KitRetentionOperator,
    KitRollbackOperator,
    KitTagOperator,
    KitUnpackOperator,
)
from airflow_kitops.sensors import KitTagSensor
from airflow_kitops.triggers import KitTagTrigger

PLACE = {"kind": "vm", "name": "one"}
NOTHING = (None, "", "None")


@pytest.fixture
def pack(registry: str, context_dir: Path):
    def pack(**fields: Any) -> dict[str, Any]:
        fields = {"context_dir": str(context_dir), "push_to": "team/iris:dev", **fields}
        return KitPackOperator(task_id="pack", **fields).execute({})

    return pack


@pytest.mark.parametrize(
    ("rendered", "tags"),
    [
        ("stable", ["stable"]),
        (["stable", 20261126], ["20261126", "stable"]),
        (20261126, ["20261126"]),
        *((nothing, []) for nothing in NOTHING),
    ],
)
def test_tags_are_texts_and_never_the_letters_of_one(pack, rendered: Any, tags: list[str]) -> None:
    pack(extra_tags=rendered)
    assert sorted(KitOpsHook().client.tags("team/iris")) == sorted(["dev", *tags])


@pytest.mark.parametrize(("rendered", "files"), [("model", 1), (["model"], 1), *((nothing, 3) for nothing in NOTHING)])
def test_filters_may_be_one_text_or_nothing(pack, tmp_path: Path, rendered: Any, files: int) -> None:
    operator = KitUnpackOperator(
        task_id="unpack", reference=pack(), target_dir=str(tmp_path / "there"), filters=rendered
    )
    operator.execute({})
    assert len(list((tmp_path / "there").iterdir())) == files


def test_a_number_in_an_annotation_leaves_a_modelkit_that_can_be_read(pack) -> None:
    facts = pack(annotations={"run": 20261126, "nothing": None})
    assert KitInspectOperator(task_id="i", reference=facts).execute({})["digest"] == facts["digest"]


def test_an_optional_kitfile_may_be_rendered_as_none(pack) -> None:
    assert pack(kitfile="None")["layerCount"] == 2


def test_a_number_is_a_tag(pack) -> None:
    assert KitTagOperator(task_id="tag", reference=pack(), tag=20261126).execute({})["tag"] == "20261126"


def _failing(reference: dict[str, Any]) -> list[tuple[Any, str]]:
    deployed = {"task_id": "t", "reference": reference, "environment": "prod"}
    rolled = {"task_id": "t", "repository": reference, "stage": "prod", "reason": "because"}
    return [
        *((KitTagOperator(task_id="t", reference=reference, tag=tag), "tag is") for tag in NOTHING),
        *((KitPromoteOperator(task_id="t", reference=reference, stage=stage), "stage is") for stage in NOTHING),
        *(
            (KitPromoteOperator(task_id="t", reference=reference, stage="prod", policy=policy), "policy is")
            for policy in NOTHING[1:]
        ),
        *((KitRollbackOperator(**rolled, to="dev", policy=policy), "policy is") for policy in NOTHING[1:]),
        *((KitRollbackOperator(**rolled, to=to), "to is") for to in NOTHING),
        *((KitRollbackOperator(**{**rolled, "reason": reason}), "reason is") for reason in NOTHING),
        *((KitUnpackOperator(task_id="t", reference=reference, target_dir=to), "target_dir is") for to in NOTHING),
        *(
            (KitRetentionOperator(task_id="t", repository=reference, matches=matches, keep_last=1), "matches is")
            for matches in NOTHING
        ),
        *(
            (KitRetentionOperator(task_id="t", repository=reference, matches="dev*", keep_last=number), "keep_last is")
            for number in (1.9, True)
        ),
        (KitRecordDeploymentOperator(**{**deployed, "environment": None}, target=PLACE), "environment is"),
        (KitRecordDeploymentOperator(**deployed, target={"kind": "vm", "nam": "one"}), "target is no place.*'nam'"),
        (KitRecordDeploymentOperator(**deployed, target={"kind": "vm"}), "target is no place"),
        (KitRecordDeploymentOperator(**deployed, target=None), "target is no place"),
        (KitRecordDeploymentOperator(**deployed, target="vm"), "target is no mapping"),
        (KitInspectOperator(task_id="t", reference={"repository": "team/iris"}), "without a reference: .* repository"),
        (KitInspectOperator(task_id="t", reference={"reference": None}), "without a reference"),
    ]


def test_what_is_missing_fails_without_a_retry_and_does_nothing(pack, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    facts = pack()
    before = sorted(tmp_path.iterdir())
    for operator, told in _failing(facts):
        with pytest.raises(AirflowFailException, match=told):
            operator.execute({})
    assert KitOpsHook().client.tags("team/iris") == ["dev"]
    assert sorted(tmp_path.iterdir()) == before


def test_annotations_that_are_no_mapping_are_refused(pack) -> None:
    with pytest.raises(AirflowFailException, match="annotations is no mapping"):
        pack(annotations="{'a': 1}")


def test_numbers_name_a_place_and_an_environment(pack) -> None:
    target = {"kind": "vm", "name": 7, "cluster": None}
    operator = KitRecordDeploymentOperator(task_id="d", reference=pack(), environment=5, target=target)
    recorded = KitOpsHook().client.lineage(operator.execute({})["reference"]).to_json()["deployments"]
    assert [(item["environment"], item["target"]["name"]) for item in recorded] == [("5", "7")]


RENDERED = (str, lambda facts: json.dumps(facts, indent=1))
"""What Jinja makes of another task's mapping: its representation, or with ``tojson`` its JSON."""


@pytest.mark.parametrize("rendered", RENDERED)
def test_a_mapping_that_a_template_made_text_of_is_told_as_that(pack, rendered, tmp_path: Path) -> None:
    named = rendered(pack())
    tasks = {
        "reference": KitUnpackOperator(task_id="t", reference=named, target_dir=str(tmp_path / "there")),
        "source": KitPushOperator(task_id="t", source=named, destination="prod/iris:v1"),
        "destination": KitPromoteOperator(task_id="t", reference="team/iris:dev", stage="staging", destination=named),
        "right": KitDiffOperator(task_id="t", left="team/iris:dev", right=named),
        "repository": KitRollbackOperator(task_id="t", repository=named, stage="staging", reason="bad"),
    }
    for field, task in tasks.items():
        with pytest.raises(AirflowFailException, match=rf"{field} is a mapping .*\n.*render_template_as_native_obj"):
            task.execute({})
    assert KitOpsHook().client.tags("team/iris") == ["dev"]


TOKEN = "ghp_0123456789abcdefghij"


def refused(task: Any) -> str:
    with pytest.raises(AirflowFailException) as raised:
        task.execute({})
    return str(raised.value)


@pytest.mark.parametrize("rendered", RENDERED)
def test_nothing_that_the_mapping_holds_is_in_the_message(rendered) -> None:
    named = rendered({"token": TOKEN, TOKEN + " ": 1, "reference": "team/iris:dev", "more": {"inner": TOKEN}})
    told = refused(KitUnpackOperator(task_id="t", reference=named, target_dir="there"))
    assert "reference is a mapping that a template made text of: it has token, …, reference, more" in told
    assert TOKEN not in told


@pytest.mark.parametrize(
    "broken",
    [
        f"{{'token': '{TOKEN}', 'reference': datetime.datetime(2026, 1, 1)}}",
        f"{{'token': '{TOKEN}', 'reference': {'[' * 300}{']' * 300}}}",
        f"{{'token': '{TOKEN}', 'reference': '{'x' * 200_000}'}}",
    ],
)
def test_nor_of_one_that_cannot_be_read(broken: str) -> None:
    told = refused(KitInspectOperator(task_id="t", reference=broken))
    assert "reference is a mapping that a template made text of" in told
    assert TOKEN not in told


@pytest.mark.parametrize("rendered", RENDERED)
def test_the_mapping_of_a_training_is_refused_where_a_reference_is_asked_for(rendered) -> None:
    named = rendered({"modelUri": "models:/m-1", "token": TOKEN})
    several = rendered([{"modelUri": TOKEN}, {"modelUri": TOKEN}])
    tasks = {
        "reference": KitInspectOperator(task_id="t", reference=named),
        "source": KitExportRunOperator(task_id="t", source=named, push_to="team/iris:dev"),
        "push_to": KitPackOperator(task_id="t", context_dir=".", push_to=named),
        "left": KitDiffOperator(task_id="t", left=several, right="team/iris:dev"),
        "places": KitCatalogOperator(task_id="t", places=["team/iris", named], into="there"),
    }
    for field, task in tasks.items():
        told = refused(task)
        assert f"{field} is a mapping that a template made text of: it has modelUri" in told
        assert TOKEN not in told


def test_a_text_in_another_field_may_look_like_a_mapping(pack) -> None:
    facts = pack(annotations={"made.by": "{'modelUri': 'models:/m-1'}"})
    assert facts["digest"]
    told = refused(KitPackOperator(task_id="t", context_dir=".", push_to="a/b:c", annotations=f"{{'a': '{TOKEN}'}}"))
    assert "annotations is no mapping, but str: it has a" in told
    assert TOKEN not in told


@pytest.mark.parametrize("rendered", RENDERED)
def test_so_is_one_that_a_sensor_or_the_triggerer_waits_for(pack, rendered) -> None:
    named = rendered(pack())
    waiting = KitTagSensor(task_id="wait", reference=named)
    with pytest.raises(AirflowFailException, match="reference is a mapping"):
        waiting.poke({})

    async def first() -> dict[str, Any]:
        async for event in KitTagTrigger(reference=named).run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    told = asyncio.run(asyncio.wait_for(first(), 30))
    assert (told["status"], told["transient"]) == ("error", False)
    assert "reference is a mapping" in told["message"]
