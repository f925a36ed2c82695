"""``kitctl list``: a repository, a whole folder, and the forms of the Kit CLI."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def shelf(kitctl, kit, copy_of, folder_registry) -> str:
    """A folder registry with two repositories: one ModelKit with two tags, one without a data set."""
    kitctl("pack", kit, "-t", f"{folder_registry}/team/iris:v1,latest").ok()
    bare = copy_of(kit, "bare")
    (bare / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: bare}\nmodel: {path: model.bin}\n")
    kitctl("pack", bare, "-t", f"{folder_registry}/bare:v9").ok()
    return folder_registry


def test_a_whole_folder_is_listed_by_repository(kitctl, shelf) -> None:
    out = kitctl("list", shelf).ok().out
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["bare", "v9"],
        ["team/iris", "latest"],
        ["team/iris", "v1"],
    ]
    answer = kitctl("list", shelf + "/", "--json").ok().json
    assert answer["registry"] == shelf
    assert [item["reference"] for item in answer["modelkits"]] == [
        f"{shelf}/bare:v9",
        f"{shelf}/team/iris:latest",
        f"{shelf}/team/iris:v1",
    ]


def test_a_folder_of_folders_is_a_registry_as_well(kitctl, shelf) -> None:
    assert [item["tag"] for item in kitctl("list", f"{shelf}/team", "--json").ok().json["modelkits"]] == [
        "latest",
        "v1",
    ]


def test_a_folder_without_modelkits_says_so(kitctl, here) -> None:
    assert "has no ModelKits" in kitctl("list", f"file://{here}").ok().err


def test_the_embedded_registry_is_listed_by_its_catalogue(kitctl, kit, embedded_registry) -> None:
    kitctl("pack", kit, "-t", f"{embedded_registry.host}/team/iris:v1", "--push").ok()
    answer = kitctl("list", embedded_registry.host, "--json").ok().json
    assert [item["reference"] for item in answer["modelkits"]] == [f"{embedded_registry.host}/team/iris:v1"]


def test_a_registry_without_a_catalogue_asks_for_a_repository(kitctl, embedded_registry) -> None:
    embedded_registry.fail_next(path_contains="_catalog", status=404, code="NOT_FOUND")
    err = kitctl("list", embedded_registry.host).refused()
    assert f"name one: {embedded_registry.host}/repository" in err


def test_json_has_the_members_that_the_kit_cli_prints(kitctl, shelf) -> None:
    bare, iris = kitctl("list", shelf, "--format", "json").ok().json
    assert list(iris) == ["repo", "digest", "tags", "modelName", "size", "author"]
    assert iris["repo"] == f"{shelf}/team/iris"
    assert iris["tags"] == ["latest", "v1"]
    assert (iris["modelName"], iris["author"]) == ("iris", "Ada")
    assert iris["size"] > bare["size"]


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("{{ .ModelName }} {{.Tags}} {{ .Author }}", "iris [latest v1] Ada"),
        ("{{ index .Tags 0 }}{{ index .Tags 7 }}", "latest"),
        ("{{range .Tags}}<{{.}}>{{end}}", "<latest><v1>"),
        ("{{ .Size }}\n", r"\d+"),
        ("{{ .Repo }}@{{ .Digest }}", r"file://.*/team/iris@sha256:[0-9a-f]{64}"),
    ],
)
def test_a_template_is_printed_once_for_each_modelkit(kitctl, shelf, template, printed) -> None:
    out = kitctl("list", f"{shelf}/team/iris", "--format", template).ok().out
    assert re.fullmatch(printed.replace("[latest v1]", r"\[latest v1\]") + "\n", out)


@pytest.mark.parametrize(
    "template", ["{{ .Name }}", "{{ . }}", "{{ range .Tags }}", "{{ end }}", "{{ .Repo", "}}", "{{ len .Tags }}"]
)
def test_a_template_that_is_not_understood_says_what_is(kitctl, shelf, template) -> None:
    ran = kitctl("list", shelf, "--format", template)
    assert ran.code == 2
    assert "the template has" in ran.err


def test_only_modelkits_with_a_part_are_listed(kitctl, shelf) -> None:
    assert [item["tags"] for item in kitctl("list", shelf, "-f", "datasets", "--format", "json").ok().json] == [
        ["latest", "v1"]
    ]
    assert kitctl("list", shelf, "-f", "datasets:nothing", "--json").ok().json["modelkits"] == []
