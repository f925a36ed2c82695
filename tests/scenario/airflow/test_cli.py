"""``airflow kitops …``: by Airflow's own parser, in a process of its own."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_kitops.cli import commands
from airflow_kitops.cli.definition import get_kitops_commands
from airflow_kitops.operators import KitSignOperator


@pytest.fixture
def ask(tmp_path: Path):
    """Run commands through Airflow's parser; they are parsed alone, as Airflow itself takes seconds to start."""
    import argparse

    def run(*arguments: str) -> None:
        (group,) = get_kitops_commands()
        (command,) = [item for item in group.subcommands if item.name == arguments[0]]
        parser = argparse.ArgumentParser()
        for argument in command.args:
            argument.add_to_parser(parser)
        command.func(parser.parse_args(list(arguments[1:])))

    return run


def test_every_command_has_its_work() -> None:
    (group,) = get_kitops_commands()
    assert group.name == "kitops"
    for command in group.subcommands:
        assert callable(getattr(commands, command.func.__name__)), command.name


@pytest.fixture(scope="module")
def airflow_of_its_own() -> dict[str, Any]:
    """What another process says: modules of ours that the definition imports, and whether Airflow has the commands."""
    probe = (
        "import json, sys, airflow.cli.cli_config; before = set(sys.modules)\n"
        "from airflow_kitops.cli.definition import get_kitops_commands; get_kitops_commands()\n"
        "imported = [name for name in set(sys.modules) - before if not name.startswith('airflow_kitops')]\n"
        "from airflow.cli.cli_parser import ALL_COMMANDS_DICT\n"
        "print(json.dumps({'imported': imported, 'has_commands': 'kitops' in ALL_COMMANDS_DICT}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_definition_imports_nothing_of_ours(airflow_of_its_own: dict[str, Any]) -> None:
    assert airflow_of_its_own["imported"] == []


def test_a_modelkit_is_shown_as_kitctl_shows_it(ask, put_modelkit, capsys: pytest.CaptureFixture[str]) -> None:
    reference = put_modelkit("team/iris:v1")
    ask("inspect", "team/iris:v1")
    shown = capsys.readouterr().out
    assert reference in shown
    assert "model" in shown
    ask("list", "team/iris", "--output", "json")
    assert json.loads(capsys.readouterr().out)["modelkits"][0]["tag"] == "v1"


def test_verify_leaves_with_one_and_a_reason_until_it_is_signed(
    ask, put_modelkit, signing_connection, capsys: pytest.CaptureFixture[str]
) -> None:
    put_modelkit("team/iris:v1")
    with pytest.raises(SystemExit, match="no signature") as left:
        ask("verify", "team/iris:v1")
    assert left.value.code not in (0, None)
    KitSignOperator(task_id="sign", reference="team/iris:v1").execute({})
    ask("verify", "team/iris:v1")
    assert "airflow" in capsys.readouterr().out


def test_lineage_and_deployments_answer_for_an_empty_history(
    ask, put_modelkit, capsys: pytest.CaptureFixture[str]
) -> None:
    put_modelkit("team/iris:v1")
    ask("lineage", "team/iris:v1")
    ask("where-deployed", "team/iris")
    assert "Nothing is known to be deployed" in capsys.readouterr().out


def test_a_doctor_finds_a_connection_in_order(ask, signing_connection, capsys: pytest.CaptureFixture[str]) -> None:
    ask("doctor", "--output", "json")
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"], said
    found = {item["name"]: item["verdict"] for item in said["findings"]}
    assert (found["connection"], found["signing key"], found["trust policy"]) == ("ok", "ok", "ok")
    assert found["registry"] == "ok"


def test_a_doctor_says_which_key_cannot_be_read_and_not_what_is_in_it(
    ask, registry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nZ2VoZWltLTEyMzQ=\n-----END PRIVATE KEY-----\n"
    connection = {"conn_type": "kitops", "host": registry, "extra": {"signing_private_key": pem}}
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps(connection))
    with pytest.raises(SystemExit):
        ask("doctor", "--conn-id", "broken")
    shown = capsys.readouterr()
    assert re.search(r"wrong +signing key", shown.out)
    assert "Z2VoZWlt" not in shown.out + shown.err


def test_a_missing_connection_is_named(ask) -> None:
    with pytest.raises(SystemExit, match="nowhere"):
        ask("inspect", "team/iris:v1", "--conn-id", "nowhere")


def test_airflow_itself_has_the_commands(airflow_of_its_own: dict[str, Any]) -> None:
    if not hasattr(importlib.import_module("airflow.providers_manager").ProvidersManager, "cli_command_functions"):
        pytest.skip("this Airflow asks providers for no commands")
    assert airflow_of_its_own["has_commands"]
