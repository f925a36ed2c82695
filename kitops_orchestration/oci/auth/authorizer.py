"""Authorization for one registry: Basic, and Bearer tokens by scope, shared by threads.

Tokens are kept per (credential, realm, service, scopes), renewed a little before they expire, and fetched
once when many threads need the same one.  Sources: distribution's token and OAuth2 specifications.
"""

# How it works.  The first request goes without authorization, unless a token was given.  The registry's answer (401)
# says how it wants to be asked, and for which scopes; that is remembered, and later requests bring a token at once.
#
# What has to stay true:
#
# - A token is kept under everything that it depends on: credential, realm, service and scopes.  One that was made for
#   somebody else can then never be used.
# - A refused token is dropped before a new one is asked for; otherwise the same one would be sent again.
# - Many threads that need one token wait for the thread that fetches it.  They wait in slices and look at ``cancel``.
# - The realm is a URL that the registry gave us, and a credential is sent there.  It has to be https; the only
#   exception is a registry that is itself spoken to in the clear, or is on
#   this machine as its realm is.  Any realm may be named by the
#   protocol, so one of another site gets credentials only where somebody allowed it; it is asked without any.
# - No token and no password is in a message, a log or a ``repr``.

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from kitops_orchestration import settings
from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import AccessDeniedError, AuthenticationError, RegistryUnavailableError
from kitops_orchestration.oci.auth.challenge import Challenge, merge_scopes, parse_challenges, preferred
from kitops_orchestration.oci.auth.credentials import Credential, CredentialSource
from kitops_orchestration.oci.http.url import Origin, is_loopback, is_same_site, joined, redacted
from kitops_orchestration.oci.reference import Reference

_CLIENT_ID = "kitops-orchestration"
_DEFAULT_LIFETIME_SECONDS = 60.0
_MARGIN_SECONDS = 15.0
_SLICE_SECONDS = 0.5
_FORM = "application/x-www-form-urlencoded"

TokenFetch = Callable[[str, str, Mapping[str, str], bytes | None, threading.Event | None], tuple[int, bytes]]
"""Send (method, url, headers, body, cancel) to a token service and return (status, bounded body); retried inside."""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    fetched_at: float
    lifetime_seconds: float

    def is_fresh(self) -> bool:
        left = self.fetched_at + self.lifetime_seconds - time.monotonic()
        return left > min(_MARGIN_SECONDS, self.lifetime_seconds / 4)


@dataclass(frozen=True, slots=True)
class _Key:
    credential: Credential | None
    realm: str
    service: str
    scopes: tuple[str, ...]


class Authorizer:
    """Knows how one registry wants to be spoken to, and holds the tokens for it."""

    def __init__(self, credentials: CredentialSource, *, host: str, is_plain_http: bool, fetch: TokenFetch) -> None:
        self._credentials = credentials
        self._host = host
        self._warned: set[str] = set()
        self._is_plain_http = is_plain_http
        self._fetch = fetch
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._known: dict[str, Credential | None] = {}
        self._failures: dict[str, AuthenticationError] = {}
        self._asked: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._tokens: dict[_Key, _Token] = {}
        self._flights: dict[_Key, threading.Lock] = {}

    def header(
        self, repository: Reference, scopes: Sequence[str], *, cancel: threading.Event | None = None
    ) -> str | None:
        """Return the ``Authorization`` value for a request, or ``None`` before the registry asked for one.

        A token service that gives nobody a token without a login does not stop what needs none.
        """
        try:
            return self._header(repository, scopes, cancel)
        except AuthenticationError:
            if self._credential(repository) is not None:
                raise
            return None  # who may read without a login is let in, and who may not is asked

    def _header(self, repository: Reference, scopes: Sequence[str], cancel: threading.Event | None) -> str | None:
        challenge = self._challenge
        credential = self._credential(repository)
        if credential is not None and credential.access_token:
            if not _fits_header(credential.access_token):
                raise AuthenticationError(
                    f"the access token for {repository.name} holds a line break or another character that no token has",
                    operation="authenticate",
                    reference=repository.name,
                    advice="give the token alone, without the end of its line",
                )
            return f"Bearer {credential.access_token}"
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return credential.basic if credential else None
        return f"Bearer {self._token(challenge, credential, repository, tuple(scopes), cancel)}"

    def answer(
        self,
        challenges: Sequence[str],
        repository: Reference,
        scopes: Sequence[str],
        *,
        rejected: str | None,
        cancel: threading.Event | None = None,
    ) -> str | None:
        """Take in a 401 and return the next ``Authorization`` value to try, ``None`` if there is none.

        ``rejected`` is the value that was refused: what it came from is dropped first.
        """
        challenge = preferred(parse_challenges(challenges))
        if challenge is None:
            return None
        wanted = tuple(scopes)
        with self._lock:
            self._challenge = challenge
            self._asked[wanted] = merge_scopes(wanted, self._asked.get(wanted, ()), challenge.scopes)
            if rejected is not None:
                self._drop(rejected)
        return self._header(repository, wanted, cancel)

    def forget(self, repository: Reference) -> bool:
        """Drop a credential that was refused, so that a helper is asked again; tell if there was one."""
        with self._lock:
            return self._known.pop(repository.name, None) is not None

    def lookup_failure(self, repository: Reference) -> AuthenticationError | None:
        """Return why no credential could be looked up; it matters only where the registry wants one."""
        with self._lock:
            return self._failures.get(repository.name)

    def _drop(self, rejected: str) -> None:
        for key, token in list(self._tokens.items()):
            if rejected == f"Bearer {token.value}":
                del self._tokens[key]

    def _credential(self, repository: Reference) -> Credential | None:
        name = repository.name
        with self._lock:
            if name in self._known:
                return self._known[name]
        found, failure = None, None
        try:
            found = self._credentials.lookup(repository.without_target())
        except AuthenticationError as error:  # a helper that is missing stops nobody where nobody asks for credentials
            failure = error
        with self._lock:
            if failure is None:
                self._failures.pop(name, None)
            else:
                self._failures[name] = failure
            return self._known.setdefault(name, found)

    def _token(
        self,
        challenge: Challenge,
        credential: Credential | None,
        repository: Reference,
        scopes: tuple[str, ...],
        cancel: threading.Event | None,
    ) -> str:
        with self._lock:
            key = _Key(
                credential,
                joined("", challenge.realm),
                challenge.service,
                self._asked.get(scopes) or merge_scopes(scopes),
            )
            token = self._tokens.get(key)
            flight = self._flights.setdefault(key, threading.Lock())
        if token is not None and token.is_fresh():
            return token.value
        while not flight.acquire(timeout=_SLICE_SECONDS):
            check_cancelled(cancel)
        try:  # one thread fetches, the others find its result
            token = self._tokens.get(key)
            if token is None or not token.is_fresh():
                token = self._request(key, repository, cancel)
                self._tell(token.value)
                with self._lock:
                    self._tokens[key] = token
        finally:
            flight.release()
        return token.value

    def _tell(self, token: str) -> None:
        """Tell a source that wants to know (``minted``), so that an orchestrator can keep tokens out of its logs."""
        listener = getattr(self._credentials, "minted", None)
        if listener is not None:
            listener(token)

    def _request(self, key: _Key, repository: Reference, cancel: threading.Event | None) -> _Token:
        self._check_realm(key.realm, repository)
        withheld = key.credential is not None and not self._may_know(key.realm)
        credential = None if withheld else key.credential
        if withheld:
            self._warn(key.realm, repository)
        headers: dict[str, str] = {}
        query = [("service", key.service)] if key.service else []
        if credential is not None and credential.identity_token:
            form = [("grant_type", "refresh_token"), *query, ("client_id", _CLIENT_ID)]
            form += [("scope", " ".join(key.scopes)), ("refresh_token", credential.identity_token)]
            headers["Content-Type"] = _FORM
            status, body = self._fetch("POST", key.realm, headers, urlencode(form).encode(), cancel)
        else:
            query += [("scope", scope) for scope in key.scopes]
            if credential is not None and credential.basic:
                headers["Authorization"] = credential.basic
            joint = "&" if "?" in key.realm else "?"
            status, body = self._fetch("GET", key.realm + joint + urlencode(query), headers, None, cancel)
        if status in (400, 401, 403) and withheld:
            raise AuthenticationError(
                f"{redacted(key.realm)} gave no token for {repository.name}: it is at another site than the registry, "
                "and the credentials were not sent there",
                advice=f"if it is the registry's token service, allow it: {_how_to_allow(key.realm)}",
                operation="authenticate",
                reference=repository.name,
            )
        if status != 200:
            raise _refusal(status, key, repository)
        return _read_token(body, key, repository)

    def _may_know(self, realm: str) -> bool:
        """Tell whether a realm may see the registry's credentials: one of its own site, or one that is allowed."""
        origin = Origin.of(realm)
        allowed = {*getattr(self._credentials, "token_realms", ()), *settings.token_realms()}
        is_allowed = bool(allowed & {origin.host, origin.netloc, "*"})
        return is_allowed or is_same_site(origin.host, self._host)

    def _warn(self, realm: str, repository: Reference) -> None:
        host = Origin.of(realm).netloc
        if host not in self._warned:
            self._warned.add(host)
            warnings.warn(
                f"{repository.registry} sends us for a token to {host}, which is at another site: the credentials were "
                f"not sent there. If it is the registry's token service, allow it: {_how_to_allow(realm)}",
                stacklevel=2,
            )

    def _check_realm(self, realm: str, repository: Reference) -> None:
        try:
            parts = urlsplit(realm)
            scheme, host = parts.scheme, parts.hostname or ""
        except ValueError:
            scheme = host = ""
        plain = scheme == "http" and (self._is_plain_http or (is_loopback(host) and is_loopback(self._host)))
        if scheme != "https" and not plain:
            raise AuthenticationError(
                f"{repository.name}: the registry sends us to {redacted(realm) or 'nowhere'} for a token, "
                "which is not https; no credential was sent",
                operation="authenticate",
                reference=repository.name,
            )
        if host == self._host or self._may_know(realm):
            return
        from kitops_orchestration.oci.http.inner import leads_inside  # most token services are the registry's own

        if leads_inside(self._host, host):
            raise AuthenticationError(
                f"{repository.name}: the registry sends us to {redacted(realm)} for a token, an address inside of this "
                "network; nothing was sent there",
                operation="authenticate",
                reference=repository.name,
                advice=f"if it is its token service, allow it: {_how_to_allow(realm)}",
            )


def _how_to_allow(realm: str) -> str:
    return f"token_realms of the credentials, or KITOPS_TOKEN_REALMS={Origin.of(realm).netloc}"


def _fits_header(token: str) -> bool:
    """Tell whether a token can be sent; the error of a header that cannot would show it."""
    return token.isascii() and token.isprintable()


def _refusal(status: int, key: _Key, repository: Reference) -> AuthenticationError | RegistryUnavailableError:
    who = f"{key.credential.username or 'identity token'}" if key.credential else "anonymous"
    where = (
        f"{redacted(key.realm)} gave no token for {repository.name} ({' '.join(key.scopes)}) to {who}: HTTP {status}"
    )
    place: dict[str, Any] = {"operation": "authenticate", "reference": repository.name}
    if status == 429 or status >= 500:
        return RegistryUnavailableError(where, **place)
    if status == 403:
        return AccessDeniedError(where, advice="ask for access to the repository", **place)
    advice = "check user name and password, or log in again" if key.credential else "log in, or give a credential"
    return AuthenticationError(where, advice=advice, **place)


def _read_token(body: bytes, key: _Key, repository: Reference) -> _Token:
    try:
        value: Any = json.loads(body)
        text = value.get("access_token") or value.get("token")
        lifetime = float(value.get("expires_in") or _DEFAULT_LIFETIME_SECONDS)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise AuthenticationError(f"{redacted(key.realm)} answered something that is not a token") from error
    if not isinstance(text, str) or not text or not _fits_header(text):
        raise AuthenticationError(
            f"{redacted(key.realm)} answered without a token for {repository.name}",
            operation="authenticate",
            reference=repository.name,
        )
    return _Token(text, time.monotonic(), lifetime)
