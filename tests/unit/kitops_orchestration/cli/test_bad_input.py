"""The first day: everything that people get wrong gives one error that says what, where and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kitops_orchestration.testing.registry import EmbeddedRegistry

KILO = 1024


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_unknown_key_in_the_kitfile(kitctl, kit, repository, here) -> None:
    (kit / "Kitfile").write_text((kit / "Kitfile").read_text().replace("package:", "packgae:"))
    err = kitctl("pack", kit, "-t", f"{repository}:v1").refused()
    assert "Kitfile:2: packgae: unknown key" in err
    assert not (here.parent / "registry").exists()


def test_a_kitfile_that_is_no_yaml(kitctl, kit, repository) -> None:
    (kit / "Kitfile").write_text("package: [\n")
    assert "Kitfile" in kitctl("pack", kit, "-t", f"{repository}:v1").refused()


def test_a_path_that_leaves_the_context(kitctl, kit, repository, here) -> None:
    (here / "secret").write_text("x")
    (kit / "Kitfile").write_text((kit / "Kitfile").read_text().replace("model.bin", "../secret"))
    err = kitctl("pack", kit, "-t", f"{repository}:v1").refused()
    assert "../secret" in err
    assert not (here.parent / "registry").exists()


def test_a_file_of_the_kitfile_that_is_not_there(kitctl, kit, repository, here) -> None:
    (kit / "model.bin").unlink()
    assert "'model.bin' does not exist" in kitctl("pack", kit, "-t", f"{repository}:v1").refused()
    assert not (here.parent / "registry").exists()


def test_a_directory_that_is_not_there(kitctl, repository) -> None:
    assert "there is no directory nowhere" in kitctl("pack", "nowhere", "-t", f"{repository}:v1").refused()


def test_a_directory_without_a_kitfile(kitctl, here, repository) -> None:
    (here / "empty").mkdir()
    assert "kitctl init" in kitctl("pack", here / "empty", "-t", f"{repository}:v1").refused()


def test_evidence_wants_a_tag(kitctl, packed, repository) -> None:
    assert f"{repository}:latest" in kitctl("lineage", repository).refused()


@pytest.mark.parametrize("verb", ["inspect", "unpack", "info", "diff", "copy"])
def test_a_reference_without_a_tag_is_latest_as_kit_has_it(kitctl, kit, packed, repository, here, verb) -> None:
    more = {"unpack": ["-d", here / "out"], "diff": [f"{repository}:v1"], "copy": [f"{repository}-copy"]}.get(verb, [])
    err = kitctl(verb, repository, *more).refused()
    assert "'latest'" in err
    assert "name one of its tags: v1" in err

    assert kitctl("pack", kit, "-t", repository).code == 0
    assert kitctl(verb, repository, *more).code == 0


def test_a_reference_without_a_registry(kitctl, kit) -> None:
    assert "names no registry: 'iris:v1'" in kitctl("pack", kit, "-t", "iris:v1").refused()


@pytest.mark.parametrize("reference", ["file:///tmp/IRIS:v1", "https://host/iris:v1", "host.example/iris@sha256:12"])
def test_what_is_no_reference(kitctl, reference) -> None:
    kitctl("inspect", reference).refused()


def test_a_tag_that_is_not_there(kitctl, packed, repository) -> None:
    err = kitctl("inspect", f"{repository}:v2").refused()
    assert "'v2'" in err
    assert "name one of its tags: v1" in err


def test_a_registry_that_is_down(kitctl, kit) -> None:
    err = kitctl("pack", kit, "-t", "127.0.0.1:1/team/iris:v1", "--push", "--retries", "0").refused()
    assert "127.0.0.1:1: connection refused" in err


def test_wrong_credentials(kitctl, kit, here) -> None:
    with EmbeddedRegistry(auth="basic", username="ada", password="right") as registry:
        err = kitctl("pack", kit, "-t", f"{registry.host}/team/iris:v1", "--push").refused()
        assert "kitctl login" in err


def test_pack_to_a_registry_without_push(kitctl, kit) -> None:
    ran = kitctl("pack", kit, "-t", "registry.example/team/iris:v1")
    assert ran.code == 2
    assert "add --push" in ran.err


def test_a_folder_that_may_not_be_written(kitctl, kit) -> None:
    err = kitctl("pack", kit, "-t", "file:///proc/models/iris:v1").refused()
    assert "/proc/models/iris" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else(kitctl, kit, packed, here) -> None:
    (here / "locked").mkdir(mode=0o500)
    kitctl("unpack", packed, "-d", here / "locked" / "out").refused()


def test_unpack_onto_existing_files(kitctl, packed, here) -> None:
    (here / "out").mkdir()
    (here / "out" / "model.bin").write_bytes(b"mine")
    err = kitctl("unpack", packed, "-d", here / "out").refused()
    assert "model.bin" in err
    assert "--overwrite or --ignore-existing" in err
    assert files_below(here / "out") == ["model.bin"]
    assert (here / "out" / "model.bin").read_bytes() == b"mine"


def test_unpack_onto_a_file(kitctl, packed, here) -> None:
    (here / "out").write_text("a file")
    assert "not a directory" in kitctl("unpack", packed, "-d", here / "out").refused()


def test_a_disk_that_is_full_while_packing(kitctl, kit, repository, on_a_full_disk) -> None:
    (kit / "model.bin").write_bytes(os.urandom(300 * KILO))
    err = on_a_full_disk(20 * KILO, lambda: kitctl("pack", kit, "-t", f"{repository}:v1").refused())
    assert "File too large" in err
    assert kitctl("list", repository, "--json").ok().json["modelkits"] == []


def test_a_disk_that_is_full_while_unpacking(kitctl, kit, repository, here, on_a_full_disk) -> None:
    (kit / "model.bin").write_bytes(os.urandom(300 * KILO))
    kitctl("pack", kit, "-t", f"{repository}:v1").ok()
    err = on_a_full_disk(20 * KILO, lambda: kitctl("unpack", f"{repository}:v1", "-d", here / "out").refused())
    assert "File too large" in err
    assert sorted(path.name for path in here.iterdir()) == ["kit"]


def test_a_disk_that_is_full_while_a_page_is_written(kitctl, packed, here, on_a_full_disk) -> None:
    (here / "iris.html").write_text("before")
    err = on_a_full_disk(2 * KILO, lambda: kitctl("passport", packed, "--html", here / "iris.html").refused())
    assert "File too large" in err
    assert (here / "iris.html").read_text() == "before"
    assert sorted(path.name for path in here.iterdir()) == ["iris.html", "kit"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("sign", "{packed}", "--key", "nowhere.key"),
        ("verify", "{packed}", "--key", "nowhere.pub"),
        ("verify", "{packed}", "--trust", "nowhere.yaml"),
        ("plan", "{packed}", "--stage", "production", "--policy", "nowhere.yaml"),
        ("plan", "{packed}", "--stage", "production", "--policy", "kit/Kitfile"),
        ("promote", "{packed}", "--stage", "production", "--plan", "kit/Kitfile"),
        ("attest", "{packed}", "--type", "x", "--predicate", "kit/Kitfile"),
        ("export", "{packed}", "-o", "nowhere/iris.tar"),
        ("load", "nowhere.tar", "--to", "file:///tmp/iris"),
        ("load", "kit/Kitfile", "--to", "file:///tmp/iris"),
        ("keygen", "-o", "nowhere/release"),
        ("passport", "{packed}", "--html", "nowhere/iris.html"),
        ("unpack", "{packed}", "-f", "weights", "-d", "out"),
        ("prune", "registry.example/iris"),
        ("remove", "file:///tmp/iris"),
        ("init", "nowhere"),
        ("login", "file:///tmp/models", "-u", "ada", "-p", "x"),
        ("serve", "{packed}"),
        ("smoke-test", "{packed}"),
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-1]}",
)
def test_a_file_or_a_value_that_does_not_do(kitctl, packed, arguments) -> None:
    kitctl(*(argument.format(packed=packed) for argument in arguments)).refused()


@pytest.mark.parametrize(
    "arguments",
    [
        ("pack",),
        ("pack", "kit"),
        ("pack", "kit", "-t", "file:///tmp/iris:v1", "--compression", "rar"),
        ("unpack", "file:///tmp/iris:v1", "-o", "-i"),
        ("sign", "file:///tmp/iris:v1"),
        ("verify", "file:///tmp/iris:v1"),
        ("status", "file:///tmp/iris"),
        ("pull", "a.example/iris:v1", "file:///tmp/iris:v1", "--key-file", "kit/Kitfile"),
        ("login", "registry.example", "-u", "ada", "-p", "x", "--password-stdin"),
        ("deploy", "registry.example/iris:v1"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_usage_leaves_with_2_and_points_at_the_help(kitctl, kit, arguments) -> None:
    ran = kitctl(*arguments)
    assert ran.code == 2
    assert "for help" in ran.err  # click before 8.2 points at -h, later ones at --help
    assert "Traceback" not in ran.err


def test_a_misspelt_verb_is_recognised(kitctl) -> None:
    assert "did you mean inspect" in kitctl("inspekt", "x").err


def test_an_error_is_json_too_when_json_is_asked_for(kitctl, repository) -> None:
    ran = kitctl("inspect", f"{repository}:v1", "--json")
    assert ran.code == 1
    assert ran.json["error"] == "NotFoundError"
    assert ran.json["transient"] is False
    assert ran.json["advice"]


def test_verbose_shows_the_traceback_wherever_it_stands(kitctl, repository) -> None:
    for arguments in (("-v", "inspect", f"{repository}:v1"), ("inspect", f"{repository}:v1", "-v")):
        ran = kitctl(*arguments)
        assert ran.code == 1
        assert "Traceback" in ran.err


def test_a_bug_is_named_as_one_and_leaves_with_70(kitctl, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kitops_orchestration.cli.commands.machine.version", None)
    ran = kitctl("version")
    assert ran.code == 70
    assert "this is a bug" in ran.err


def test_no_secret_is_shown_in_an_error(kitctl, monkeypatch) -> None:
    with EmbeddedRegistry(auth="basic", username="ada", password="right") as registry:
        ran = kitctl("login", registry.host, "-u", "ada", "-p", "hunter2-wrong", "-v")
    assert ran.code == 1
    assert "hunter2" not in ran.out + ran.err


def test_what_people_wrote_moves_no_cursor(kitctl, packed, key, policy, trust) -> None:
    hostile = "fine \x1b[2Kand\x07 \u202egnorw"
    kitctl("reject", packed, "--stage", "production", "--policy", policy, "--key", key, "--comment", hostile).ok()

    for ran in (
        kitctl("sign-offs", packed, "--trust", trust),
        kitctl("sign-offs", packed, "--trust", trust, "--markdown"),
        kitctl("plan", packed, "--stage", "production", "--policy", policy, "--trust", trust),
        kitctl("promote", packed, "--stage", "production", "--policy", policy, "--trust", trust),
    ):
        shown = ran.out + ran.err
        assert "gnorw" in shown
        assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_the_key_of_a_kserve_service_belongs_to_the_storage_container(kitctl, packed) -> None:
    ran = kitctl("deploy", packed, "--target", "kserve", "--key-secret", "release-key")
    assert ran.code == 2
    assert "kserve-storage" in ran.err


@pytest.mark.parametrize("days", ["1e300", "9999999"])
def test_an_approval_for_ever_is_refused(kitctl, packed, key, policy, days) -> None:
    said = ("--stage", "production", "--policy", policy, "--key", key, "--expires-in-days", days)
    assert "cannot hold" in kitctl("approve", packed, *said).refused()


@pytest.mark.parametrize("verb", ["attest", "promote"])
def test_json_that_is_nested_too_deeply_is_refused(kitctl, packed, here, verb) -> None:
    (here / "deep.json").write_text("[" * 100_000)
    options = {"attest": ("--type", "scan", "--predicate"), "promote": ("--stage", "staging", "--plan")}[verb]
    kitctl(verb, packed, *options, here / "deep.json").refused()


def test_a_mistyped_tag_is_answered_with_the_tags_there_are(kitctl, packed, repository) -> None:
    assert "name one of its tags: v1" in kitctl("inspect", f"{repository}:v9").refused()
    assert "name one of its tags: v1" in kitctl("diff", packed, f"{repository}:v9", "--json").json["advice"]


def test_a_mistyped_repository_of_a_folder_is_answered_with_those_beside_it(kitctl, packed, folder_registry) -> None:
    assert "name a repository that is there: iris" in kitctl("inspect", f"{folder_registry}/irsi:v1").refused()
    assert "name a repository that is there: iris" in kitctl("list", f"{folder_registry}/irsi").refused()


def test_a_mistyped_tag_of_a_registry_is_answered_with_the_tags_there_are(kitctl, kit, embedded_registry) -> None:
    kitctl("pack", kit, "-t", f"{embedded_registry.host}/team/iris:v1", "--push").ok()
    assert "name one of its tags: v1" in kitctl("inspect", f"{embedded_registry.host}/team/iris:v9").refused()


def test_a_name_without_a_registry_is_answered_with_this_folder(kitctl, kit, here) -> None:
    err = kitctl("pack", kit, "-t", "models/iris:v1").refused()
    assert f"a folder here is file://{here}/" in err


@pytest.mark.parametrize(("verb", "words"), [("push", "say where it goes"), ("pull", "which folder")])
def test_one_reference_where_two_are_needed_is_explained(kitctl, packed, verb, words) -> None:
    ran = kitctl(verb, packed)
    assert ran.code == 2
    assert "DESTINATION" in ran.err
    assert words in ran.err


def test_a_trust_policy_that_is_not_there(kitctl, packed, here) -> None:
    err = kitctl("lineage", packed, "--trust", here / "trust.yaml").refused()
    assert "trust.yaml: No such file or directory" in err
    assert "Errno" not in err
