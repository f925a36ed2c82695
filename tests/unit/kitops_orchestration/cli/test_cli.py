"""``kitctl`` as its users meet it: what is printed where, and how it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from kitops_orchestration import __version__
from kitops_orchestration.cli.main import VERBS, main

KITFILE = 'manifestVersion: "1.0.0"\npackage: {name: iris, version: 1.0.0}\nmodel: {name: iris, path: weights.bin}\n'


class Left(NamedTuple):
    """How ``kitctl`` left."""

    status: int
    out: str
    err: str


@pytest.fixture
def kitctl(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path) -> Left:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Left(int(left.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    context = tmp_path / "iris"
    context.mkdir()
    (context / "Kitfile").write_text(KITFILE, encoding="utf-8")
    (context / "weights.bin").write_bytes(b"weights")
    return context


@pytest.fixture
def packed(kitctl, iris: Path, tmp_path: Path) -> str:
    """Two versions in a folder registry; returns the repository."""
    repository = f"file://{tmp_path}/models/iris"
    assert kitctl("pack", iris, "-t", f"{repository}:v1").status == 0
    (iris / "weights.bin").write_bytes(b"better weights")
    assert kitctl("pack", iris, "-t", f"{repository}:v2").status == 0
    return repository


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(kitctl, verb: str) -> None:
    left = kitctl(verb, "--help")
    assert left.status == 0
    assert left.out.startswith(f"Usage: kitctl {verb}")
    assert left.err == ""


def test_the_list_of_verbs_is_complete(kitctl) -> None:
    out = kitctl("--help").out
    assert [verb for verb in VERBS if f"\n  {verb} " not in out] == []


def test_an_unknown_verb_is_wrong_usage(kitctl) -> None:
    left = kitctl("nonsense")
    assert left.status == 2
    assert "nonsense" in left.err


def test_an_expected_error_says_what_to_do_and_shows_no_traceback(kitctl, tmp_path: Path) -> None:
    left = kitctl("inspect", f"file://{tmp_path}/models/iris:v1")
    assert left.status == 1
    assert "iris" in left.err
    assert "Traceback" not in left.err
    assert left.out == ""


def test_verbose_shows_the_traceback_of_an_expected_error(kitctl, tmp_path: Path) -> None:
    left = kitctl("-v", "inspect", f"file://{tmp_path}/models/iris:v1")
    assert left.status == 1
    assert "Traceback" in left.err


def test_with_json_an_expected_error_is_one_object(kitctl, tmp_path: Path) -> None:
    left = kitctl("inspect", f"file://{tmp_path}/models/iris:v1", "--json")
    assert left.status == 1
    assert json.loads(left.out)["error"] == "NotFoundError"


def test_a_text_that_is_no_reference_is_an_expected_error(kitctl) -> None:
    left = kitctl("inspect", "Not A Reference")
    assert left.status == 1
    assert "what to do" in left.err


def test_packing_to_a_registry_asks_for_push(kitctl, iris: Path) -> None:
    left = kitctl("pack", iris, "-t", "registry.example/iris:v1")
    assert left.status == 2
    assert "--push" in left.err


def test_list_shows_every_tag(kitctl, packed: str) -> None:
    rows = json.loads(kitctl("list", packed, "--json").out)["modelkits"]
    assert [(row["tag"], row["name"], row["version"]) for row in rows] == [
        ("v1", "iris", "1.0.0"),
        ("v2", "iris", "1.0.0"),
    ]


def test_diff_names_the_layer_that_changed(kitctl, packed: str) -> None:
    answer = json.loads(kitctl("diff", f"{packed}:v1", f"{packed}:v2", "--json").out)
    assert [(layer["path"], layer["change"]) for layer in answer["layers"]] == [("weights.bin", "changed")]
    assert "weights.bin" in kitctl("diff", f"{packed}:v1", f"{packed}:v2").out


def test_unpack_refuses_what_excludes_each_other(kitctl, packed: str, tmp_path: Path) -> None:
    left = kitctl("unpack", f"{packed}:v1", "-d", tmp_path / "out", "--overwrite", "--ignore-existing")
    assert left.status == 2


def test_unpack_leaves_files_that_exist(kitctl, packed: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights.bin").write_bytes(b"mine")
    left = kitctl("unpack", f"{packed}:v1", "-d", tmp_path / "out")
    assert left.status == 1
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"mine"
    assert kitctl("unpack", f"{packed}:v1", "-d", tmp_path / "out", "--overwrite").status == 0
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"weights"


def test_what_json_prints_is_one_object(kitctl, packed: str, tmp_path: Path) -> None:
    for arguments in (
        ("inspect", f"{packed}:v1"),
        ("lineage", f"{packed}:v1"),
        ("copy", f"{packed}:v1", f"file://{tmp_path}/other/iris:v1"),
        ("unpack", f"{packed}:v1", "-d", str(tmp_path / "again")),
        ("tag", f"{packed}:v1", "stable"),
        ("version",),
    ):
        left = kitctl(*arguments, "--json")
        assert left.status == 0, left.err
        assert isinstance(json.loads(left.out), dict)


def test_lineage_judges_signatures_by_a_trust_policy(kitctl, packed: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")
    assert kitctl("keygen", "-o", tmp_path / "release").status == 0
    assert kitctl("sign", f"{packed}:v1", "--key", tmp_path / "release.key").status == 0
    trust = tmp_path / "trust.yaml"
    trust.write_text(
        "version: 1\nidentities: [{id: ada@example.com, roles: [releaser], keys: [{publicKey: release.pub}]}]\n",
        encoding="utf-8",
    )
    assert "ada@example.com" in kitctl("lineage", f"{packed}:v1", "--trust", trust).out
    assert "ada@example.com" not in kitctl("lineage", f"{packed}:v1").out


def test_no_secret_is_printed(kitctl, packed: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "very secret password")
    made = kitctl("keygen", "-o", tmp_path / "release", "--json")
    monkeypatch.setenv("COSIGN_PASSWORD", "another secret password")
    refused = kitctl("-v", "sign", f"{packed}:v1", "--key", tmp_path / "release.key")
    assert refused.status == 1
    assert "secret password" not in made.out + made.err + refused.out + refused.err
    assert "PRIVATE KEY" not in made.out


def test_the_version_is_told_in_both_ways(kitctl) -> None:
    assert kitctl("--version").out == f"kitctl {__version__}\n"
    assert __version__ in kitctl("version").out.splitlines()[0]
