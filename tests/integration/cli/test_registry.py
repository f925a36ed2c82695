"""The way through a real registry: log in, push, look, pull, deploy, log out."""

from __future__ import annotations

import json
from pathlib import Path

import yaml


def test_login_is_checked_kept_and_used(kitctl, kit, docker_registry_with_auth, repository_name, environment) -> None:
    registry = docker_registry_with_auth
    reference = f"{registry.host}/{repository_name}:v1"
    refused = kitctl("pack", kit, "-t", reference, "--push")
    assert refused.returncode == 1
    assert "kitctl login" in refused.stderr

    wrong = kitctl("login", registry.host, "-u", registry.username, "--password-stdin", text="guess\n")
    assert wrong.returncode == 1
    assert "does not let" in wrong.stderr
    config = Path(environment["DOCKER_CONFIG"]) / "config.json"
    assert not config.exists()

    right = kitctl("login", registry.host, "-u", registry.username, "--password-stdin", text=f"{registry.password}\n")
    assert right.returncode == 0, right.stderr
    assert config.stat().st_mode & 0o777 == 0o600
    assert registry.password not in right.stdout + right.stderr

    packed = kitctl("pack", kit, "-t", reference, "--push", "--json")
    assert packed.returncode == 0, packed.stderr
    assert json.loads(packed.stdout)["reference"].startswith(reference + "@")
    doctor = json.loads(kitctl("doctor", registry.host, "--json").stdout)
    verdicts = {finding["name"]: finding["verdict"] for finding in doctor["findings"]}
    assert {name: verdicts[name] for name in ("registry", "credentials", "clock")} == {
        "registry": "ok",
        "credentials": "ok",
        "clock": "ok",
    }

    assert kitctl("logout", registry.host).returncode == 0
    assert kitctl("inspect", reference).returncode == 1


def test_a_password_on_the_command_line_is_warned_about(kitctl, docker_registry_with_auth) -> None:
    registry = docker_registry_with_auth
    done = kitctl("login", registry.host, "-u", registry.username, "-p", registry.password)
    assert done.returncode == 0
    assert "history" in done.stderr


def test_login_without_a_terminal_does_not_hang(kitctl, docker_registry_with_auth) -> None:
    done = kitctl("login", docker_registry_with_auth.host, "-u", "ada", timeout=20)
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr


def test_login_keeps_what_else_is_in_the_file(kitctl, docker_registry_with_auth, environment) -> None:
    registry = docker_registry_with_auth
    folder = Path(environment["DOCKER_CONFIG"])
    folder.mkdir()
    before = {"auths": {"other.example": {"auth": "YTpi"}}, "HttpHeaders": {"X": "y"}}
    (folder / "config.json").write_text(json.dumps(before))
    kitctl("login", registry.host, "-u", registry.username, "--password-stdin", text=registry.password)
    during = json.loads((folder / "config.json").read_text())
    assert during["auths"].keys() == {"other.example", registry.host}
    kitctl("logout", registry.host)
    assert json.loads((folder / "config.json").read_text()) == before
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_login_hands_the_password_to_a_credential_helper(
    kitctl, docker_registry_with_auth, environment, tmp_path
) -> None:
    registry = docker_registry_with_auth
    programs = tmp_path / "programs"
    programs.mkdir()
    helper = programs / "docker-credential-test"
    helper.write_text(f'#!/bin/sh\ncat > {tmp_path}/"$1".json\n')
    helper.chmod(0o755)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    folder = Path(environment["DOCKER_CONFIG"])
    folder.mkdir()
    (folder / "config.json").write_text('{"credsStore": "test"}')
    done = kitctl("login", registry.host, "-u", registry.username, "--password-stdin", text=registry.password)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "store.json").read_text())["Secret"] == registry.password
    assert "auth" not in json.loads((folder / "config.json").read_text())["auths"][registry.host]


def test_what_is_in_a_registry_moves_and_deploys(kitctl, kit, docker_registry, repository_name, tmp_path) -> None:
    reference = f"{docker_registry.host}/{repository_name}:v1"
    packed = json.loads(kitctl("pack", kit, "-t", f"{reference},latest", "--push", "--json").stdout)
    listed = json.loads(kitctl("list", reference.rpartition(":")[0], "--json").stdout)
    assert [item["tag"] for item in listed["modelkits"]] == ["latest", "v1"]

    pulled = json.loads(kitctl("pull", reference, f"file://{tmp_path}/models/iris:v1", "--json").stdout)
    assert pulled["digest"] == packed["digest"]

    pinned = f"{docker_registry.host}/{repository_name}@{packed['digest']}"
    for target in ("kubernetes", "kserve", "compose"):
        done = kitctl("deploy", reference, "--target", target, "--name", "iris")
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(done.stdout)
        assert pinned in done.stdout
    assert pinned in kitctl("deploy", reference, "--target", "dockerfile").stdout
    image = kitctl("deploy", reference, "--target", "image", "--image-tag", "image", "--json")
    assert json.loads(image.stdout)["modelkit"].endswith(packed["digest"])


def test_the_repositories_of_a_registry_are_listed(kitctl, kit, docker_registry, repository_name) -> None:
    kitctl("pack", kit, "-t", f"{docker_registry.host}/{repository_name}:v1", "--push")
    listed = json.loads(kitctl("list", docker_registry.host, "--json").stdout)
    assert f"{docker_registry.host}/{repository_name}:v1" in [item["reference"] for item in listed["modelkits"]]


def test_the_catalogue_is_asked_for_with_the_credentials(
    kitctl, kit, docker_registry_with_auth, repository_name
) -> None:
    registry = docker_registry_with_auth
    assert "kitctl login" in kitctl("list", registry.host).stderr
    kitctl("login", registry.host, "-u", registry.username, "--password-stdin", text=registry.password)
    kitctl("pack", kit, "-t", f"{registry.host}/{repository_name}:v1", "--push")
    assert repository_name in kitctl("list", registry.host).stdout


def test_deleting_a_tag_where_the_registry_cannot_is_told(kitctl, kit, docker_registry, repository_name) -> None:
    reference = f"{docker_registry.host}/{repository_name}:v1"
    kitctl("pack", kit, "-t", reference, "--push")
    done = kitctl("remove", reference)
    assert done.returncode in (0, 1)  # registries of version 2 cannot delete a tag alone, those of version 3 can
    if done.returncode:
        assert "delete tag" in done.stderr
        assert "what to do" in done.stderr


def test_a_deletion_is_done_where_the_registry_can(kitctl, kit, embedded_registry) -> None:
    reference = f"{embedded_registry.host}/team/iris:v1"
    kitctl("pack", kit, "-t", reference, "--push")
    assert kitctl("remove", reference).returncode == 0
    assert kitctl("inspect", reference).returncode == 1
