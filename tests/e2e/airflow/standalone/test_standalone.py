"""One Airflow, from the connection form to a killed push. The tests build on each other, in this order."""

from __future__ import annotations

import html
import json
import re
import time
from importlib.metadata import version
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest
import requests

from airflow_kitops._compat import EVENTS_HAVE_PARTITIONS
from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.signing.keys import load_private_key
from kitops_orchestration.testing.builders import make_context_dir

SETTLING_SECONDS = 10
"""Airflow 3.3.2 marks a task as failed when what it waits for overtakes the executor's word of its first half's end."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def needs_airflow_3_3(why: str) -> pytest.MarkDecorator:
    """Mark a test of what older releases do not have, or of what such a test has left."""
    return pytest.mark.skipif(not EVENTS_HAVE_PARTITIONS, reason=f"needs Airflow 3.3: {why}")


PARTITIONS = "train_and_publish and per_version use events with a partition key"
PUBLISHED = "train_and_publish, which uses events with a partition key, publishes what is looked at here"

AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])
CARD = {"intended-use": None, "limitations": None}
"""Fields of the form that nobody filled in: Airflow refuses an answer without them."""


def test_the_connection_form_has_our_fields_and_its_test_passes(airflow, connection, secrets_hunt) -> None:
    (form,) = (item for item in airflow.call("GET", "/ui/connections/hook_meta") if item["connection_type"] == "kitops")
    ours = {"auth_type", "namespace", "signing_private_key", "trust_policy"}
    # Airflow 3.1 shows fields of none that a provider describes: there they are JSON in the field Extra.
    assert ours <= set(form["extra_fields"] or ()) or AIRFLOW < (3, 2)
    tried = {**connection, "connection_id": "tried", "extra": json.dumps(connection["extra"])}
    assert airflow.call("POST", "/connections/test", json=tried)["status"] is True
    wrong = secrets_hunt.make("standalone Airflow: wrong password")
    assert airflow.call("POST", "/connections/test", json={**tried, "password": wrong})["status"] is False
    airflow.call("POST", "/connections", json={**tried, "connection_id": "kitops_stored"})


@needs_airflow_3_3(PARTITIONS)
def test_what_was_trained_is_published_with_links_and_an_event(airflow, client) -> None:
    run = airflow.trigger("train_and_publish")
    assert airflow.finish("train_and_publish", run) == "success"
    pushed = airflow.returned("train_and_publish", run, "push")
    assert client.resolve("wine:v1.0.0").digest == pushed["digest"]
    links = airflow.call("GET", f"/dags/train_and_publish/dagRuns/{run}/taskInstances/push/links")["extra_links"]
    assert links["ModelKit"] == f"http://{client.registry}/ui/wine@{pushed['digest']}"
    (event,) = airflow.call("GET", "/assets/events", params={"source_dag_id": "train_and_publish"})["asset_events"]
    assert (event["extra"]["digest"], event["partition_key"]) == (pushed["digest"], "v1.0.0")


@needs_airflow_3_3(PARTITIONS)
def test_the_published_version_starts_a_run_of_its_own(airflow, client) -> None:
    (started,) = airflow.wait("the consumer starts", lambda: airflow.runs("per_version"))
    assert started["partition_key"] == "v1.0.0"
    assert airflow.finish("per_version", started["dag_run_id"]) == "success"
    assert client.resolve("team/mirror/wine:v1.0.0").digest == client.resolve("wine:v1.0.0").digest


@needs_airflow_3_3(PUBLISHED)
def test_lineage_names_the_repository_and_its_digest(airflow, client) -> None:
    digest = client.resolve("wine:v1.0.0").digest

    def outputs() -> list[dict[str, Any]]:
        path = airflow.home / "openlineage.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        found = [output for event in events if event["eventType"] == "COMPLETE" for output in event["outputs"]]
        return [output for output in found if output["name"] == "wine" and "version" in output["facets"]]

    found = airflow.wait("the push is in the lineage", outputs)[0]
    assert found["namespace"] == f"oci://{client.registry}"
    assert found["facets"]["version"]["datasetVersion"] == digest
    lines = [json.loads(line) for line in (airflow.home / "openlineage.jsonl").read_text().splitlines()]
    said = [event["run"]["facets"].get("kitops_modelkit") for event in lines if event["eventType"] == "COMPLETE"]
    assert digest in [facet["modelkit"]["digest"] for facet in said if facet]


def test_no_secret_is_in_a_tasks_log(airflow, connection, secrets_hunt) -> None:
    # The task prints its connection. Airflow masks that in the task's log; what it copies to the scheduler's console it
    # does not mask, and that is Airflow's own. Nothing of ours prints.
    secrets_hunt.leave_out("standalone.log", b"[task.stdout]")
    run = airflow.trigger("talkative")
    assert airflow.finish("talkative", run) == "success"
    log = airflow.log("talkative", run, "say")
    assert "password: ***" in log
    assert connection["password"] not in log
    assert connection["extra"]["signing_private_key_password"] not in log
    key = connection["extra"]["signing_private_key"].splitlines()[1:-1]
    assert [line for line in key if line in log] == []


@needs_airflow_3_3("webhooks of MLflow, and what a watcher remembers")
def test_the_champions_move_becomes_a_release_that_mlflow_shows(airflow, client, mlflow, tmp_path) -> None:
    airflow.wait(
        "the watchers have looked", lambda: _told(airflow, "wine champion") and _told(airflow, "wine versions")
    )
    model_version(mlflow, tmp_path)
    (by_webhook,) = airflow.wait("a webhook starts a run", lambda: airflow.runs("on_version"), seconds=60)
    mlflow.set_registered_model_alias("wine", "champion", "1")
    (started,) = airflow.wait("the move starts a run", lambda: airflow.runs("champion_to_production"))
    run = started["dag_run_id"]
    path = f"/dags/champion_to_production/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    airflow.wait(
        "somebody is asked",
        lambda: airflow.task("champion_to_production", run, "approve")["state"] in ("awaiting_input", "failed"),
    )
    time.sleep(SETTLING_SECONDS)
    exported = airflow.returned("champion_to_production", run, "export")
    assert exported["isSigned"] is True
    asked = airflow.call("GET", path)
    assert asked["subject"] == "Release version 1 of wine?"
    assert exported["digest"] in asked["body"]
    answer = {"chosen_options": ["Approve"], "params_input": {"comment": "a good year", "ticket": None}}
    assert airflow.call("PATCH", path, user="bob", ok=False, json=answer) == 200
    assert airflow.finish("champion_to_production", run) == "success"
    assert client.resolve("team/production/wine:released").digest == exported["digest"]
    shown = mlflow.get_model_version("wine", "1")
    assert shown.tags["kitops.modelkit.digest"] == exported["digest"]
    assert shown.tags["kitops.stage.released"].startswith(exported["digest"])
    assert mlflow.get_registered_model("wine").aliases == {"champion": "1", "released": "1"}
    assert airflow.finish("on_version", by_webhook["dag_run_id"]) == "success"
    assert airflow.returned("on_version", by_webhook["dag_run_id"], "tell") == ["models:/wine/1"]
    assert len(airflow.runs("on_version")) == len(airflow.runs("champion_to_production")) == 1


@needs_airflow_3_3("webhooks of MLflow")
def test_a_webhook_that_mlflow_did_not_sign_starts_nothing(airflow) -> None:
    address = f"{airflow.url}/kitops/mlflow/webhook"
    body = json.dumps({"entity": "model_version", "action": "created", "data": {"name": "wine", "version": "9"}})
    forged = {
        "X-MLflow-Delivery-Id": "d-1",
        "X-MLflow-Timestamp": str(int(time.time())),
        "X-MLflow-Signature": "v1,AA==",
    }
    for headers in ({}, forged):
        assert requests.post(address, data=body, headers=headers, timeout=30).status_code == 401
    assert requests.get(address, timeout=30).status_code == 405


def model_version(mlflow, folder) -> str:
    """A version of wine whose run logged a small model in MLflow's own layout."""
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: wine\n    data: data\n")
    (model / "data").write_text("12.5")
    if not mlflow.search_registered_models("name = 'wine'"):
        mlflow.create_registered_model("wine")
    run = mlflow.create_run(mlflow.create_experiment(f"wine {folder.name}"))
    mlflow.log_artifacts(run.info.run_id, str(model), "model")
    mlflow.set_terminated(run.info.run_id)
    source = f"runs:/{run.info.run_id}/model"
    return mlflow.create_model_version("wine", source, run.info.run_id).version


def _told(airflow, name: str) -> dict[str, Any] | None:
    """What the watcher of a registered model has stored with its asset."""
    assets = airflow.call("GET", "/assets", params={"name_pattern": name})["assets"]
    stored = airflow.call("GET", f"/assets/{assets[0]['id']}/state-store")["asset_state_store"] if assets else []
    watched = re.compile(r"kitops mlflow \S+ (alias|version)\b")  # the connection stands before what is watched
    return next((entry["value"] for entry in stored if watched.match(entry["key"])), None)


@needs_airflow_3_3("what a watcher remembers over a restart")
def test_a_pushed_tag_starts_one_run_for_each_digest_also_over_a_restart(airflow, client, tmp_path) -> None:
    airflow.wait("the watcher has looked", lambda: _watched(airflow) is not None)
    first = str(client.tag("wine:v1.0.0", "production").digest)
    run = airflow.wait("the watcher fires", lambda: airflow.runs("watch_production"))[0]["dag_run_id"]
    assert airflow.finish("watch_production", run) == "success"
    assert airflow.returned("watch_production", run, "verify")["digest"] == first
    airflow.stop()
    airflow.start()
    looked = _watched(airflow)
    time.sleep(10)
    assert looked == {"production": first}
    assert len(airflow.runs("watch_production")) == 1
    packed = client.pack(make_context_dir(tmp_path / "context"), "wine:v2")
    client.tag("wine:v2", "production")
    airflow.wait("the watcher fires again", lambda: len(airflow.runs("watch_production")) == 2)
    assert airflow.wait("it is stored", lambda: _watched(airflow) == {"production": str(packed.digest)})


def _watched(airflow) -> dict[str, str] | None:
    """What the watcher has stored with its asset."""
    assets = airflow.call("GET", "/assets", params={"name_pattern": "wine in production"})["assets"]
    stored = airflow.call("GET", f"/assets/{assets[0]['id']}/state-store")["asset_state_store"] if assets else []
    return stored[0]["value"] if stored else None


def look_at_the_card(airflow, browser, run: str) -> None:
    """What an approver sees: by day and at night, and on a phone nothing of ours is wider than Airflow's panel."""
    browser.said.clear()
    for width, is_dark in ((1200, False), (1200, True), (390, False)):
        browser.show(width, is_dark=is_dark)
        browser.go(f"{airflow.url}/dags/approve_and_promote/runs/{run}/tasks/approve/required_actions")
        browser.until("document.body.innerText.includes('Waits for your decision')")
        fields = "[...document.querySelectorAll('input, textarea')].map(it => it.name || it.id)"
        assert {"intended-use", "limitations"} <= {name.removeprefix("element_") for name in browser.until(fields)}
        wide = "[...document.querySelectorAll('table')].filter(it => it.scrollWidth > it.parentElement.clientWidth)"
        assert browser.ask(f"{wide}.map(it => it.innerText)") == []
        assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.said == []


@needs_airflow_3_3(PUBLISHED)
def test_only_who_may_approves_and_the_record_says_who(airflow, client, browser) -> None:
    run = airflow.trigger("approve_and_promote")
    path = f"/dags/approve_and_promote/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    airflow.wait(
        "somebody is asked",
        lambda: airflow.task("approve_and_promote", run, "approve")["state"] in ("awaiting_input", "failed"),
    )
    look_at_the_card(airflow, browser, run)
    time.sleep(SETTLING_SECONDS)
    asked = airflow.call("GET", path)
    digest = str(client.resolve("team/wine:v1.0.0").digest)
    assert digest in asked["body"]
    answer = {"chosen_options": ["Approve"], "params_input": {"comment": "checked by hand", "ticket": None, **CARD}}
    assert airflow.call("PATCH", path, user="carol", ok=False, json=answer) == 403
    assert airflow.call("PATCH", path, user="bob", ok=False, json=answer) == 200
    assert airflow.finish("approve_and_promote", run) == "success"
    approved = airflow.returned("approve_and_promote", run, "approve")
    assert (approved["approver"], approved["digest"]) == ("bob", digest)
    assert client.resolve("team/wine:production").digest == digest
    assert "checked by hand" in json.dumps(client.lineage("team/wine:production").to_json())
    links = airflow.call("GET", f"/dags/approve_and_promote/dagRuns/{run}/taskInstances/approve/links")
    assert links["extra_links"]["Approval"].endswith(f"/runs/{run}/tasks/approve/required_actions")


@needs_airflow_3_3(PUBLISHED)
def test_a_rejection_is_on_record_and_nothing_moves(airflow, client, tmp_path) -> None:
    before = client.resolve("team/wine:production").digest
    rejected = client.pack(make_context_dir(tmp_path / "context", seed=3), "team/wine:v3").digest
    run = airflow.trigger("approve_and_promote", candidate="wine:v3")
    path = f"/dags/approve_and_promote/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    airflow.wait(
        "somebody is asked",
        lambda: airflow.task("approve_and_promote", run, "approve")["state"] in ("awaiting_input", "failed"),
    )
    time.sleep(SETTLING_SECONDS)
    answer = {"chosen_options": ["Reject"], "params_input": {"comment": "too bitter", "ticket": None, **CARD}}
    assert airflow.call("PATCH", path, user="bob", ok=False, json=answer) == 200
    assert airflow.finish("approve_and_promote", run) == "success"
    assert airflow.task("approve_and_promote", run, "record")["state"] == "skipped"
    assert client.resolve("team/wine:production").digest == before
    record = json.dumps(client.lineage(f"team/wine@{rejected}").to_json())
    assert all(word in record for word in ("REJECTED", "bob", "too bitter"))


def test_waiting_for_a_signature_and_a_promotion_holds_no_worker(airflow, client, connection, tmp_path) -> None:
    digest = client.pack(make_context_dir(tmp_path / "context", seed=4), "team/wine:v4").digest
    run = airflow.trigger("waiting", version="v4", digest=str(digest))
    for name in ("signed", "promoted"):
        airflow.wait(f"{name} waits", lambda name=name: airflow.task("waiting", run, name)["state"] == "deferred")
    time.sleep(SETTLING_SECONDS)
    key, password = (connection["extra"][f"signing_private_key{end}"] for end in ("", "_password"))
    client.sign("team/wine:v4", load_private_key(key, password))
    client.promote("team/wine:v4", stage="blessed")
    assert airflow.finish("waiting", run) == "success"
    for name in ("signed", "promoted"):
        assert airflow.returned("waiting", run, name)["digest"] == digest


@needs_airflow_3_3(PUBLISHED)
def test_the_command_line_asks_through_a_stored_connection(airflow, client) -> None:
    stored = ("--conn-id", "kitops_stored")
    healthy = airflow.command("kitops", "doctor", *stored)
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    assert client.registry in healthy.stdout
    shown = airflow.command("kitops", "lineage", "wine:production", *stored, "--output", "json")
    assert json.loads(shown.stdout)["promotions"], shown.stderr
    unsigned = airflow.command("kitops", "verify", "wine:v3", *stored)
    assert (unsigned.returncode, "no signature" in unsigned.stderr) == (1, True)


@needs_airflow_3_3(PUBLISHED)
def test_the_modelkit_page_shows_stages_and_passports_to_those_who_may_see_assets(airflow, client) -> None:
    page = f"{airflow.url}/kitops/models"
    assert requests.get(page, timeout=30).status_code == 401
    assert "wine in production" in airflow.page("/kitops/models", user="carol")
    (asset,) = airflow.call("GET", "/assets", params={"name_pattern": "wine in production"})["assets"]
    digest = str(client.resolve("wine:production").digest)
    shown = airflow.page(f"/kitops/models/{asset['id']}")
    assert f'href="{asset["id"]}/{digest}"' in shown
    assert "verified: airflow" in shown
    passport = airflow.page(f"/kitops/models/{asset['id']}/{digest}")
    assert digest in passport
    assert f'href="../{asset["id"]}"' in passport


def test_the_test_button_says_which_part_of_a_connection_is_wrong(
    airflow, browser, connection, registry, secrets_hunt
) -> None:
    browser.show(1200, is_dark=False)
    parts = {
        "credentials": {"password": secrets_hunt.make("standalone Airflow: wrong password")},
        "host": {"port": 9},
        "TLS": {"extra": {**connection["extra"], "plain_http": False}},
        "repository": {},
    }
    for part, wrong in parts.items():
        stored = {**connection, **wrong, "connection_id": f"wrong_{part}"}
        airflow.call("POST", "/connections", json={**stored, "extra": json.dumps(stored["extra"])})
    for part in parts:
        if part == "repository":
            registry.fail_next(path_contains="kitops-orchestration-check/tags", status=403, code="DENIED", times=9)
        browser.go(f"{airflow.url}/connections")
        row = f"[...document.querySelectorAll('tr')].find(it => it.innerText.includes('wrong_{part}'))"
        button = f"{row}?.querySelector('button[aria-label=\"Test Connection\"]')"
        browser.until(f"{button}?.disabled === false")
        browser.click(button, goes=False)
        told = browser.until("(/Test Connection Failed[^]*/.exec(document.body.innerText) || [''])[0]")
        assert told.splitlines()[1].startswith(f"{part}: "), told
    registry.clear_faults()


@needs_airflow_3_3(PUBLISHED)
def test_a_person_walks_from_a_tasks_link_through_every_page_and_back(airflow, client, browser, tmp_path) -> None:
    run = airflow.trigger("shown")
    assert airflow.finish("shown", run) == "success"
    links = airflow.call("GET", f"/dags/shown/dagRuns/{run}/taskInstances/inspect/links")["extra_links"]
    release = str(client.resolve("team/wine:production").digest)
    browser.said.clear()
    browser.answers.clear()
    browser.show(1200, is_dark=False)
    browser.go(links["ModelKit"])
    (asset,) = airflow.call("GET", "/assets", params={"name_pattern": "approved wine"})["assets"]
    home = f"{airflow.url}/kitops/models/{asset['id']}"
    assert browser.ask("location.href") == f"{home}/{release}"
    assert browser.ask("document.querySelector('.ref').textContent").endswith(release)
    browser.click(named(f"{client.registry}/team/wine"))
    browser.click(named("Catalog"))
    assert browser.ask("document.querySelector('h1').textContent") == "Board"
    browser.click(named("team/wine", "main"))
    browser.click("document.querySelector('button.go')")  # of two versions, the newest are chosen
    browser.until("document.querySelector('#compare table') !== null")
    browser.click(named("team/wine", "main"))
    browser.click(named("v1.0.0", "main"))
    assert browser.ask("document.querySelector('h1').textContent") == "winev1.0.0"
    browser.click(named("Data"))
    browser.click(named("training", "main"))
    browser.press("/", 191)
    browser.write(release[20:34])
    browser.until("document.querySelectorAll('#hits a').length > 0")
    browser.press("ArrowDown", 40)
    browser.press("Enter", 13, goes=True)
    assert browser.ask("location.pathname").endswith(f"{release.replace(':', '-')}.html")
    browser.click(named("Audit"))
    browser.click('document.querySelector(\'main a[href^="20"][href$=".html"]\')')
    rows = "document.querySelectorAll('#events tbody tr:not([hidden])').length"
    everything = browser.ask(rows)
    browser.ask(
        "(box => { box.value = 'approval'; box.dispatchEvent(new Event('input', {bubbles: true})); })"
        "(document.getElementById('filter-kind'))"
    )
    approvals = browser.ask(rows)
    assert 0 < approvals < everything
    browser.save_into(tmp_path)
    browser.click("document.getElementById('filter-csv')", goes=False)
    (table,) = airflow.wait("the rows are saved", lambda: list(tmp_path.glob("*.csv")), seconds=60)
    assert len(table.read_text().splitlines()) == 1 + approvals
    browser.click(named("ModelKit"))
    assert browser.ask("location.href") == home
    browser.click(named("ModelKits"))
    assert browser.said == []
    assert {address: status for address, status in browser.answers.items() if status >= 400} == {}


def named(text: str, inside: str = "body") -> str:
    return f"[...document.querySelectorAll('{inside} a')].find(it => it.textContent.trim() === {text!r})"


@needs_airflow_3_3(PUBLISHED)
def test_every_address_on_every_page_answers_and_no_page_is_wider_than_a_phone(airflow, browser) -> None:
    answers, pages, waiting = {}, [], [f"{airflow.url}/kitops/models"]
    while waiting:
        address = waiting.pop()
        answer = airflow.get(address, user="carol")
        answers[address] = answer.status_code
        if "html" not in answer.headers["content-type"]:
            continue
        pages.append(address)
        for target in re.findall(r'(?:href|src|action)="([^"]*)"', answer.text):
            found = urldefrag(urljoin(answer.url, html.unescape(target)))[0]
            assert found.startswith(f"{airflow.url}/kitops/"), f"{address} leads to {found}"
            if found not in answers and found not in waiting:
                waiting.append(found)
    assert {address: status for address, status in answers.items() if status != 200} == {}
    assert {".html", ".csv", ".css", ".js"} <= {f".{address.rpartition('.')[2]}" for address in answers}
    browser.said.clear()
    browser.show(390, is_dark=True)
    (asset,) = airflow.call("GET", "/assets", params={"name_pattern": "approved wine"})["assets"]
    for address in pages:
        if "/models/" in address and f"/models/{asset['id']}" not in address:
            continue  # of the same kinds
        browser.go(address)
        assert browser.ask("document.documentElement.scrollWidth") <= 390, address
        assert max(browser.ask("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")) < 64
    assert browser.said == []


def test_marking_a_running_push_as_failed_stops_it(airflow, client, registry) -> None:
    registry.behaviour.bytes_per_second = 1024 * 1024
    try:
        run = airflow.trigger("slow_push")
        airflow.wait("bytes are moving", lambda: registry.count(method="PATCH") + _uploads(registry))
        airflow.call("PATCH", f"/dags/slow_push/dagRuns/{run}/taskInstances/push", json={"new_state": "failed"})
        airflow.wait(
            "the task heard of it", lambda: "cancel" in airflow.log("slow_push", run, "push").lower(), seconds=60
        )
        assert airflow.task("slow_push", run, "push")["state"] == "failed"
        with pytest.raises(NotFoundError):
            client.resolve("team/slow/large:v1")
        # It has retries, and a person said that none comes: nobody goes on with the upload.
        airflow.wait(
            "the upload is taken back", lambda: registry.count(method="DELETE", path_contains="slow/large/blobs")
        )
    finally:
        registry.behaviour.bytes_per_second = None


def _uploads(registry) -> int:
    return registry.count(method="POST", path_contains="slow/large/blobs/uploads")
