"""``.kitignore`` decides what moby's patternmatcher decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.ignore import ALWAYS, IgnoreRules, read_patterns
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

DATA = Path(__file__).parents[4] / "data"
GOLDEN = json.loads((DATA / "kitignore_golden.json").read_text())["cases"]


def test_patterns_decide_as_in_moby() -> None:
    for case in GOLDEN:
        rules = IgnoreRules([*read_patterns(case["file"]), *ALWAYS])
        assert {path: rules.ignores(path) for path in case["paths"]} == case["paths"], case["file"]


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("*.md", "a.md", True),
        ("*.md", "docs/a.md", False),
        ("**/*.md", "docs/deep/a.md", True),
        ("/logs/", "logs/a/b", True),
        ("data/**", "data/a", True),
        ("data/**", "data", False),
        ("**cache", "mycache", True),
        ("**/cache", "mycache", False),
        ("*.bin\n!keep.bin", "keep.bin", False),
        ("a\n!a/b\na/b/c", "a/b/c", True),
        ("\ufeffx", "x", True),
        ("# x\n\n  y  ", "y", True),
        ("\\#x", "#x", True),
        ("f[0-9].txt", "f7.txt", True),
        ("f[^0-9].txt", "f7.txt", False),
        ("", "sub/Kitfile", False),
        ("!Kitfile", "Kitfile", True),
    ],
)
def test_pattern_language(text: str, path: str, ignored: bool) -> None:
    assert IgnoreRules([*read_patterns(text), *ALWAYS]).ignores(path) is ignored


@pytest.mark.parametrize("pattern", ["[", "[]", "a[b", "[z-a]", "[-a]", "x\\", "!"])
def test_bad_patterns_are_named(pattern: str) -> None:
    with pytest.raises(ModelKitError, match="pattern"):
        IgnoreRules([pattern])


def test_files_taken_back_arrive_with_their_directories(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context(
        {
            "Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: .}\n",
            ".kitignore": "logs\n!logs/keep/this.log\n",
            "logs/keep/this.log": "kept",
            "logs/other.log": "dropped",
        }
    )
    pack(context, repository, tag="v1")

    unpack(repository, "v1", tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").rglob("*.log")) == ["this.log"]


def test_exclude_adds_patterns_for_one_pack(
    make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context(
        {
            "Kitfile": "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n",
            "m/a.bin": "1",
            "m/a.tmp": "2",
        }
    )
    pack(context, repository, tag="v1", exclude=["**/*.tmp"])

    assert unpack(repository, "v1", tmp_path / "out").files == 2  # a.bin and the Kitfile
