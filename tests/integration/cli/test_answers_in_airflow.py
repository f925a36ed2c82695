"""A task's result in XCom is what ``kitctl … --json`` prints of the same ModelKit: the same names, types and values."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kitops import operators
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.cli import main
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.keys import generate_key_pair

Kitctl = Callable[..., dict[str, Any]]
PARTS = {"repository", "tag"}
"""Of the reference: every mapping in XCom has them as well."""
POLICY = "version: 1\nstages:\n  production:\n    checks:\n      - approvals: {roles: [risk], count: 1}\n"

TRUST = """\
version: 1
identities:
  - id: airflow
    roles: [builder, evaluator, releaser, deployer, approver, risk]
    keys: [{publicKey: airflow.pub}]
"""


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The connection's key, which ``kitctl`` is given too; both judge by one trust policy."""
    pair = generate_key_pair("not a secret", key_format="pkcs8")
    path = tmp_path / "airflow.key"
    path.write_bytes(pair.private_pem)
    path.with_suffix(".pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(TRUST)
    monkeypatch.setenv("COSIGN_PASSWORD", "not a secret")
    extra = {
        "signing_private_key": str(path),
        "signing_private_key_password": "not a secret",
        "trust_policy": str(tmp_path / "trust.yaml"),
    }
    connection = {"conn_type": "kitops", "host": f"file://{tmp_path}/registry", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    return path


@pytest.fixture
def kitctl(capsys: pytest.CaptureFixture[str]) -> Kitctl:
    def say(verb: str, *arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        code = main._run([verb, *map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.out + captured.err
        return dict(json.loads(captured.out))

    return say


@pytest.fixture
def versions(tmp_path: Path, key: Path) -> list[str]:
    """Two ModelKits by digest."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model.bin}\n")
    packed = []
    for tag in ("v1", "v2"):
        (folder / "model.bin").write_bytes(b"weights of " + tag.encode())
        packed.append(str(KitOpsHook().client.pack(folder, f"team/iris:{tag}").reference))
    return packed


def run(name: str, **options: Any) -> dict[str, Any]:
    """Run an operator, and return its result as XCom keeps it."""
    operator = getattr(operators, name)(task_id="task", **options)
    return dict(json.loads(json.dumps(operator.execute({}))))


def differing(
    given: dict[str, Any], printed: dict[str, Any], *, own: set[str] | None = None, left_out: set[str] | None = None
) -> set[str]:
    """Check the members' names and types; return the names of those that both have with another value."""
    assert given.keys() - printed.keys() == PARTS | (own or set())
    assert not [name for name in given if "_" in name]
    assert printed.keys() - given.keys() == (left_out or set())
    both = given.keys() & printed.keys()
    known = [name for name in both if given[name] is not None and printed[name] is not None]
    assert {name: shape(given[name]) for name in known} == {name: shape(printed[name]) for name in known}
    return {name for name in both if given[name] != printed[name]}


def shape(value: Any) -> Any:
    """Return names and types."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


def test_signing_and_verifying(versions: list[str], key: Path, kitctl: Kitctl) -> None:
    first = run("KitSignOperator", reference=versions[0])
    printed = kitctl("sign", versions[0], "--key", key)
    assert differing(first, printed) == {"signatures"}  # the second time nothing is new
    assert differing(run("KitSignOperator", reference=versions[0]), printed) == set()
    printed = kitctl("verify", versions[0], "--trust", key.with_name("trust.yaml"))
    assert differing(run("KitVerifyOperator", reference=versions[0]), printed, left_out={"signatures"}) == set()
    assert printed["signers"] == ["airflow"]


def test_attesting(versions: list[str], key: Path, kitctl: Kitctl, tmp_path: Path) -> None:
    said = {"result": "PASSED", "passedTests": ["smoke"]}
    (tmp_path / "report.json").write_text(json.dumps(said))
    given = run("KitAttestOperator", reference=versions[0], test_result=said)
    printed = kitctl(
        "attest", versions[0], "--type", "test-result", "--predicate", tmp_path / "report.json", "--key", key
    )
    assert differing(given, printed) <= {"statement"}
    assert given["statement"]["isSigned"]


def test_recording_a_deployment(versions: list[str], key: Path, kitctl: Kitctl) -> None:
    place = {"kind": "vm", "name": "host-1"}
    given = run("KitRecordDeploymentOperator", reference=versions[0], environment="production", target=place)
    where = ("--environment", "production", "--kind", "vm", "--name", "host-2", "--key", key)
    printed = kitctl("record-deployment", versions[0], *where)
    assert differing(given, printed) == {"statement"}  # another place is another statement
    assert given["statement"] == {**printed["statement"], "digest": given["statement"]["digest"]}


def test_promoting_and_rolling_back(versions: list[str], key: Path, kitctl: Kitctl) -> None:
    given = run("KitPromoteOperator", reference=versions[0], stage="staging")
    again = run("KitPromoteOperator", reference=versions[0], stage="staging")
    printed = kitctl("promote", versions[0], "--stage", "staging", "--key", key)
    assert differing(again, printed, left_out={"checks"}) == set()
    assert differing(given, printed, left_out={"checks"}) == {"previousDigest", "isNew", "isMoved", "record"}
    assert given["record"]["digest"] == again["record"]["digest"]
    assert printed["previousDigest"] == printed["digest"]

    run("KitPromoteOperator", reference=versions[1], stage="staging")
    back = run("KitRollbackOperator", repository="team/iris", stage="staging", reason="worse")
    run("KitPromoteOperator", reference=versions[1], stage="staging")
    where = (KitOpsHook().client.reference("team/iris"), "--stage", "staging", "--reason", "worse", "--key", key)
    assert differing(back, kitctl("rollback", *where), left_out={"checks"}) <= {"record"}


def test_a_decision(versions: list[str], key: Path, kitctl: Kitctl, tmp_path: Path) -> None:
    policy = tmp_path / "promotion.yaml"
    policy.write_text(POLICY)
    plan = KitOpsHook().client.plan(versions[0], stage="production", policy=PromotionPolicy.load(policy)).to_json()

    def decided(option: str, *, promote: bool = False) -> dict[str, Any]:
        event = {
            "chosen_options": [option],
            "params_input": {"comment": "seen", "ticket": None},
            "responded_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
            "responded_by_user": {"id": "bob", "name": "bob"},
        }
        task = operators.KitApprovePromotionOperator(
            task_id="decide",
            reference=versions[0],
            stage="production",
            policy=str(policy),
            role="risk",
            promote=promote,
        )
        context = {} if option == "Approve" else {"ti": SimpleNamespace(), "task": None}
        return dict(task.execute_complete(context, event, plan=plan))

    where = (versions[0], "--stage", "production", "--policy", policy, "--key", key, "--role", "risk")
    own = {"decision", "approver"}
    assert differing(decided("Approve"), kitctl("approve", *where), own=own) == {"statement"}
    promoted = decided("Approve", promote=True)
    printed = kitctl(
        "promote", versions[0], "--stage", "production", "--policy", policy, "--key", key,
        "--trust", key.with_name("trust.yaml"),
    )  # fmt: skip
    assert differing(promoted, printed, own={*own, "statement"}, left_out={"checks"}) <= {
        "previousDigest", "isNew", "isMoved", "record",
    }  # fmt: skip
    assert differing(decided("Reject"), kitctl("reject", *where), own=own) == {"statement"}
