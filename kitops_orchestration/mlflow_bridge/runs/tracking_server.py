"""A tracking server with credentials of its own, for one caller of many in a process.

MLflow takes credentials from variables of the process alone.  A process that works for several servers, a triggerer or
a code server, cannot use those: each request of each thread would carry them, to every server, and every child process
would get them.  So they are put where MLflow makes a request's credentials out of its address: what goes to this server
carries these, all else carries what it did before.

Who is signed in is known by context (:mod:`contextvars`) and by nothing else, so a thread sends what it was handed and
never what another thread has.  A thread has a context of its own: work is handed over by :class:`ContextPool`, which
MLflow's own pools for artifacts become as well.  Kept out are the things that all threads of a process share: the
cookies of MLflow's HTTP sessions and a ``.netrc``; and a copy of a context that outlives its ``with``.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Self, TypeVar
from urllib.parse import unquote, urlsplit

from kitops_orchestration.errors import MissingExtraError, OptionError, RunExportError, TrackingUnavailableError
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.light_import import import_mlflow
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.oci.port import PORT_ADVICE, port_of

Origin = tuple[str, str, int]
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TrackingServer:
    """Where MLflow is, and as whom to speak to it.  Secrets are kept out of ``repr``.

    Raises:
        OptionError: credentials in the URI or for what is no server, or two kinds of them.
    """

    uri: str
    """``https://mlflow.example``, or a database, which has no credentials here."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    """A bearer token; instead of user name and password."""
    verify_tls: bool = True
    ca_bundle: str | None = None
    """File with the certificates to trust."""
    client_certificate: str | None = field(default=None, repr=False)
    """File with the certificate and key to show."""

    def __post_init__(self) -> None:
        has_credentials = any((self.username, self.password, self.token, self.client_certificate))
        if origin_of(self.uri) is None:
            if has_credentials:
                raise OptionError(
                    f"{clean_value(self.uri)} is no server, and takes no credentials",
                    advice="give https://host, or leave the credentials out",
                )
        elif urlsplit(self.uri).password is not None or urlsplit(self.uri).username is not None:
            raise OptionError(
                f"{clean_value(self.uri)} has a user name or password in it: a URI is written into records and logs",
                advice="give them as username and password",
            )
        if self.token and (self.username or self.password):
            raise OptionError("a token and a user name or password are two ways to log in", advice="give one of them")
        if bool(self.username) != bool(self.password):
            raise OptionError("a user name and a password belong together", advice="give both, or a token")

    @contextmanager
    def signed_in(self) -> Iterator[Self]:
        """Send these credentials, and check TLS this way, in all that goes to this server meanwhile.

        Threads of MLflow's own that move artifacts do so as well.  What it does in the background (asynchronous
        logging, traces, the link of a prompt to its experiment) goes without, and so does every thread that is not
        handed this context: :func:`asyncio.to_thread` and :class:`ContextPool` hand it over.  What was handed over
        ends with the ``with``.  Another thread may be signed in to the same server as somebody else.

        Raises:
            MissingExtraError: MLflow is not installed.
            RunExportError: this release of MLflow takes credentials in another way.
        """
        if origin_of(self.uri) is None:
            yield self
            return
        _watch_credentials()
        login = _Login(self)
        before = _CURRENT.set((*_CURRENT.get(), login))
        try:
            self._check()
            yield self
        finally:
            login.is_over = True
            _CURRENT.reset(before)

    def check(self, *, timeout_seconds: float = 10) -> None:
        """Ask the server once, and do not wait: MLflow's own client goes on for minutes.  A database is not asked.

        Raises:
            TrackingUnavailableError: nobody answers in time, or the server is in trouble.
            RunExportError: it does not take the credentials, or is no MLflow.
        """
        if origin_of(self.uri) is None:
            return
        place = f"MLflow at {clean_value(self.uri)}"
        with translated("reach", place):
            try:
                import requests
            except ImportError as error:
                raise MissingExtraError("MLflow is not installed", extra="mlflow") from error
            verify = (self.ca_bundle or True) if self.verify_tls else False
            found = requests.get(
                f"{self.uri.rstrip('/')}/api/2.0/mlflow/registered-models/search",
                params={"max_results": "1"},
                headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
                auth=(self.username, self.password) if self.username and self.password else _no_netrc,
                verify=verify,
                cert=self.client_certificate,
                timeout=timeout_seconds,
                allow_redirects=False,
            )
        _check_answer(place, found.status_code)

    def _check(self) -> None:
        """Refuse to go on where MLflow would send something else: a test of each release, made in place."""
        from mlflow.store.artifact.artifact_repo import ArtifactRepository
        from mlflow.tracking.request_auth.registry import fetch_auth
        from mlflow.utils.credentials import get_default_host_creds

        found = get_default_host_creds(self.uri)
        is_taken = (found.username, found.password, found.token) == (self.username, self.password, self.token)
        pool = getattr(ArtifactRepository._create_thread_pool, "__globals__", {}).get("ThreadPoolExecutor")
        if not is_taken or fetch_auth(found.auth) is not _last_look or pool is not ContextPool:
            raise RunExportError(
                "this release of MLflow does not take credentials for one server",
                advice="set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            )

    def host_creds(self, made: Any, host: str, given: dict[str, Any]) -> Any:
        """Return MLflow's credentials of a request to ``host``; the process's own do not go there."""
        own = {
            "username": self.username,
            "password": self.password,
            "token": self.token,
            "ignore_tls_verification": not self.verify_tls,
            "server_cert_path": self.ca_bundle if self.verify_tls else None,
            "client_cert_path": self.client_certificate,
            "auth": _AUTH_NAME,
            "aws_sigv4": False,
        }
        return made(host=host, **{**given, **own})

    @property
    def authorization(self) -> str | None:
        """The header that requests to this server carry; ``None`` without credentials."""
        if self.token:
            return f"Bearer {self.token}"
        if self.username and self.password:
            return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")
        return None


class ContextPool(ThreadPoolExecutor):
    """A pool whose threads do each piece of work in the context of who asked for it, his credentials included."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Schedule the call; ``map`` goes through here as well."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


@dataclass(slots=True, eq=False)
class _Login:
    """One ``with``; what a copied context still holds of it afterwards is worth nothing."""

    server: TrackingServer
    is_over: bool = False


_LOCK = threading.Lock()
_CURRENT: ContextVar[tuple[_Login, ...]] = ContextVar("kitops_tracking_servers", default=())
_AUTH_NAME = "kitops-orchestration"
_MARK = "_of_kitops_orchestration"


def origin_of(uri: str) -> Origin | None:
    """Return scheme, host and port of a server's address; ``None`` for a database or a folder."""
    try:
        parts = urlsplit(uri)
        port = port_of(parts.netloc) if parts.scheme in ("http", "https") else None
    except ValueError as error:
        advice = f"write https://host[:port]; {PORT_ADVICE}"
        raise OptionError(f"{clean_value(uri)} is no address", advice=advice) from error
    if parts.scheme not in ("http", "https"):
        return None
    if not parts.hostname:
        raise OptionError(f"{clean_value(uri)} names no host", advice="write https://host[:port]")
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def _no_netrc(request: Any) -> Any:
    """Leave a request's headers alone: without this, requests puts in what a .netrc says of the host."""
    return request


def _check_answer(place: str, status: int) -> None:
    if status in (401, 403):
        raise RunExportError(
            f"{place} does not take the credentials ({status})", advice="check the user name and password, or the token"
        )
    if status == 429 or status >= 500:
        raise TrackingUnavailableError(f"{place} is in trouble ({status})", advice="look at the server's log")
    if status != 200:
        raise RunExportError(
            f"{place} does not answer as MLflow does ({status})",
            advice="give the address of the tracking server, with the path that a proxy has for it",
        )


def _is_below(address: str, uri: str) -> bool:
    """Tell whether an address has the path of a server's: one host may have a server below each of several paths."""
    path, prefix = _plain_path(address), _plain_path(uri).rstrip("/")
    # Some servers leave away what follows a semicolon, and then see "..".
    climbs = any(part.partition(";")[0] == ".." for part in path.split("/"))
    return not climbs and (path == prefix or path.startswith(f"{prefix}/"))


def _plain_path(address: str) -> str:
    """Return a path as the most generous of servers would read it: decoded until nothing changes."""
    path = urlsplit(address).path
    while (decoded := unquote(path).replace("\\", "/")) != path:
        path = decoded
    return path


def _signed_in_to(host: Any) -> TrackingServer | None:
    try:
        origin = origin_of(str(host))
    except OptionError:  # MLflow's own names, "databricks" among them
        return None
    if origin is None:
        return None
    for login in reversed(_CURRENT.get()):
        if not login.is_over and origin_of(login.server.uri) == origin and _is_below(str(host), login.server.uri):
            return login.server
    return None


def _last_look(request: Any) -> Any:
    """Stand where ``requests`` asks for a request's credentials, when its address is complete.

    MLflow keeps one session for all: without this, ``requests`` adds the cookies that others got, keeps those that are
    got here for others, and puts what a .netrc says in the place of a token.
    """
    server = _signed_in_to(request.url)
    for name in ("Authorization", "Cookie"):
        request.headers.pop(name, None)
    if server is not None and server.authorization is not None:
        request.headers["Authorization"] = server.authorization
    request.register_hook("response", _forget_cookies)
    return request


def _forget_cookies(response: Any, **_: Any) -> None:
    original = getattr(response.raw, "_original_response", None)
    if original is not None:
        del original.msg["Set-Cookie"]


class _LastLook:
    """MLflow's form of :func:`_last_look`: a provider of request credentials, by name."""

    def get_name(self) -> str:
        return _AUTH_NAME

    def get_auth(self) -> Callable[[Any], Any]:
        return _last_look


def _watch_credentials() -> None:
    """Stand where MLflow makes the credentials of a request, and the threads for artifacts, once in a process.

    Raises:
        MissingExtraError: MLflow is not installed.
        RunExportError: this release has no such places.
    """
    try:
        import_mlflow()
        from mlflow.utils import credentials
    except ImportError as error:
        raise MissingExtraError("MLflow is not installed", extra="mlflow") from error
    from mlflow.store.artifact import artifact_repo
    from mlflow.tracking.request_auth import registry

    with _LOCK:
        made = credentials.MlflowHostCreds
        if getattr(made, _MARK, False):
            return

        def host_creds(host: Any = None, **given: Any) -> Any:
            server = _signed_in_to(host)
            return made(host=host, **given) if server is None else server.host_creds(made, host, given)

        registry._request_auth_provider_registry.register(_LastLook)
        artifact_repo.ThreadPoolExecutor = ContextPool
        setattr(host_creds, _MARK, True)
        stand: Callable[..., Any] = host_creds
        credentials.MlflowHostCreds = stand
