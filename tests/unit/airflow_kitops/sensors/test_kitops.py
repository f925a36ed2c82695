from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_kitops._compat import TRIGGERS_RENDER_TEMPLATES
from airflow_kitops.operators import KitSignOperator
from airflow_kitops.sensors import KitSignatureSensor, KitTagSensor


def sensor(reference: str = "team/iris:prod", **options) -> KitTagSensor:
    return KitTagSensor(task_id="wait", reference=reference, **options)


def test_a_tag_that_is_there_is_found_pinned(put_tag) -> None:
    digest = put_tag("prod", "one")
    looked = sensor().poke({})
    assert looked.is_done
    assert looked.xcom_value["reference"].endswith(f"team/iris:prod@{digest}")


def test_a_tag_that_is_not_there_is_waited_for(put_tag) -> None:
    put_tag("dev", "one")
    assert not sensor().poke({}).is_done


def test_a_repository_that_is_not_there_is_waited_for(registry: str) -> None:
    assert not sensor().poke({}).is_done


def test_only_another_digest_counts_as_moved(put_tag) -> None:
    before = put_tag("prod", "one")
    assert not sensor(digest_not=before).poke({}).is_done
    after = put_tag("prod", "two")
    assert sensor(digest_not=before).poke({}).xcom_value["digest"] == after


def test_the_newest_version_in_a_range_is_taken(put_tag) -> None:
    for tag in ("v1.2.0", "v1.10.0", "v2.0.0"):
        put_tag(tag, tag)
    assert sensor("team/iris", matches=">=1,<2").poke({}).xcom_value["tag"] == "v1.10.0"


def test_a_reference_that_cannot_be_read_fails_without_a_retry(registry: str) -> None:
    with pytest.raises(AirflowFailException, match="repository name"):
        sensor("TEAM:prod").poke({})


def test_a_host_that_nobody_answers_at_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_KITOPS_DEFAULT",
        json.dumps(
            {"conn_type": "kitops", "host": "127.0.0.1", "port": 9, "extra": {"auth_type": "anonymous", "retries": 0}}
        ),
    )
    assert not sensor().poke({}).is_done


def test_a_deferrable_sensor_hands_over_what_it_waits_for(registry: str) -> None:
    with pytest.raises(TaskDeferred) as caught:
        sensor(deferrable=True, digest_not="sha256:" + "0" * 64, poke_interval=3).execute({})
    name, arguments = caught.value.trigger.serialize()
    assert name == "airflow_kitops.triggers.KitTagTrigger"
    assert arguments["reference"] == f"{registry}/team/iris:prod"
    assert arguments["poll_interval_seconds"] == 3


def test_a_deferrable_sensor_does_not_wait_for_what_is_there(put_tag) -> None:
    digest = put_tag("prod", "one")
    assert sensor(deferrable=True).execute({})["digest"] == digest


def test_a_wait_may_begin_in_the_triggerer(registry: str) -> None:
    from airflow.providers.common.compat.module_loading import import_string

    task = sensor(start_from_trigger=True, digest_not="sha256:" + "0" * 64, poke_interval=3, timeout=60)
    assert task.start_from_trigger
    assert task.deferrable  # where Airflow begins on a worker all the same
    arguments = task.start_trigger_args
    assert (arguments.next_method, arguments.timeout.total_seconds()) == ("execute_complete", 60)
    trigger = import_string(arguments.trigger_cls)(**json.loads(json.dumps(arguments.trigger_kwargs)))
    assert (trigger.digest_not, trigger.poll_interval_seconds) == (task.digest_not, 3)
    signed = KitSignatureSensor(task_id="signed", reference="team/iris:prod", start_from_trigger=True)
    assert import_string(signed.start_trigger_args.trigger_cls)(**signed.start_trigger_args.trigger_kwargs)


def test_a_wait_for_another_tasks_result_begins_on_a_worker(registry: str) -> None:
    with DAG("waits"):
        signed = KitSignOperator(task_id="sign", reference="team/iris:v1")
        task = sensor(reference=signed.output, start_from_trigger=True)
    assert (task.start_from_trigger, task.deferrable) == (False, True)


def test_a_template_waits_for_the_triggerer_that_renders_it(registry: str) -> None:
    task = sensor("team/iris:{{ params.tag }}", start_from_trigger=True)
    assert task.start_from_trigger is TRIGGERS_RENDER_TEMPLATES


def test_a_deferred_wait_ends_as_its_trigger_says(registry: str) -> None:
    found = {"reference": "r", "digest": "d"}
    assert sensor().execute_complete({}, {"status": "success", **found}) == found
    with pytest.raises(AirflowFailException, match="no such"):
        sensor().execute_complete({}, {"status": "error", "message": "no such", "transient": False})


def test_a_promotion_is_done_when_the_stage_has_the_digest(put_tag) -> None:
    wanted = put_tag("v2", "two")
    put_tag("prod", "one")
    assert not sensor(digest=wanted).poke({}).is_done
    put_tag("prod", "two")
    assert sensor(digest=wanted).poke({}).xcom_value["digest"] == wanted


def test_a_signature_that_counts_is_waited_for(put_modelkit, signing_connection) -> None:
    reference = put_modelkit("team/iris:v1")
    waiting = KitSignatureSensor(task_id="wait", reference="team/iris:v1")
    assert not waiting.poke({}).is_done
    KitSignOperator(task_id="sign", reference=reference).execute({})
    assert reference.endswith(waiting.poke({}).xcom_value["digest"])


def test_waiting_for_signatures_without_anything_to_judge_by_fails(put_modelkit) -> None:
    put_modelkit("team/iris:v1")
    with pytest.raises(AirflowFailException, match="trust_policy"):
        KitSignatureSensor(task_id="wait", reference="team/iris:v1").poke({})


def test_a_deferrable_wait_for_signatures_goes_to_its_trigger(put_modelkit, signing_connection) -> None:
    put_modelkit("team/iris:v1")
    with pytest.raises(TaskDeferred) as caught:
        KitSignatureSensor(task_id="wait", reference="team/iris:v1", deferrable=True).execute({})
    assert caught.value.trigger.serialize()[0] == "airflow_kitops.triggers.KitSignatureTrigger"


@pytest.mark.parametrize("nothing", ["", "None", None])
def test_conditions_that_a_template_left_empty_are_none(put_tag, nothing: str | None) -> None:
    digest = put_tag("prod", "one")
    looked = sensor(matches=nothing, digest=nothing, digest_not=nothing).poke({})
    assert looked.xcom_value["digest"] == digest


@pytest.mark.parametrize("field", ["digest", "digest_not"])
def test_what_is_no_digest_is_not_waited_for(put_tag, field: str) -> None:
    digest = put_tag("prod", "one")
    for wrong in ("v1", digest.removeprefix("sha256:"), {"digest": digest}):
        with pytest.raises(AirflowFailException, match="not a digest"):
            sensor(**{field: wrong}).poke({})


def test_a_number_is_a_pattern(put_tag) -> None:
    put_tag("20261126", "one")
    assert sensor("team/iris", matches=20261126).poke({}).xcom_value["tag"] == "20261126"


@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
def test_a_failure_that_may_be_skipped_is_skipped_where_the_sensor_is_deferrable_too(
    registry: str, option: str
) -> None:
    for deferrable in (False, True):
        with pytest.raises(AirflowSkipException):
            sensor("team/iris", matches=">=no version", deferrable=deferrable, **{option: True}).execute({})
