"""Credentials of one server: they reach it in every request, and nobody else."""

from __future__ import annotations

import asyncio
import contextvars
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
import trustme
from mlflow import MlflowClient
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from kitops_orchestration.errors import OptionError, RunExportError
from kitops_orchestration.mlflow_bridge import TrackingServer, export_run, import_modelkit
from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactStore
from kitops_orchestration.mlflow_bridge.runs.tracking_server import ContextPool

BASIC = "Basic " + "YW5uOmdlaGVpbQ=="  # ann:geheim


class Guard:
    """A door before MLflow's server that lets in who knows the word, and writes down what everybody says."""

    def __init__(self, server: str, word: str | None, context: ssl.SSLContext | None = None) -> None:
        self.heard: list[str | None] = []
        self.cookies: list[str | None] = []
        self.cookie: str | None = None
        self.watch: Callable[[str, str], object] = lambda said, path: None
        guard = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = self.headers.get("Authorization")
                guard.heard.append(said)
                guard.cookies.append(self.headers.get("Cookie"))
                guard.watch(str(said), self.path)
                if word is not None and said != word:
                    self._answer(401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you"}', {})
                    return
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                found = requests.request(
                    self.command, server + self.path, data=body, headers=kept, timeout=30, allow_redirects=False
                )
                self._answer(found.status_code, found.content, dict(found.headers))

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                if guard.cookie:
                    self.send_header("Set-Cookie", f"{guard.cookie}; Path=/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://localhost:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


_HOP = {
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "content-encoding",
    "accept-encoding",
    "server",
    "date",
}


@pytest.fixture
def guarded(mlflow_server: str) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(word: str | None, context: ssl.SSLContext | None = None) -> Guard:
            guard = Guard(mlflow_server, word, context)
            stack.callback(guard.close)
            return guard

        yield make


@contextmanager
def few_retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield


def test_a_run_goes_out_and_comes_back_with_the_credentials(
    guarded: Any, server: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.9)
        log_classifier()
    guard = guarded(BASIC)
    known = TrackingServer(guard.url, username="ann", password="geheim")
    with pytest.raises(RunExportError, match="cannot"):
        export_run(run.info.run_id, repository, tag="v1", tracking_uri=known.uri)
    guard.heard.clear()
    before = dict(os.environ)
    with known.signed_in():
        result = export_run(run.info.run_id, repository, tag="v1", tracking_uri=known.uri)
        assert dict(os.environ) == before
        name = f"copied-{time.time_ns()}"
        imported = import_modelkit(
            repository,
            "v1",
            registered_model=name,
            mode="copy",
            experiment=name,
            tracking_uri=known.uri,
            registry_uri=known.uri,
        )
    assert imported.version == "1"
    assert set(guard.heard) == {BASIC}  # of every request, the artifacts' in MLflow's own threads as well
    assert "geheim" not in repr(known) + str(result.record) + str(result.pack)
    with pytest.raises(RunExportError):
        export_run(run.info.run_id, repository, tag="v2", tracking_uri=known.uri)


def test_no_other_server_hears_of_them(guarded: Any, server: Any) -> None:
    guard, other = guarded("Bearer t0ken"), guarded(None)
    with TrackingServer(guard.url, token="t0ken").signed_in():
        MlflowClient(guard.url).search_registered_models(max_results=1)
        MlflowClient(other.url).search_registered_models(max_results=1)
    assert (set(guard.heard), set(other.heard)) == ({"Bearer t0ken"}, {None})


def test_what_the_process_has_does_not_go_to_a_server_of_its_own(
    guarded: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-another-server")
    anonymous, other = guarded(None), guarded(None)
    with TrackingServer(anonymous.url).signed_in():
        MlflowClient(anonymous.url).search_registered_models(max_results=1)
        MlflowClient(other.url).search_registered_models(max_results=1)
    assert (set(anonymous.heard), set(other.heard)) == ({None}, {"Bearer of-another-server"})


def test_two_users_of_one_server_work_side_by_side(guarded: Any, server: Any) -> None:
    guard = guarded(None)
    both = threading.Barrier(2)

    def ask(token: str) -> None:
        with TrackingServer(guard.url, token=token).signed_in():
            both.wait(10)
            for _ in range(3):
                MlflowClient(guard.url).search_registered_models(max_results=1)
            both.wait(10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, ["one", "two"]))
    assert sorted(filter(None, guard.heard)) == ["Bearer one"] * 3 + ["Bearer two"] * 3


def test_a_thread_without_a_connection_sends_nothing_of_who_is_signed_in(guarded: Any, server: Any) -> None:
    guard = guarded(None)
    client = MlflowClient(guard.url)

    def ask() -> None:
        client.search_registered_models(max_results=1)

    with TrackingServer(guard.url, token="t0ken").signed_in():
        with ThreadPoolExecutor(1) as pool:  # no context is handed over
            pool.submit(ask).result(30)
        assert guard.heard == [None]
        with ContextPool(2) as pool:
            list(pool.map(lambda _: ask(), range(3)))
        asyncio.run(asyncio.to_thread(ask))
    assert guard.heard == [None] + ["Bearer t0ken"] * 4


def test_what_was_handed_over_is_worth_nothing_afterwards(guarded: Any, server: Any) -> None:
    guard = guarded(None)
    with TrackingServer(guard.url, token="t0ken").signed_in():
        kept = contextvars.copy_context()
    kept.run(MlflowClient(guard.url).search_registered_models, max_results=1)
    assert guard.heard == [None]


def test_artifacts_are_uploaded_and_downloaded_by_who_asks_for_them(guarded: Any, server: Any, tmp_path: Path) -> None:
    """MLflow's and our own pools work for two people at a time, each on the other's old client."""
    with mlflow.start_run() as run:
        mlflow.log_text("x", "text/first.txt")
    guard = guarded(None)
    people = {name: TrackingServer(guard.url, token=name) for name in ("one", "two")}
    both = threading.Barrier(2)
    client = MlflowClient(guard.url)
    uri = f"{guard.url}/api/2.0/mlflow-artifacts/artifacts/{server.experiment_id}/{run.info.run_id}/artifacts"
    heard: dict[str, list[str]] = {}
    guard.watch = lambda said, path: heard.setdefault(said, []).append(path)

    def work(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for number in range(6):
            (folder / f"of-{name}-{number}").write_text(name)
        with people[name].signed_in():
            both.wait(30)
            client.log_artifacts(run.info.run_id, str(folder), f"of-{name}")
            client.download_artifacts(run.info.run_id, f"of-{name}", str(folder))
            store = ArtifactStore(uri, tracking_uri=guard.url)
            store.fetch(store.files_below(f"of-{name}"), folder / "fetched", concurrency=3)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, people))
    assert set(heard) == {"Bearer one", "Bearer two"}
    of_one, of_two = (" ".join(heard[f"Bearer {name}"]) for name in people)
    assert ("of-one" in of_one, "of-two" in of_one) == (True, False)
    assert ("of-one" in of_two, "of-two" in of_two) == (False, True)


def test_a_cookie_of_one_login_is_not_sent_by_another(guarded: Any, server: Any) -> None:
    """MLflow keeps one HTTP session for all threads, and a session keeps what a login page sets."""
    guard = guarded(None)
    guard.cookie = "session=of-one"
    with TrackingServer(guard.url, token="one").signed_in():
        MlflowClient(guard.url).search_registered_models(max_results=1)
    MlflowClient(guard.url).search_registered_models(max_results=1)  # nobody's, and gets one of its own
    with TrackingServer(guard.url, token="two").signed_in():
        MlflowClient(guard.url).search_registered_models(max_results=1)
    assert guard.cookies == [None] * 3


def test_a_netrc_does_not_take_the_place_of_a_token(
    guarded: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login ann password geheim\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    guard, anonymous = guarded(None), guarded(None)
    with TrackingServer(guard.url, token="t0ken").signed_in(), TrackingServer(anonymous.url).signed_in():
        MlflowClient(guard.url).search_registered_models(max_results=1)
        MlflowClient(anonymous.url).search_registered_models(max_results=1)
    assert (guard.heard, anonymous.heard) == (["Bearer t0ken"], [None])


def test_a_path_that_leaves_the_server_takes_no_token_along(guarded: Any, server: Any) -> None:
    guard = guarded(None)
    mine = TrackingServer(f"{guard.url}/team-a", token="one")
    with mine.signed_in():
        http_request(get_default_host_creds(mine.uri), "/api/../../team-b/x", "GET", max_retries=0)
        http_request(get_default_host_creds(mine.uri), "/api/x", "GET", max_retries=0)
    assert guard.heard == [None, "Bearer one"]


def test_tls_is_checked_as_the_connection_says(guarded: Any, server: Any, tmp_path: Path, monkeypatch: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    guard = guarded("Bearer t0ken", context)

    def ask(**tls: Any) -> None:
        with TrackingServer(guard.url, token="t0ken", **tls).signed_in():
            MlflowClient(guard.url).search_registered_models(max_results=1)

    ask(ca_bundle=str(bundle))
    ask(verify_tls=False)
    assert set(guard.heard) == {"Bearer t0ken"}
    guard.heard.clear()
    with few_retries(monkeypatch), pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        ask()
    assert guard.heard == []


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": "sqlite:///a.db", "token": "x"},
        {"uri": "https://ann:geheim@host"},
        {"uri": "https://"},
        {"uri": "https://host:port"},
        {"uri": "https://host", "token": "geheim", "username": "ann", "password": "geheim"},
        {"uri": "https://host", "username": "ann"},
        {"uri": "https://host", "password": "geheim"},
    ],
)
def test_credentials_that_cannot_be_meant_are_refused_without_being_repeated(fields: dict[str, str]) -> None:
    with pytest.raises(OptionError) as caught:
        TrackingServer(**fields)
    assert "geheim" not in str(caught.value)
    assert caught.value.advice


def test_servers_below_two_paths_of_one_host_get_their_own_credentials() -> None:
    host = "https://ml.example"
    one, two = TrackingServer(f"{host}/team-a", token="one"), TrackingServer(f"{host}/team-b", token="two")
    with one.signed_in(), two.signed_in(), ContextPool(1) as pool:
        for ask in (get_default_host_creds, lambda uri: pool.submit(get_default_host_creds, uri).result(10)):
            assert ask(f"{host}/team-a").token == "one"
            assert ask(f"{host}/team-b/api").token == "two"
            for path in OTHER_PLACES:
                assert ask(host + path).token is None


OTHER_PLACES = [
    "",
    "/other",
    "/team-ab",
    "/team-a/../other",
    "/team-a/%2e%2e/other",
    "/team-a/%252e%252e/other",
    "/team-a/..;x/other",
    "/team-a/..\\other",
    "/team-a/..%5cother",
]


@pytest.mark.parametrize("kind", ["models", "workspace"])
def test_a_component_of_dagster_signs_in_as_its_registrys_mlflow(
    guarded: Any, server: Any, log_classifier: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    dg = pytest.importorskip("dagster")
    from dagster_kitops import KitOpsWorkspaceComponent, MlflowModelKitComponent

    name = f"wine-{time.time_ns()}"
    with mlflow.start_run():
        log_classifier(registered_model_name=name)
    server.client.set_registered_model_alias(name, "champion", "1")
    monkeypatch.setenv("OF_WINE", "t0ken")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-another-server")
    guard = guarded("Bearer t0ken")
    (tmp_path / "registry").mkdir()
    registry = {
        "registry": f"file://{tmp_path}/registry",
        "mlflow": {"tracking_uri": guard.url, "token_env_var": "OF_WINE"},
    }
    context = dg.ComponentTree.for_test().load_context
    if kind == "models":
        models = [{"source": f"models:/{name}@champion", "repository": f"team/{name}"}]
        made = MlflowModelKitComponent.from_attributes_dict(attributes={"registry": registry, "models": models})
        defs = made.build_defs(context)
    else:
        found = KitOpsWorkspaceComponent.from_attributes_dict(
            attributes={"registry": registry, "mlflow": {"models": [name], "namespace": "team"}}
        )
        found.write_state_to_path(tmp_path / "state.json")
        defs = found.build_defs_from_state(context, tmp_path / "state.json")
    (key,) = defs.resolve_all_asset_keys()
    assert key.to_user_string() == f"team/{name}"
    assert defs.get_implicit_global_asset_job_def().execute_in_process().success
    assert set(guard.heard) == {"Bearer t0ken"}
