"""Layouts of other tools: what has a tag is listed, the rest is named, and nothing of theirs is lost."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from kitops_orchestration.cli import main
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.reference import Reference, folder_registry

REF_NAME = "org.opencontainers.image.ref.name"
HOSTS = ("docker.io/library", "registry.example:5000/team", "localhost/a/b", "127.0.0.1:80/x", "ghcr.io/org")
TAGS = ("latest", "v1", "1.0.0", "a_b-c.d")


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "iris"))


def put(repository: LayoutRepository, name: str | None, content: str = "one") -> str:
    """Push a manifest and give its entry a name as another tool would."""
    digest = str(repository.push_manifest(Index.build([], annotations={"content": content})).digest)
    path = repository.directory / "index.json"
    document = json.loads(path.read_text())
    for entry in document["manifests"]:
        if entry["digest"] == digest and name is not None:
            entry["annotations"] = {REF_NAME: name}
    path.write_text(json.dumps(document))
    return digest


def fresh(repository: LayoutRepository) -> LayoutRepository:
    return LayoutRepository(repository.reference)


@pytest.mark.parametrize(("host", "tag"), list(product(HOSTS, TAGS)))
def test_a_whole_reference_as_a_name_is_its_tag(repository: LayoutRepository, host: str, tag: str) -> None:
    digest = put(repository, f"{host}/iris:{tag}")

    again = fresh(repository)

    assert list(again.tags()) == [tag]
    assert again.resolve(tag).digest == digest
    assert again.unlisted() == []


ODD = (
    "two words",
    "docker.io/library/iris",
    "a/b",
    "-x",
    ".x",
    "x:y",
    "a@sha256:12",
    "r.io/a:",
    "r.io/a:b/c",
    "x" * 129,
)
MORE_ODD = ("\u00e9", "a+b", "r.io/a@sha256:0:v1", "@", ":", "/", "a,b", "refs/heads/main", "v1 ", "%", "a=b", "[x]")


@pytest.mark.parametrize("name", [*ODD, *MORE_ODD])
def test_a_name_that_is_no_tag_is_named_and_kept(repository: LayoutRepository, name: str) -> None:
    digest = put(repository, name)
    put(repository, "v1", "two")

    again = fresh(repository)
    again.set_tag("mine", again.resolve(digest))

    assert list(again.tags()) == ["mine", "v1"]
    assert [name in json.dumps(line, ensure_ascii=False) or repr(name) in line for line in again.unlisted()] == [True]
    entries = json.loads((again.directory / "index.json").read_text())["manifests"]
    assert name in [entry.get("annotations", {}).get(REF_NAME) for entry in entries]


def test_the_list_names_what_has_no_line(repository: LayoutRepository, capsys: pytest.CaptureFixture[str]) -> None:
    untagged = put(repository, None)
    named = put(repository, "two words", "two")

    assert main._run(["list", str(repository.reference)]) == 0

    err = capsys.readouterr().err
    assert f"not listed: {untagged}, without a tag; it is reached by its digest" in err
    assert f"not listed: {named}, named 'two words', which is no tag" in err
