"""Credentials are found where Docker, Podman and kit keep them, the longest path first."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from kitops_orchestration.errors import AuthenticationError
from kitops_orchestration.oci.auth import credential_store
from kitops_orchestration.oci.auth.credentials import Credential, DockerConfig, StaticCredentials
from kitops_orchestration.oci.reference import Reference

IRIS = Reference.parse("reg.example/team/iris")


def write(path, value):
    path.write_text(json.dumps(value))
    return DockerConfig([path])


def entry(username="ada", password="secret"):
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Install a credential helper called docker-credential-test that runs a shell text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def install(script):
        program = folder / "docker-credential-test"
        program.write_text(f"#!/bin/sh\nread server\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return install


@pytest.mark.parametrize("key", ["reg.example", "https://reg.example", "https://reg.example/v2/", "REG.example"])
def test_a_host_is_found_however_its_key_is_written(tmp_path, key):
    config = write(tmp_path / "config.json", {"auths": {key: entry()}})
    assert config.lookup(IRIS) == Credential("ada", "secret")


def test_the_longest_path_wins(tmp_path):
    auths = {
        "reg.example": entry("host"),
        "reg.example/team": entry("team"),
        "reg.example/team/iris": entry("iris"),
        "reg.example/team/ir": entry("not a whole part"),
    }
    config = write(tmp_path / "config.json", {"auths": auths})
    names = ["team/iris", "team/rose", "other/rose"]
    assert [config.lookup(Reference("reg.example", name)).username for name in names] == ["iris", "team", "host"]


def test_docker_hub_is_found_under_its_old_address(tmp_path):
    config = write(tmp_path / "config.json", {"auths": {"https://index.docker.io/v1/": entry()}})
    assert config.lookup(Reference.parse("docker.io/library/iris")) == Credential("ada", "secret")


def test_user_and_password_may_stand_apart_and_passwords_may_hold_colons(tmp_path):
    config = write(tmp_path / "a.json", {"auths": {"reg.example": {"username": "ada", "password": "x"}}})
    assert config.lookup(IRIS) == Credential("ada", "x")
    config = write(tmp_path / "b.json", {"auths": {"reg.example": entry(password="a:b:c")}})
    assert config.lookup(IRIS) == Credential("ada", "a:b:c")


def test_identity_and_registry_tokens_are_read(tmp_path):
    config = write(tmp_path / "a.json", {"auths": {"reg.example": {"identitytoken": "id", "registrytoken": "reg"}}})
    assert config.lookup(IRIS) == Credential(identity_token="id", access_token="reg")
    config = write(tmp_path / "b.json", {"auths": {"reg.example": entry("<token>", "refresh")}})
    assert config.lookup(IRIS) == Credential(identity_token="refresh")


def test_files_are_tried_in_order_and_missing_ones_passed_over(tmp_path):
    write(tmp_path / "b.json", {"auths": {"other.example": entry("nobody")}})
    write(tmp_path / "c.json", {"auths": {"reg.example": entry("third")}})
    config = DockerConfig([tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"])
    assert config.lookup(IRIS).username == "third"


def test_the_default_files_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("KITOPS_HOME", str(tmp_path / "kit"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    paths = DockerConfig().paths
    assert paths[:3] == (tmp_path / "docker/config.json", tmp_path / "kit/credentials.json", tmp_path / "auth.json")


def test_nothing_known_is_anonymous(tmp_path):
    assert write(tmp_path / "config.json", {}).lookup(IRIS) is None
    assert write(tmp_path / "config.json", {"auths": {"reg.example": {}}}).lookup(IRIS) is None
    assert write(tmp_path / "config.json", []).lookup(IRIS) is None


@pytest.mark.parametrize("text", ["{", "\x00"])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(AuthenticationError, match=str(path)):
        DockerConfig([path]).lookup(IRIS)


def test_a_broken_entry_is_named_without_its_content(tmp_path):
    config = write(tmp_path / "config.json", {"auths": {"reg.example": {"auth": "hunter2!"}}})
    with pytest.raises(AuthenticationError, match=r"reg\.example") as caught:
        config.lookup(IRIS)
    assert "hunter2" not in str(caught.value)


def test_a_helper_for_the_host_is_asked(tmp_path, helper):
    helper("""echo '{"Username":"'$server'","Secret":"s"}'""")
    config = write(tmp_path / "config.json", {"credHelpers": {"reg.example": "test"}, "auths": {}})
    assert config.lookup(IRIS) == Credential("reg.example", "s")


def test_the_store_is_asked_with_the_key_that_docker_saved(tmp_path, helper):
    helper("""echo '{"Username":"'$server'","Secret":"s"}'""")
    config = write(tmp_path / "config.json", {"credsStore": "test", "auths": {"https://reg.example/v1/": {}}})
    assert config.lookup(IRIS).username == "https://reg.example/v1/"


def test_a_helper_may_return_an_identity_token(tmp_path, helper):
    helper("""echo '{"Username":"<token>","Secret":"refresh"}'""")
    config = write(tmp_path / "config.json", {"credsStore": "test"})
    assert config.lookup(IRIS) == Credential(identity_token="refresh")


def test_a_helper_that_knows_nothing_is_passed_over(tmp_path, helper):
    helper("echo credentials not found in native keychain; exit 1")
    assert write(tmp_path / "config.json", {"credsStore": "test"}).lookup(IRIS) is None


def test_what_a_failing_helper_prints_is_not_repeated(tmp_path, helper):
    helper("echo hunter2 >&2; exit 3")
    with pytest.raises(AuthenticationError, match="exit status 3") as caught:
        write(tmp_path / "config.json", {"credsStore": "test"}).lookup(IRIS)
    assert "hunter2" not in str(caught.value) + str(caught.value.advice)


def test_a_missing_helper_says_what_to_install(tmp_path):
    config = write(tmp_path / "config.json", {"credHelpers": {"reg.example": "no-such-helper"}})
    with pytest.raises(AuthenticationError, match="docker-credential-no-such-helper"):
        config.lookup(IRIS)


def test_a_helper_name_cannot_name_another_program(tmp_path):
    config = write(tmp_path / "config.json", {"credsStore": "../../bin/sh"})
    with pytest.raises(AuthenticationError, match="not a credential helper"):
        config.lookup(IRIS)


def test_explicit_credentials_are_found_by_path():
    source = StaticCredentials({"https://reg.example": Credential("host"), "reg.example/team": Credential("team")})
    assert source.lookup(IRIS).username == "team"
    assert source.lookup(Reference.parse("reg.example/x/y")).username == "host"
    assert source.lookup(Reference.parse("other.example/x/y")) is None


def test_secrets_are_not_shown(tmp_path):
    credential = Credential("ada", "hunter2", "hunter3", "hunter4")
    assert "hunter" not in repr(credential)
    assert "hunter" not in repr(StaticCredentials({"reg.example": credential}))
    assert "hunter" not in repr(write(tmp_path / "c.json", {"auths": {"reg.example": entry(password="hunter2")}}))


DEEP = "[" * 100_000


def test_an_entry_that_is_no_ascii_is_no_base64(tmp_path):
    config = write(tmp_path / "config.json", {"auths": {"reg.example": {"auth": "gemälde"}}})
    with pytest.raises(AuthenticationError, match="not base64"):
        config.lookup(IRIS)


def test_a_file_nested_without_end_is_no_configuration(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(DEEP)
    with pytest.raises(AuthenticationError, match="it is not JSON"):
        DockerConfig([config]).lookup(IRIS)
    with pytest.raises(AuthenticationError, match="is not JSON"):
        credential_store.store("reg.example", Credential("ada", "hunter2"), path=config)


def test_a_helper_that_answers_nested_without_end_answers_no_credential(tmp_path, helper):
    helper("head -c 100000 /dev/zero | tr '\\0' '['")
    config = write(tmp_path / "config.json", {"credsStore": "test"})
    with pytest.raises(AuthenticationError, match="not a credential for"):
        config.lookup(IRIS)
