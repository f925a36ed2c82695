"""314 Kitfiles, and what the Kit CLI made of each: config and layers, or its refusal."""

from __future__ import annotations

import json
import os
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import KitfileError, KitOpsError, NotFoundError
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile.rules import parent_reference
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

CASES = json.loads((Path(__file__).parents[4] / "data" / "kitfile_cases.json").read_text())
ON_PURPOSE = {
    "manifestVersion: 1.0.0\nmodel: {path: ..}\n": "a path that leaves the context is an error, not an empty layer",
    "manifestVersion: 1.0.0\nprompts: [{path: f}]\n": "the Kit CLI knows prompts since 1.9",
    "manifestVersion: 1.0.0\ndatasets: [{path: f, remotePath: s3://x/y, remoteHash: z}]\n": "remote data since 1.8",
}
HEAD = "manifestVersion: 1.0.0\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Return the folder that the cases were packed from."""
    root = tmp_path / "context"
    root.mkdir()
    root.chmod(0o755)
    for name, content in CASES["context"].items():
        path = root / name
        if path.parent != root:
            path.parent.mkdir()
            path.parent.chmod(0o755)
        if content.startswith("link to "):
            path.symlink_to(content.removeprefix("link to "))
        elif content == "a FIFO":
            os.mkfifo(path)
        else:
            path.write_text(content)
            path.chmod(0o644)
    return root


def no_registry(reference: Reference) -> Repository:
    """Stand for a registry without the parent: on localhost:5000, which a case names, may be anything."""
    raise NotFoundError(f"{reference} is not there")


def outcome(context: Path, repository: LayoutRepository) -> dict[str, Any]:
    """Pack and tell what came of it, in the words of the cases."""
    try:
        packed = pack(context, repository, strict="kit", open_parent=no_registry)
    except KitOpsError:
        return {"accepted": False}
    layers = [[layer.descriptor.media_type, layer.digest, layer.descriptor.size] for layer in packed.layers]
    return {"accepted": True, "config": packed.kitfile.to_config().decode(), "layers": layers}


def test_every_kitfile_is_read_as_the_kit_cli_read_it(context: Path, repository: LayoutRepository) -> None:
    different = []
    for case in CASES["cases"]:
        (context / "Kitfile").write_text(case["kitfile"])
        expected = {key: value for key, value in case.items() if key != "kitfile"}
        if outcome(context, repository) != expected:
            different.append(case["kitfile"])

    assert sorted(different) == sorted(ON_PURPOSE)
    assert len(CASES["cases"]) == 314


LISTS = {
    "code": ("code:{}", "{path: f}"),
    "docs": ("docs:{}", "{path: f}"),
    "datasets": ("datasets:{}", "{name: d, path: f}"),
    "prompts": ("prompts:{}", "{path: f}"),
    "parts": ("model:\n  path: g\n  parts:{}", "{path: f}"),
    "authors": ("package:\n  name: p\n  authors:{}", "Bob"),
    "mcpServers": ("mcpServers:{}", "{name: s, path: f.mcpb}"),
}
NULLS = ("", "~", "null", "!!null ''")
PLACES = ("alone", "first", "last", "between")


@pytest.mark.parametrize(("name", "null", "place"), list(product(LISTS, NULLS, PLACES)))
def test_a_list_item_without_content_is_none(name: str, null: str, place: str) -> None:
    template, item = LISTS[name]
    second = item.replace("f", "h", 1).replace("Bob", "Ann").replace("name: d", "name: e").replace("name: s", "name: t")
    order = {"alone": [null], "first": [null, item], "last": [item, null], "between": [item, null, second]}[place]
    if name == "mcpServers":
        second = "{name: t, path: h.mcpb}"
        order = [second if text.startswith("{name: t") else text for text in order]
    kept = [text for text in order if text != null]

    with_null = Kitfile.parse(HEAD + template.format("".join(f"\n    - {text}" for text in order)) + "\n")
    without = Kitfile.parse(HEAD + template.format("".join(f"\n    - {text}" for text in kept) or " []") + "\n")

    assert with_null == without


@pytest.mark.parametrize("escape", [f"\\u{code:04x}" for code in (*range(0xD800, 0xE000, 0x80), 0xDBFF, 0xDFFF)])
@pytest.mark.parametrize("field", ["package: {{name: {}}}", "model: {{path: f, parameters: {{k: {}}}}}"])
def test_half_a_character_is_refused(escape: str, field: str) -> None:
    for text in (f'"{escape}"', f'"x{escape}\\ude00"'):
        with pytest.raises(KitfileError, match="surrogate") as raised:
            Kitfile.parse(HEAD + field.format(text) + "\n")
        assert "Kitfile:2" in str(raised.value)


def test_a_character_beyond_the_first_plane_is_written_with_eight_digits() -> None:
    assert Kitfile.parse(HEAD + 'package: {name: "\\U0001F600"}\n').package.name == "\U0001f600"


@pytest.mark.parametrize("version", [f"{major}.{minor}" for major, minor in product((0, 1, 2), range(8))])
def test_only_yaml_1_1_may_be_declared(version: str) -> None:
    text = f"%YAML {version}\n---\n{HEAD}"
    if version == "1.1":
        assert Kitfile.parse(text).manifest_version == "1.0.0"
    else:
        with pytest.raises(KitfileError, match="not YAML"):
            Kitfile.parse(text)


@pytest.mark.parametrize("sign", "0abtnvfre\"'\\N_LP /(xzq?cd1")
def test_escapes_are_those_of_the_kit_clis_parser(sign: str) -> None:
    known = sign in "0abtnvfre\"'\\N_LP "
    text = HEAD + f'package: {{description: "a\\{sign}b"}}\n'
    if known:
        assert Kitfile.parse(text).package.description[0] == "a"
    else:
        with pytest.raises(KitfileError, match="not YAML"):
            Kitfile.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "Model",
        "MODEL",
        "mOdel",
        "model ",
        "Code",
        "CODE",
        "Datasets",
        "dataSets",
        "Docs",
        "Package",
        "manifestversion",
        "ManifestVersion",
        "PACKAGE",
        "Prompts",
        "PROMPTS",
        "mcpservers",
        "MCPServers",
        "McpServers",
        "docS",
        "coDe",
    ],
)
def test_keys_have_one_spelling(key: str) -> None:
    text = f"{HEAD}{key}: []\n" if key != "model " else f'{HEAD}"model ": []\n'
    with pytest.raises(KitfileError):
        Kitfile.parse(text)


WAYS = ["a", "./a", "a/", "./a/", "a/.", "././a", "b/../a", ".//a"]
SECTIONS = ["code: [{{path: {}}}, {{path: {}}}]", "docs: [{{path: {}}}]\ncode: [{{path: {}}}]"]


@pytest.mark.parametrize(("ways", "section"), list(product(combinations(WAYS, 2), SECTIONS)))
def test_one_path_in_two_ways_is_the_same_path(ways: tuple[str, str], section: str) -> None:
    with pytest.raises(KitfileError, match="same path"):
        Kitfile.parse(HEAD + section.format(*ways) + "\n")


NOTHING = ["", " ", " ~", " null", " Null", " NULL", " !!null ''", "   # nobody yet"]
AROUND = [("", ""), ("package: {name: p}\n", ""), ("", "code: [{path: f}]\n"), ("package:\n", "docs: [{path: g}]\n")]


@pytest.mark.parametrize(("nothing", "around"), list(product(NOTHING, AROUND)))
def test_a_model_with_nothing_behind_it_is_no_model(nothing: str, around: tuple[str, str]) -> None:
    before, after = around
    with_it = Kitfile.parse(f"{HEAD}{before}model:{nothing}\n{after}")
    without = Kitfile.parse(f"{HEAD}{before}{after}")
    assert with_it.model is None
    assert with_it.to_config() == without.to_config()


NAMES = ["code", "a/b", "my-model", "a.b", "a_b", "localhost/a", "reg.example/a/b", "reg.example:5000/a"]
TARGETS = [":src", ":v1.0", ":A_b-c", f"@sha256:{'0' * 64}"]


@pytest.mark.parametrize(("name", "target"), list(product(NAMES, TARGETS)))
def test_a_path_that_reads_as_a_reference_is_one_and_with_a_dot_before_it_a_file(name: str, target: str) -> None:
    found = parent_reference(name + target)
    assert found is not None
    assert f":{found.tag}" == target or f"@{found.digest}" == target
    assert parent_reference(f"./{name}{target}") is None
    assert (parent_reference(name) is None) == (":" not in name)  # a port is enough
