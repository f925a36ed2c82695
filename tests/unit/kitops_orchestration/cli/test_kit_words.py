"""What fingers used to the Kit CLI type is understood, or answered with the word that is used here."""

from __future__ import annotations

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
