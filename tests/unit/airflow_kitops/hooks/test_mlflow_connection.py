from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk import Connection

from airflow_kitops._compat import AirflowFailException, AirflowNotFoundException
from airflow_kitops.hooks import MLflowHook
from airflow_kitops.hooks.mlflow import tracking_of
from airflow_kitops.hooks.mlflow_connection import MLflowSettings, read_mlflow_connection
from kitops_orchestration.errors import KitOpsError


def settings(*, extra: dict | None = None, **fields) -> MLflowSettings:
    connection = Connection(conn_id="c", conn_type="mlflow", extra=json.dumps(extra or {}), **fields)
    return read_mlflow_connection(connection, connection.extra_dejson)


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({"host": "mlflow.example"}, "https://mlflow.example"),
        ({"host": "mlflow.example", "port": 5000}, "https://mlflow.example:5000"),
        ({"host": "http://mlflow.example/", "port": 5000}, "http://mlflow.example:5000"),
        ({"host": "https://example/tools/mlflow"}, "https://example/tools/mlflow"),
        ({"host": "https://example:5000/mlflow", "port": 5000}, "https://example:5000/mlflow"),
        ({"host": "localhost", "port": 5000}, "http://localhost:5000"),
        ({"host": "127.0.0.1:5000"}, "http://127.0.0.1:5000"),
        ({"host": "::1", "port": 5000}, "http://[::1]:5000"),
        ({"host": "mlflow", "schema": "http", "port": 80}, "http://mlflow:80"),
        ({"host": "mlflow", "schema": "tools/mlflow"}, "https://mlflow/tools/mlflow"),
        ({"host": "sqlite:////tmp/mlflow.db"}, "sqlite:////tmp/mlflow.db"),
    ],
)
def test_the_host_is_the_tracking_server(fields: dict, uri: str) -> None:
    assert settings(**fields).server.uri == uri


def test_a_connection_survives_the_uri_that_a_worker_gets() -> None:
    stored = Connection(
        conn_id="c", conn_type="mlflow", host="https://mlflow.example", login="ann", password="p/w@?",
        extra=json.dumps({"tls_verify": False, "webhook_secret": "s"}),
    )  # fmt: skip
    read = Connection.from_uri(stored.get_uri(), conn_id="c")
    assert read_mlflow_connection(read, read.extra_dejson) == read_mlflow_connection(stored, stored.extra_dejson)


@pytest.mark.parametrize(
    ("fields", "login"),
    [
        ({}, (None, None, None)),
        ({"login": "ann", "password": "geheim"}, ("ann", "geheim", None)),
        ({"password": "geheim"}, (None, None, "geheim")),
        ({"login": "ann", "password": "geheim", "extra": {"auth_type": "token"}}, (None, None, "geheim")),
        ({"login": "ann", "password": "geheim", "extra": {"auth_type": "anonymous"}}, (None, None, None)),
    ],
)
def test_who_speaks_to_the_server(fields: dict, login: tuple) -> None:
    found = settings(host="mlflow.example", **fields)
    assert (found.server.username, found.server.password, found.server.token) == login
    assert "geheim" not in repr(found)


def test_tls_and_the_webhooks_secret_are_read_and_not_shown() -> None:
    found = settings(
        host="mlflow.example",
        extra={
            "tls_verify": "False",
            "ca_bundle": "/ca.pem",
            "client_certificate": "/me.pem",
            "webhook_secret": "geheim",
        },
    )
    server = found.server
    assert (server.verify_tls, server.ca_bundle, server.client_certificate) == (False, "/ca.pem", "/me.pem")
    assert found.webhook_secret == "geheim"
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "ftp://mlflow"},
        {"host": "https://ann:geheim@mlflow"},
        {"host": "mlflow", "login": "ann"},
        {"host": "mlflow", "password": "", "extra": {"auth_type": "token"}},
        {"host": "mlflow", "extra": {"auth_type": "magic"}},
        {"host": "mlflow", "extra": {"tls_verify": "perhaps"}},
        {"host": "mlflow", "extra": {"webhook_secret": ["geheim"]}},
        {"host": "sqlite:////tmp/mlflow.db", "login": "ann", "password": "geheim"},
    ],
)
def test_a_mistake_names_the_connection_and_no_secret(fields: dict) -> None:
    with pytest.raises(KitOpsError, match="'c'") as caught:
        settings(**fields)
    assert "geheim" not in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("host", "part"),
    [("[::1", "host"), ("https://[::1", "host"), ("ml:80x", "port"), ("https://ml:99999", "port")],
)
def test_a_host_that_is_no_address_says_which_part_of_it(host: str, part: str) -> None:
    for port in (None, 5000):
        with pytest.raises(KitOpsError, match=f"'c': the {part}"):
            settings(host=host, port=port)


def test_a_connection_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "http", "host": "mlflow.example"}))
    assert MLflowHook("mine").test_connection()[0] is False
    with pytest.raises(AirflowFailException, match="type 'http'"), tracking_of("mine", None):
        pass


def test_without_a_connection_mlflow_is_as_the_worker_has_it() -> None:
    hook = MLflowHook()
    with hook.signed_in() as tracking_uri:
        assert tracking_uri is None
    asyncio.run(MLflowHook().aread_settings())
    assert hook.test_connection() == (False, "connection: there is none")
    with pytest.raises(AirflowNotFoundException):
        MLflowHook("another").settings  # noqa: B018 - reading it is what fails


def test_a_task_names_its_server_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "mlflow", "host": "sqlite:////tmp/x.db"}))
    with tracking_of("mine", None) as uri:
        assert uri == "sqlite:////tmp/x.db"
    with tracking_of(None, "sqlite:////tmp/y.db") as uri:
        assert uri == "sqlite:////tmp/y.db"
    with pytest.raises(AirflowFailException, match="both given"), tracking_of("mine", "sqlite:////tmp/y.db"):
        pass
