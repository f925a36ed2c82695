from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_kitops._errors import airflow_errors, error_text
from airflow_kitops.advice import airflow_words
from airflow_kitops.operators import KitInspectOperator
from kitops_orchestration.disk.bytecode import MAY_BE_CUT
from kitops_orchestration.errors import KitfileError, ModelKitError, NotFoundError, RegistryUnavailableError


def test_a_transient_error_may_be_retried() -> None:
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise RegistryUnavailableError("ghcr.io: 503")
    assert not isinstance(caught.value, AirflowFailException)
    assert isinstance(caught.value.__cause__, RegistryUnavailableError)


@pytest.mark.parametrize("error", [NotFoundError("no such tag"), KitfileError("no model", advice="add one")])
def test_a_permanent_error_fails_without_a_retry(error: Exception) -> None:
    with pytest.raises(AirflowFailException, match=str(error)), airflow_errors():
        raise error


def test_the_advice_is_part_of_the_message() -> None:
    with pytest.raises(AirflowFailException, match="add one"), airflow_errors():
        raise KitfileError("no model", advice="add one")


@pytest.mark.skipif(not MAY_BE_CUT, reason="this Python cuts no bytecode")
def test_bytecode_that_a_full_disk_cut_is_gone_when_the_task_has_failed(cut_bytecode: Path) -> None:
    with pytest.raises(AirflowFailException), airflow_errors():
        raise ModelKitError("cannot write") from OSError(28, "No space left on device")
    assert not cut_bytecode.exists()


CORE = Path(__file__).resolve().parents[3] / "kitops_orchestration"
OF_PROGRAMS = {"cli", "deploy", "testing"}
"""What only the command line and containers say."""


def advices() -> list[str]:
    """Every advice that the core can give, with an ellipsis for what is put into it."""
    found: list[str] = []
    for path in CORE.rglob("*.py"):
        if path.relative_to(CORE).parts[0] in OF_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "advice":
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    found.append(node.value.value)
                elif isinstance(node.value, ast.JoinedStr):
                    parts = (item.value if isinstance(item, ast.Constant) else "\u2026" for item in node.value.values)
                    found.append("".join(map(str, parts)))
    return found


def test_no_advice_of_the_core_speaks_of_the_command_line() -> None:
    found = advices()
    assert len(found) > 100
    spoken = [airflow_words(text) for text in found]
    assert [text for text in spoken if re.search(r"kitctl|(?<![\w-])--[a-z]|TlsOptions|resource", text)] == []


@pytest.mark.parametrize(
    ("advice", "words"),
    [
        (
            "use kitctl promote (or rollback) --stage live --policy \u2026",
            "use KitPromoteOperator (or rollback) stage=live policy=\u2026",
        ),
        ("do not use it; `kitctl validate` says why", "do not use it; KitValidateOperator says why"),
        ("kitctl timeline shows it", "KitOpsHook().client.timeline shows it"),
        ("check the path of --policy", "check the path of policy"),
        ("use --plain-http", "use the connection's plain_http"),
        (
            "give the authority's certificate as ca_bundle (TlsOptions)",
            "give the authority's certificate as the connection's ca_bundle",
        ),
    ],
)
def test_an_option_is_a_field_of_the_operator_or_of_the_connection(advice: str, words: str) -> None:
    assert airflow_words(advice) == words


def test_a_message_names_the_connection_once() -> None:
    assert (
        error_text(NotFoundError("no such tag", advice="push it"), "reg")
        == "no such tag\nwith connection 'reg'\npush it"
    )
    assert error_text(NotFoundError("connection 'reg': no host"), "reg") == "connection 'reg': no host"


def test_a_failing_task_names_its_connection(registry: str) -> None:
    with pytest.raises(AirflowFailException, match="with connection 'kitops_default'"):
        KitInspectOperator(task_id="look", reference="team/none:v1").execute({})


def test_a_connection_that_is_wrong_fails_the_task_without_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"conn_type": "kitops", "host": "reg.example", "extra": {"plain_http": "perhaps"}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(wrong))
    with pytest.raises(AirflowFailException, match="connection 'other': field plain_http is 'perhaps'"):
        KitInspectOperator(task_id="look", reference="team/none:v1", kitops_conn_id="other").execute({})
