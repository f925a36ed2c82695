from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection

from airflow_kitops.hooks.connection import read_connection
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference


def settings(*, extra: dict | None = None, **fields):
    connection = Connection(conn_id="c", conn_type="kitops", extra=json.dumps(extra or {}), **fields)
    return read_connection(connection, connection.extra_dejson)


@pytest.mark.parametrize(
    ("host", "port", "registry"),
    [
        ("ghcr.io", None, "ghcr.io"),
        ("https://ghcr.io/", None, "ghcr.io"),
        ("localhost", 5000, "localhost:5000"),
        ("file:///shared/models", None, "file:///shared/models"),
        ("file:///shared/models", 5000, "file:///shared/models"),
        ("::1", 5000, "[::1]:5000"),
        ("[::1]", 5000, "[::1]:5000"),
        (None, None, None),
    ],
)
def test_the_host_is_the_registry(host: str | None, port: int | None, registry: str | None) -> None:
    assert settings(host=host, port=port).registry == registry


def test_a_folder_registry_survives_the_uri_that_a_worker_gets() -> None:
    stored = Connection(
        conn_id="c", conn_type="kitops", host="file:///shared/models", extra=json.dumps({"plain_http": True})
    )
    read = Connection.from_uri(stored.get_uri(), conn_id="c")
    assert read_connection(read, read.extra_dejson).registry == "file:///shared/models"
    assert read_connection(read, read.extra_dejson).plain_http is True


def looked_up(registry: str = "ghcr.io", **fields):
    source = settings(host=registry, **fields).credentials
    assert source is not None
    return source.lookup(Reference.parse(f"{registry}/team/iris:v1"))


def test_user_name_and_password_are_used_without_an_authentication_type() -> None:
    credential = looked_up(login="me", password="geheim123")
    assert (credential.username, credential.password) == ("me", "geheim123")


def test_a_token_is_a_bearer_token() -> None:
    assert looked_up(password="geheim123", extra={"auth_type": "token"}).access_token == "geheim123"


def test_anonymous_looks_nothing_up() -> None:
    assert looked_up(login="me", password="geheim123", extra={"auth_type": "anonymous"}) is None


def test_docker_config_of_another_folder_is_read(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": {"auth": "bWU6Z2VoZWltMTIz"}}}))
    credential = looked_up(extra={"auth_type": "docker_config", "docker_config_dir": str(tmp_path)})
    assert (credential.username, credential.password) == ("me", "geheim123")


def test_credentials_are_not_in_the_representation() -> None:
    assert "geheim123" not in repr(settings(host="ghcr.io", login="me", password="geheim123"))


@pytest.mark.parametrize(
    ("value", "fact"), [(True, True), ("True", True), ("false", False), ("auto", None), ("", None), (None, None)]
)
def test_a_boolean_may_arrive_as_text(value: object, fact: bool | None) -> None:
    assert settings(extra={"plain_http": value}).plain_http is fact


@pytest.mark.parametrize(
    "extra",
    [
        {"auth_type": "kerberos"},
        {"auth_type": "basic"},
        {"plain_http": "perhaps"},
        {"max_concurrency": "many"},
        {"max_concurrency": 0},
        {"max_concurrency": 3.7},
        {"max_concurrency": True},
        {"max_concurrency": float("inf")},
        {"ca_bundle": True},
        {"docker_config_dir": 5},
        {"token_realms": 5},
        {"registries": "{"},
        {"registries": ["a"]},
        {"registries": {"a.example": 5}},
        {"registries": {"a.example": {"password": "geheim-1234"}}},
        {"registries": {"a.example": {"plain_http": "perhaps"}}},
        {"token_realms": ["auth.example", 5]},
        {"trust_policy": ["trust.yaml"]},
        {"web_url_template": 5},
        {"verification_public_key": 5},
        {"signing_private_key": {"pem": "geheim-1234"}},
        {"signing_private_key_password": 12345678},
        ["no object"],
    ],
)
def test_a_field_that_is_not_what_its_form_says_is_refused(extra: dict) -> None:
    with pytest.raises(KitOpsError) as caught:
        settings(host="ghcr.io", extra=extra)
    assert caught.value.advice
    assert "1234" not in str(caught.value)


def refused(**fields) -> str:
    with pytest.raises(KitOpsError) as caught:
        settings(**fields)
    assert caught.value.advice
    assert "geheim" not in f"{caught.value} {caught.value.advice}"
    return f"{caught.value} {caught.value.advice}"


@pytest.mark.parametrize(
    ("host", "plain"), [("http://reg.example", True), ("https://reg.example", False), ("reg", None)]
)
def test_the_scheme_before_a_host_says_whether_it_has_tls(host: str, plain: bool | None) -> None:
    assert settings(host=host).plain_http is plain


def test_a_scheme_that_contradicts_the_form_is_refused() -> None:
    assert "plain_http is False" in refused(host="http://reg.example", extra={"plain_http": False})
    assert settings(host="http://reg.example", extra={"plain_http": True}).plain_http is True


def test_a_path_behind_the_host_is_refused_and_not_dropped() -> None:
    assert "namespace" in refused(host="reg.example/team")
    assert "namespace" in refused(host="https://reg.example/team/")
    read = Connection.from_uri("kitops://me:geheim123@reg.example:5000/team", conn_id="c")
    with pytest.raises(KitOpsError, match="'team' stands behind the host"):
        read_connection(read, read.extra_dejson)


def test_another_type_of_connection_or_scheme_is_refused() -> None:
    read = Connection.from_uri("http://reg.example:5000", conn_id="c")
    with pytest.raises(KitOpsError, match="type 'http'"):
        read_connection(read, read.extra_dejson)
    assert "ftp://" in refused(host="ftp://reg.example")


def test_half_of_the_credentials_is_refused() -> None:
    assert "password without a login" in refused(host="reg.example", password="geheim123")
    assert "login without a password" in refused(host="reg.example", login="me")
    assert settings(host="reg.example", login="me", extra={"auth_type": "docker_config"}).credentials is not None


@pytest.mark.parametrize(
    "given", [["auth.example", "B.example:8443"], "auth.example, b.example:8443", "auth.example,B.example:8443,"]
)
@pytest.mark.parametrize("fields", [{}, {"login": "me", "password": "geheim123"}])
def test_token_services_of_other_sites_are_for_the_connections_credentials(given: object, fields: dict) -> None:
    from airflow_kitops.hooks.masking import MaskedCredentials

    source = settings(host="ghcr.io", extra={"token_realms": given}, **fields).credentials
    assert source is not None
    assert MaskedCredentials(source).token_realms == ("auth.example", "b.example:8443")


@pytest.mark.parametrize("as_text", [False, True])
def test_other_registries_have_blocks_of_their_own(as_text: bool) -> None:
    from pathlib import Path

    from kitops_orchestration.oci import RegistryOptions, TlsOptions

    blocks = {"A.example:5000": {"plain_http": True}, "b.example": {"ca_bundle": "/b.pem", "proxy": "http://p:1"}}
    found = settings(host="ghcr.io", extra={"registries": json.dumps(blocks) if as_text else blocks}).registries
    assert found == {
        "a.example:5000": RegistryOptions(plain_http=True),
        "b.example": RegistryOptions(tls=TlsOptions(ca_bundle=Path("/b.pem")), proxy="http://p:1"),
    }


@pytest.mark.parametrize(("host", "port"), [("models.test", 0), ("models.test", 99999999), ("models.test:70000", None)])
def test_a_port_that_is_none_is_told_and_not_left_out(host, port):
    connection = Connection(conn_id="kitops_default", conn_type="kitops", host=host, port=port)
    with pytest.raises(KitOpsError, match="not a port"):
        KitClient(read_connection(connection, {}).registry).reference("team/iris:v1")
