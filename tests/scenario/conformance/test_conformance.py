"""The conformance cases notice a fault in a registry, a Kit CLI or a cosign, and find none where there is none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kitops_orchestration.oci.referrers import is_hidden_tag
from kitops_orchestration.testing.conformance.case import Case, Report, play
from kitops_orchestration.testing.registry import EmbeddedRegistry

MODULE = (sys.executable, "-m", "kitops_orchestration.testing.conformance")
STAND_IN = Path(__file__).parent / "stand_in.py"


@pytest.fixture
def program(tmp_path):
    """Make a program of a stand-in, with a fault if one is named."""

    def make(name: str, fault: str = "") -> Path:
        path = tmp_path / name
        line = f"STAND_IN_FAULT='{fault}' PYTHONWARNINGS=ignore exec {sys.executable} {STAND_IN} {name}"
        path.write_text(f'#!/bin/sh\n{line} "$@"\n')
        path.chmod(0o755)
        return path

    return make


def conformance(*arguments: object) -> tuple[int, dict]:
    done = subprocess.run([*MODULE, "--json", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def broken(report: dict) -> list[str]:
    return [case["promise"] for case in report["cases"] if case["result"] == "broken"]


def test_the_embedded_registry_keeps_every_promise() -> None:
    status, report = conformance()
    assert (status, broken(report)) == (0, [])
    assert report["counts"] == {"kept": len(report["cases"]), "broken": 0, "left out": 0}
    assert len(report["cases"]) > 15


def test_a_registry_is_left_without_our_tags(embedded_registry: EmbeddedRegistry) -> None:
    status, report = conformance("--registry", f"{embedded_registry.host}/team/conformance")
    assert (status, broken(report)) == (0, [])
    names = embedded_registry.storage.repositories()
    assert len(names) > 15
    tags = {tag for name in names for tag in embedded_registry.storage.tags(name) or ()}
    assert {tag for tag in tags if not is_hidden_tag(tag)} == set()


def test_a_registry_that_forgets_part_of_its_tags_is_noticed(embedded_registry: EmbeddedRegistry) -> None:
    where, many = f"{embedded_registry.host}/team/conformance", "tags are listed"
    embedded_registry.behaviour.page_size = 50
    status, report = conformance("--registry", where, "--only", many)
    assert (status, broken(report)) == (0, [])

    embedded_registry.behaviour.page_size = 50
    embedded_registry.behaviour.link = "foreign"  # which a client must not follow
    status, report = conformance("--registry", where, "--only", many)
    assert (status, broken(report)) == (1, ["all of 120 tags are listed"])


def test_the_kit_cli_is_tried(program) -> None:
    status, report = conformance("--kit", program("kit"))
    assert (status, broken(report)) == (0, [])
    assert report["counts"]["kept"] == len(report["cases"]) == 31
    assert report["against"]["kit"] == "Version: 1.15.0 (a stand-in)"


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("packs one byte more", "kit packs the bytes that we pack: one file"),
        ("loses hidden files", "kit unpacks what we packed: an empty file and an empty name"),
        ("forgets who may be executed", "kit unpacks what we packed: a file that may be executed"),
        ("tells another digest", "kit inspects what we packed by the digest that we tell"),
    ],
)
def test_a_fault_of_the_kit_cli_is_noticed(program, fault, noticed) -> None:
    status, report = conformance("--kit", program("kit", fault), "--only", noticed)
    assert (status, broken(report)) == (1, [noticed])


def test_cosign_is_tried(program) -> None:
    status, report = conformance("--cosign", program("cosign"))
    assert (status, broken(report)) == (0, [])
    assert report["counts"]["kept"] == 5


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("accepts everything", ["cosign refuses what we signed with another key", "cosign refuses what nobody signed"]),
        ("signs nothing", ["we accept what cosign signed with a key that we made"]),
    ],
)
def test_a_fault_of_cosign_is_noticed(program, fault, noticed) -> None:
    status, report = conformance("--cosign", program("cosign", fault))
    assert (status, broken(report)) == (1, noticed)


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run([*MODULE, "--kit", "/no/such/kit"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/no/such/kit" in done.stderr


def test_an_address_is_taken_with_its_scheme_and_without_a_path(embedded_registry: EmbeddedRegistry) -> None:
    status, report = conformance("--registry", f"http://{embedded_registry.host}/", "--only", "moves")
    assert (status, broken(report), report["counts"]["kept"]) == (0, [], 1)
    assert report["against"]["registry"] == f"{embedded_registry.host}/conformance"
    assert {name.split("/")[0] for name in embedded_registry.storage.repositories()} == {"conformance"}


def test_a_folder_is_tried(tmp_path: Path) -> None:
    status, report = conformance("--registry", f"file://{tmp_path}/registry", "--only", "round trip: one file")
    assert (status, broken(report), report["counts"]["kept"]) == (0, [], 1)


def test_a_registry_that_is_not_there_is_no_broken_promise() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{nobody_listens.getsockname()[1]}/team"
        done = subprocess.run([*MODULE, "--json", "--registry", where], capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, said["error"], said["transient"]) == (1, "RegistryUnavailableError", True)
    assert "cases" not in said
    assert done.stderr.count("connection refused") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--registry", "/a/folder"], "file:///FOLDER"),
        (["--registry", "ftp://elsewhere.example/team"], "HOST/PATH"),
        (["--registry", "file:///a/folder", "--kit", "kit"], "speak to no folder"),
        (["--only", "no such words"], "'no such words'"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_tried(arguments: list[str], said: str) -> None:
    done = subprocess.run([*MODULE, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_nothing_tried_is_not_conformant() -> None:
    assert not Report(()).is_conformant
    (outcome,) = play([Case("kit", "told", lambda: "it is not so")])
    assert (outcome.result, outcome.why) == ("broken", "it is not so")
