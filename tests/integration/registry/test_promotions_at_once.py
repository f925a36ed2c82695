"""Many processes at one registry without compare-and-set: nobody's promotion, evidence or signature is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

MANY, SOME = 8, 4


@pytest.fixture
def client(docker_registry) -> KitClient:
    return KitClient(docker_registry.host, credentials=StaticCredentials({}))


@pytest.fixture
def pack(client, tmp_path: Path, repository_name: str):
    def packed(number: int):
        folder = tmp_path / f"context{number}"
        folder.mkdir()
        (folder / "weights.bin").write_text(f"weights {number}")
        (folder / "Kitfile").write_text(
            "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {name: iris, path: weights.bin}\n"
        )
        return client.pack(folder, f"{repository_name}/dev:1.0.{number}")

    return packed


def at_once(tmp_path: Path, commands: list[list[Any]], *, machines: int = 1) -> list[tuple[int, Any]]:
    """Run ``kitctl`` in a process for each command, all at the same time; each machine has locks of its own."""
    running = []
    for number, command in enumerate(commands):
        home = tmp_path / f"machine{number % machines}"
        environment = {**os.environ, "KITOPS_ORCHESTRATION_CACHE": str(home), "COSIGN_PASSWORD": ""}
        arguments = [sys.executable, "-m", "kitops_orchestration.cli", *map(str, command), "--json"]
        running.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment))
    ended = [(process, *process.communicate(timeout=300)) for process in running]
    for process, _, err in ended:
        assert b"Traceback" not in err, err.decode()
        assert process.returncode in (0, 1), err.decode()
    return [(process.returncode, json.loads(out)) for process, out, _ in ended]


def test_eight_processes_keep_a_linear_complete_history(client, pack, repository_name, tmp_path):
    kits = [pack(number) for number in range(MANY)]
    prod = f"{repository_name}/prod"
    to = f"{client.registry}/{prod}"

    answers = at_once(
        tmp_path, [["promote", kit.reference, "--stage", "production", "--to", to, "--reason", "race"] for kit in kits]
    )

    assert [code for code, _ in answers] == [0] * MANY, answers
    history = client.history(prod, stage="production")
    assert {entry.digest for entry in history.entries} == {kit.digest for kit in kits}
    assert [entry.record.predicate.sequence for entry in history.entries] == list(range(MANY, 0, -1))
    assert (len(history.entries), history.gaps) == (MANY, ())
    assert history.entries[0].digest == client.resolve(f"{prod}:production").digest


def test_machines_leave_one_tag_and_every_promotion_is_told(client, pack, repository_name, tmp_path):
    kits = [pack(number) for number in range(SOME)]
    prod = f"{repository_name}/prod"
    first = client.promote(pack(SOME).reference, stage="production", destination=prod)
    to = f"{client.registry}/{prod}"

    answers = at_once(
        tmp_path,
        [["promote", kit.reference, "--stage", "production", "--to", to] for kit in kits],
        machines=SOME,
    )

    won = [answer["digest"] for code, answer in answers if code == 0]
    assert {answer["error"] for code, answer in answers if code} <= {"TagMovedError"}, answers
    history = client.history(prod, stage="production")
    current = client.resolve(f"{prod}:production").digest
    assert won
    assert current in won, "whoever has the tag knows it"
    assert history.entries[0].digest == current
    assert history.entries[-1].digest == first.digest, "the chain reaches the beginning"
    told = {str(entry.digest) for entry in history.entries}
    for digest in won:
        assert digest in told or any(digest.removeprefix("sha256:")[:12] in gap for gap in history.gaps), digest


@pytest.mark.parametrize("machines", [1, SOME], ids=["one-machine", "machines"])
def test_statements_attached_at_once_are_all_listed(client, pack, repository_name, tmp_path, machines):
    kit = pack(0)
    reports = []
    for number in range(SOME):
        reports.append(tmp_path / f"report{number}.json")
        reports[-1].write_text(json.dumps({"number": number}))

    answers = at_once(
        tmp_path,
        [["attest", kit.reference, "--type", "https://example.org/report/v1", "--predicate", path] for path in reports],
        machines=machines,
    )

    assert [code for code, _ in answers] == [0] * SOME, answers
    told = client.lineage(kit.reference).reports
    assert sorted(item.statement.predicate["number"] for item in told) == list(range(SOME))


@pytest.mark.parametrize("machines", [1, SOME], ids=["one-machine", "machines"])
def test_signatures_written_at_once_are_all_there_in_both_forms(client, pack, tmp_path, machines):
    kit = pack(0)
    pairs = [generate_key_pair("") for _ in range(SOME)]
    keys = [pair.write(tmp_path / f"key{number}")[0] for number, pair in enumerate(pairs)]

    answers = at_once(tmp_path, [["sign", kit.reference, "--key", key] for key in keys], machines=machines)

    assert [code for code, _ in answers] == [0] * SOME, answers
    verdict = client.verify(kit.reference, trust=TrustPolicy.for_key(*(pair.public_key for pair in pairs)))
    for form in ("bundle", "legacy"):
        signers = {item.signer for item in verdict.signatures if item.form == form and item.counts}
        assert len(signers) == SOME, form
