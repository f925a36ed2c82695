"""RegistrySession: everything one registry knows of us: connections, tokens, limits, learned abilities.

Repositories of one registry share a session, so that a token or a connection serves them all.
"""

# What has to stay true: authorization goes to the registry's own origin and to no other host, whoever names it in a
# ``Location`` or a ``Link``.  That is why redirects are followed here, by hand, and why each hop asks anew which
# origin it is.

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from kitops_orchestration import settings
from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import (
    AuthenticationError,
    KitOpsError,
    RegistryError,
    RegistryUnavailableError,
)
from kitops_orchestration.oci.auth.authorizer import Authorizer
from kitops_orchestration.oci.auth.challenge import merge_scopes, repository_scope
from kitops_orchestration.oci.auth.credentials import DOCKER_HUB, CredentialSource, DockerConfig
from kitops_orchestration.oci.http.body import Upload
from kitops_orchestration.oci.http.client import Request, Transport
from kitops_orchestration.oci.http.response import Response
from kitops_orchestration.oci.http.retry import RETRIED_STATUSES, RetryBudget, retry_after
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.http.url import Origin, is_loopback, joined, redacted
from kitops_orchestration.oci.http.wait import SLICE_SECONDS
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.abilities import kept
from kitops_orchestration.oci.registry.errors import error_for
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.registry.other_hosts import OtherHosts

SMALL_ANSWER_BYTES = 256 * 1024
Direction = Literal["pull", "push"]
MOST_TRANSFERS = 16
"""Blobs that one process moves in one direction at the same time, over all registries."""
# Reads and writes are bounded apart: a copy holds one of each, and must not wait for itself.
_in_total: dict[Direction, threading.BoundedSemaphore] = {
    "pull": threading.BoundedSemaphore(MOST_TRANSFERS),
    "push": threading.BoundedSemaphore(MOST_TRANSFERS),
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_TIDYING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the registry, with what authorization, retries and messages need to know of it."""

    method: str
    url: str
    repository: Reference
    operation: str
    actions: tuple[str, ...] = ("pull",)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None
    mount_from: Reference | None = None
    """A second repository that this request reads from."""


class RegistrySession:
    """Sends calls to one registry: authorized, retried, redirected by hand.

    ``insecure`` is what ``registries.conf`` says of the repositories that share it; ``None``: of the whole registry.
    """

    def __init__(
        self,
        registry: str,
        *,
        credentials: CredentialSource | None = None,
        plain_http: bool | None = None,
        tls: TlsOptions | None = None,
        limits: Limits | None = None,
        proxy: str | None = None,
        insecure: bool | None = None,
    ) -> None:
        host = urlsplit(f"//{registry}").hostname or registry
        is_plain = is_loopback(host) if plain_http is None else plain_http
        own = tls or TlsOptions()
        if insecure or settings.has_registry_files(registry):
            from kitops_orchestration.oci.http.registry_files import tls_of

            own = tls_of(registry, tls, insecure=insecure)
        if plain_http is None and (own.ca_bundle is not None or own.more_authorities):
            is_plain = False  # whoever names an authority means TLS, also on this machine
        self.registry = registry
        endpoint = "registry-1.docker.io" if registry in DOCKER_HUB else registry
        self.root = f"{'http' if is_plain else 'https'}://{endpoint}"
        self.origin = Origin.of(self.root)
        self.limits = limits or Limits()
        self.abilities = kept(registry)
        # Podman's "insecure" is also for registries that speak no TLS at all; what a caller says comes first.
        may_be_plain = bool(insecure) and tls is None and plain_http is None
        self.transport = Transport(
            tls=tls, limits=self.limits, proxy=proxy, own=(self.origin, own), may_be_plain=may_be_plain
        )
        source = credentials or DockerConfig()
        self._auth = Authorizer(source, host=self.origin.host, is_plain_http=is_plain, fetch=self._fetch_token)
        self._source = source
        self.free_slots()

    def free_slots(self) -> None:
        """Begin without any transfer."""
        self._slots = {verb: threading.BoundedSemaphore(self.limits.concurrency) for verb in _in_total}

    @contextmanager
    def slot(self, verb: Direction, cancel: threading.Event | None = None) -> Iterator[None]:
        """Hold the permission to move one more blob's bytes: one of this registry's and one of the process's."""
        with _taken(self._slots[verb], cancel), _taken(_in_total[verb], cancel):
            yield

    def name(self, repository: Reference) -> str:
        """Return the repository's name as the registry wants it in addresses."""
        is_official = self.registry in DOCKER_HUB and "/" not in repository.repository
        return f"library/{repository.repository}" if is_official else repository.repository

    def ask(
        self,
        call: Call,
        *,
        limit: int = SMALL_ANSWER_BYTES,
        budget: RetryBudget | None = None,
        cancel: threading.Event | None = None,
    ) -> Response:
        """Send a call like :meth:`send` and read its answer, up to ``limit`` bytes; a lost body is asked for again."""
        return self.send(call, budget=budget, cancel=cancel, limit=limit)

    def send(
        self,
        call: Call,
        *,
        budget: RetryBudget | None = None,
        cancel: threading.Event | None = None,
        limit: int | None = None,
    ) -> Response:
        """Send a call until it is answered with something other than a passing failure.

        ``limit`` reads the answer's body here, so that losing it counts as a failure too.

        Raises:
            AuthenticationError: a 401 that no credential or token could help.
            RegistryUnavailableError: failures that outlived the budget.
        """
        budget, attempts = budget or RetryBudget(self.limits, cancel), 0
        while True:
            attempts += 1
            try:
                response = self.once(call, cancel=cancel)
                response.attempts += attempts - 1
                if limit is not None:
                    response.load(limit)
            except RegistryUnavailableError as error:
                budget.pause(error, retry_after_seconds=error.retry_after_seconds)
                continue
            if response.status not in RETRIED_STATUSES:
                return response
            seconds = retry_after(response.headers.get("Retry-After"))
            budget.pause(self.error(call, response), retry_after_seconds=seconds)

    def once(self, call: Call, *, cancel: threading.Event | None = None) -> Response:
        """Send a call a single time: renewed when the registry asks for authorization, redirected by hand."""
        try:
            response, rejected = self._authorized(call, cancel, None)
            tries = 2 if _asks(response) else 0
            while _asks(response) and tries:
                tries -= 1
                try:
                    renewed = self._renew(call, response, rejected, cancel)
                except AuthenticationError:
                    if response.status == 401:
                        raise
                    break  # it hides what is there from those it does not know: for them that is not found
                if renewed is None or renewed == rejected:
                    break
                response, rejected = self._authorized(call, cancel, renewed)
        except RegistryError as error:
            if error.operation is None:
                error.operation, error.reference = call.operation, str(call.repository)
            better = self._unknown(call, error) if isinstance(error, AuthenticationError) else error
            if better is error:  # not "from error": an error that is its own cause is a chain without end
                raise
            raise better from error
        if response.status == 401:
            raise self._unknown(call, self.error(call, response))
        return self._redirected(call, response, cancel)

    def _unknown(self, call: Call, error: RegistryError) -> RegistryError:
        """Return why nobody could be named to a registry that wants to know, or ``error`` where that was not it."""
        failure = self._auth.lookup_failure(call.repository)
        if failure is None:
            return error
        return AuthenticationError(
            str(failure), advice=failure.advice, operation=call.operation, reference=str(call.repository)
        )

    def tidy_up(self, call: Call, cancel: threading.Event | None) -> None:
        """Send a call that nothing depends on: its failure is none, and a cancelled transfer waits half a second."""
        given_up, timer = cancel, None
        if cancel is not None and cancel.is_set():
            given_up = threading.Event()
            timer = threading.Timer(_TIDYING_SECONDS, given_up.set)
            timer.start()
        try:
            with suppress(KitOpsError):
                self.once(call, cancel=given_up).load()
        finally:
            if timer is not None:
                timer.cancel()

    def error(self, call: Call, response: Response) -> RegistryError:
        """Return the error that an answer to a call stands for."""
        return error_for(response, operation=call.operation, reference=str(call.repository))

    def location(self, response: Response) -> str:
        """Return the absolute ``Location`` of an answer.

        A registry behind a proxy may name itself with ``http``: what goes to the registry's own host is
        sent the way the registry is spoken to.
        """
        text = response.headers.get("Location", "")
        if not text:
            raise RegistryError(f"{redacted(response.url)} answered HTTP {response.status} without a Location")
        return self._encrypted(joined(response.url, text))

    def followed(self, url: str, link: str) -> str:
        """Return the address of the next page; raises :class:`RegistryError` when it leads to another host."""
        following = self._encrypted(joined(url, link))
        if Origin.of(following) != self.origin:
            raise RegistryError(f"{redacted(url)} continues a list on another host: {redacted(following)}")
        return following

    def _encrypted(self, url: str) -> str:
        # A registry behind a proxy that ends TLS may name itself with http: what goes to the registry itself
        # is sent the way the registry is spoken to.
        target = Origin.of(url)
        is_own = target.host == self.origin.host and target.port in (80, self.origin.port)
        if is_own and target.scheme == "http" and self.origin.scheme == "https":
            return urlsplit(url)._replace(scheme="https", netloc=self.origin.netloc).geturl()
        return url

    def _authorized(
        self, call: Call, cancel: threading.Event | None, authorization: str | None
    ) -> tuple[Response, str | None]:
        headers = dict(call.headers)
        if Origin.of(call.url) == self.origin:  # never to another host, whoever names it
            authorization = authorization or self._auth.header(call.repository, self._scopes(call), cancel=cancel)
            if authorization is not None:
                headers["Authorization"] = authorization
        else:
            self._check_foreign(call.url)
        return self.transport.send(Request(call.method, call.url, headers, call.body), cancel=cancel), authorization

    def _renew(
        self, call: Call, response: Response, rejected: str | None, cancel: threading.Event | None
    ) -> str | None:
        challenges = response.headers.get_all("WWW-Authenticate") or []
        if Origin.of(call.url) != self.origin:
            return None
        response.load()
        scopes = self._scopes(call)
        try:
            return self._auth.answer(challenges, call.repository, scopes, rejected=rejected, cancel=cancel)
        except AuthenticationError:
            if not self._auth.forget(call.repository):
                raise
            return self._auth.answer(challenges, call.repository, scopes, rejected=rejected, cancel=cancel)

    def _scopes(self, call: Call) -> tuple[str, ...]:
        scopes = [repository_scope(self.name(call.repository), *call.actions)] if call.actions else []
        if call.mount_from is not None:
            scopes.append(repository_scope(self.name(call.mount_from), "pull"))
        return merge_scopes(scopes)

    def _redirected(self, call: Call, response: Response, cancel: threading.Event | None) -> Response:
        for _ in range(_MOST_REDIRECTS):
            if response.status not in _REDIRECTS or call.method not in ("GET", "HEAD"):
                return response
            url = self.location(response)
            response.load()
            if Origin.of(url) == self.origin:
                call = Call(call.method, url, call.repository, call.operation, call.actions, call.headers)
                response, _ = self._authorized(call, cancel, None)
            else:
                self._check_foreign(url)
                response = self._other_hosts.send(call.method, url, call.headers, call.repository, cancel)
        if response.status in _REDIRECTS:
            response.close()
            raise RegistryError(f"{call.operation} {call.repository}: more than {_MOST_REDIRECTS} redirects")
        return response

    @cached_property
    def _other_hosts(self) -> OtherHosts:
        from kitops_orchestration.oci.registry.other_hosts import OtherHosts

        return OtherHosts(self.transport, self._source, self._fetch_token)

    def _check_foreign(self, url: str) -> None:
        target = Origin.of(url)
        # This machine's services listen in the clear: a registry elsewhere has no business with them.
        is_here = is_loopback(target.host) and is_loopback(self.origin.host)
        if target.scheme == "http" and self.origin.scheme == "https" and not is_here:
            raise RegistryError(
                f"{self.registry} leads from https to {redacted(url)}, which is not encrypted",
                advice="have the registry's storage served over https",
            )
        from kitops_orchestration.oci.http.inner import leads_inside  # few registries lead anywhere

        if target.host != self.origin.host and leads_inside(self.origin.host, target.host):
            raise RegistryError(
                f"{self.registry} leads to {redacted(url)}, an address inside of this network; nothing was sent there",
                advice="have it name its storage by a host name, if that is its storage",
            )

    def _fetch_token(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        cancel: threading.Event | None,
    ) -> tuple[int, bytes]:
        budget = RetryBudget(self.limits, cancel)
        while True:
            try:
                response = self.transport.send(Request(method, url, headers, body), cancel=cancel).load()
            except RegistryUnavailableError as error:
                budget.pause(error)
                continue
            if response.status not in RETRIED_STATUSES:
                return response.status, response.content
            failure = RegistryUnavailableError(f"{redacted(url)} gave no token: HTTP {response.status}")
            budget.pause(failure, retry_after_seconds=retry_after(response.headers.get("Retry-After")))


def _asks(response: Response) -> bool:
    """Tell whether an answer asks who we are; some registries hide what is there, and ask with a 404."""
    return response.status == 401 or (response.status == 404 and bool(response.headers.get("WWW-Authenticate")))


@contextmanager
def _taken(slot: threading.BoundedSemaphore, cancel: threading.Event | None) -> Iterator[None]:
    while not slot.acquire(timeout=SLICE_SECONDS):
        check_cancelled(cancel)
    try:
        yield
    finally:
        slot.release()


_sessions: weakref.WeakValueDictionary[tuple[object, ...], RegistrySession] = weakref.WeakValueDictionary()
_sessions_lock = threading.Lock()
# Tokens and connections of the last few registries outlive the repositories that used them.
_recent: deque[RegistrySession] = deque(maxlen=8)


def shared_session(
    registry: str,
    *,
    credentials: CredentialSource | None,
    plain_http: bool | None,
    tls: TlsOptions | None,
    limits: Limits,
    proxy: str | None = None,
    insecure: bool | None = None,
) -> RegistrySession:
    """Return the session that everybody with the same registry, credentials, proxy and limits uses.

    Credentials are the same when they are the same object.  ``insecure`` is what :class:`RegistrySession` takes.
    """
    source = credentials or _default_credentials()
    key = (registry, id(source), plain_http, tls, limits, proxy, insecure)
    with _sessions_lock:
        session = _sessions.get(key)
        if session is None:
            session = RegistrySession(
                registry,
                credentials=source,
                plain_http=plain_http,
                tls=tls,
                limits=limits,
                proxy=proxy,
                insecure=insecure,
            )
            _sessions[key] = session
        if session not in _recent:
            _recent.append(session)
        return session


def _free_slots() -> None:
    """Give a forked child its own: the transfers of its parent are not in it, and would never end there."""
    _in_total.update({verb: threading.BoundedSemaphore(MOST_TRANSFERS) for verb in _in_total})
    for session in list(_sessions.values()):
        session.free_slots()


os.register_at_fork(after_in_child=_free_slots)


@atexit.register
def _close_sessions() -> None:
    for session in list(_sessions.values()):
        session.transport.close()


_default: list[DockerConfig] = []


def _default_credentials() -> DockerConfig:
    if not _default:
        _default.append(DockerConfig())
    return _default[0]
