"""What fingers used to the Kit CLI type is understood, or answered with the word that is used here."""

from __future__ import annotations

import shlex

import pytest


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("inspect", "registry.example/iris:v1", "--remote"), "a reference says where it is"),
        (("info", "registry.example/iris:v1", "-r"), "a reference says where it is"),
        (("unpack", "registry.example/iris:v1", "--model"), "--filter model"),
        (("remove", "registry.example/iris:v1", "--force"), "nothing has to be forced"),
        (("list", "registry.example/iris", "--log-level", "debug"), "-v"),
    ],
)
def test_an_option_that_only_the_kit_cli_has_is_explained(kitctl, arguments, hint) -> None:
    ran = kitctl(*arguments)
    assert ran.code == 2
    assert hint in ran.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("pack", "iris"), "`kitctl pack iris -t {here}/models/iris:v1`"),
        (("pack", "iris", "--push"), "`kitctl pack iris -t {here}/models/iris:v1`"),
        (("list",), "`kitctl list {here}/models`"),
        (
            ("push", "registry.example/team/iris:v1"),
            "`kitctl push {here}/models/iris:v1 registry.example/team/iris:v1`",
        ),
        (("push", "registry.example/team/iris:v1"), "`kitctl pack DIRECTORY -t registry.example/team/iris:v1 --push`"),
        (
            ("pull", "registry.example/team/iris:v1"),
            "`kitctl pull registry.example/team/iris:v1 {here}/models/iris:v1`",
        ),
        (("dev",), "`kitctl serve REFERENCE > serve.log 2>&1 &`"),
        (("dev", "stop"), "`kill $!` ends it"),
        (("dev", "logs"), "serve.log"),
        (("dev", "start", "iris"), "`kitctl serve REFERENCE > serve.log 2>&1 &`"),
        (("serve", "registry.example/iris:v1", "--detach"), "`kill $!` ends it"),
        (("serve", "--stop"), "`kill $!` ends it"),
        (("serve", "--logs"), "serve.log"),
    ],
)
def test_what_needs_the_store_or_the_server_of_the_kit_cli_is_answered_with_the_line_to_write(
    kitctl, here, arguments, line
) -> None:
    ran = kitctl(*arguments)
    assert ran.code == 2
    assert line.format(here=f"file://{here}") in ran.err
    as_json = kitctl(*arguments, "--json")
    assert as_json.code == 2
    assert line.format(here=f"file://{here}") in as_json.json["message"]


@pytest.mark.parametrize("name", ["kit", "My Model (2)", "Ж"])
def test_the_line_that_a_pack_without_a_tag_is_answered_with_packs(kitctl, kit, name) -> None:
    said = kitctl("pack", kit.rename(kit.with_name(name))).err
    line = said[said.index("`kitctl ") + 1 :].partition("`")[0]
    kitctl(*shlex.split(line)[1:]).ok()


def test_a_missing_argument_of_another_verb_is_told_as_it_is(kitctl) -> None:
    assert "store" not in kitctl("inspect").err


def test_a_mistyped_option_is_still_corrected(kitctl) -> None:
    assert "--filter" in kitctl("unpack", "registry.example/iris:v1", "--fliter", "model").err


@pytest.mark.parametrize("flag", ["-v", "-vv", "-vvv", "--verbose"])
def test_verbose_may_stand_anywhere_and_shows_the_traceback(kitctl, repository, flag) -> None:
    assert "Traceback" in kitctl("inspect", f"{repository}:v1", flag).err


def test_what_follows_two_dashes_is_no_option(kitctl) -> None:
    ran = kitctl("inspect", "--", "-v")
    assert "Traceback" not in ran.err
    assert "'-v'" in ran.err


def test_a_tag_may_be_a_whole_reference_of_the_same_repository(kitctl, packed, repository) -> None:
    assert (
        kitctl("tag", packed, f"{repository}:best", "--json").ok().json["reference"].startswith(f"{repository}:best@")
    )


def test_a_tag_in_another_repository_is_a_copy(kitctl, packed, repository) -> None:
    ran = kitctl("tag", packed, f"{repository}-too:best")
    assert ran.code == 2
    assert f"kitctl copy {packed} {repository}-too:best" in ran.err
    assert kitctl("tag", packed, repository).code == 2


def test_init_is_forced_by_its_short_flag(kitctl, kit) -> None:
    kitctl("init", kit, "-f").ok()


def test_a_client_certificate_is_found_under_the_kit_clis_variables(kitctl, here, monkeypatch) -> None:
    monkeypatch.setenv("KITOPS_CLIENT_CERT", str(here / "ada.pem"))
    err = kitctl("inspect", "registry.invalid/iris:v1").refused()
    assert "cannot use the TLS files" in err
    assert str(here / "ada.pem") in err
