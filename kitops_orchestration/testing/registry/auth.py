"""Credentials of the embedded registry: basic, or the token protocol with scopes and expiry.

Source: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from typing import Literal
from urllib.parse import parse_qs

from kitops_orchestration.testing.registry.behaviour import Behaviour
from kitops_orchestration.testing.registry.exchange import Exchange

AuthKind = Literal["none", "basic", "token"]
SERVICE = "embedded-registry"


class Gate:
    """Decides whether a request may pass, and answers the ones that may not."""

    def __init__(
        self,
        kind: AuthKind,
        username: str,
        password: str,
        identity_token: str,
        token_seconds: float,
        behaviour: Behaviour,
    ) -> None:
        self._kind = kind
        self._expected = f"{username}:{password}"
        self._password = password
        self._identity_token = identity_token
        self._token_seconds = token_seconds
        self._behaviour = behaviour
        self._tokens: dict[str, tuple[frozenset[str], float]] = {}
        self._lock = threading.Lock()

    def expire_tokens(self) -> None:
        """Make every token that was issued invalid from now on."""
        with self._lock:
            self._tokens.clear()

    def issued(self) -> tuple[str, ...]:
        """Return every token that was issued and not made invalid."""
        with self._lock:
            return tuple(self._tokens)

    def admit(self, exchange: Exchange, repository: str | None) -> bool:
        """Return True, or answer 401 and return False."""
        is_write = exchange.method not in ("GET", "HEAD")
        if self._kind == "none" or (self._behaviour.anonymous_pull and not is_write and repository):
            return True
        if self._kind == "basic":
            return self._is_basic(exchange) or self._challenge(exchange, f'Basic realm="{SERVICE}"')
        return self._admit_token(exchange, repository, is_write)

    def issue(self, exchange: Exchange) -> None:
        """Serve the token endpoint: GET with basic credentials, or POST with a grant."""
        if exchange.method == "POST":
            form = {key: values[0] for key, values in parse_qs(exchange.read_body().decode()).items()}
            is_known = self._is_grant(form)
            scope = form.get("scope", "")
        else:
            is_known = self._is_basic(exchange)
            scope = " ".join(exchange.queries.get("scope", ()))
        if not is_known:
            exchange.send_error(401, "UNAUTHORIZED", "wrong credentials")
            return
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = (_permissions(scope), time.monotonic() + self._token_seconds)
        answer = {"token": token, "access_token": token, "expires_in": self._token_seconds}
        exchange.send_json(200, answer)

    def _admit_token(self, exchange: Exchange, repository: str | None, is_write: bool) -> bool:
        scheme, _, token = exchange.headers.get("Authorization", "").partition(" ")
        actions = "pull,push" if is_write else "pull"
        if exchange.method == "DELETE":
            actions = "delete"
        scope = f'scope="repository:{repository}:{actions}"' if repository else ""
        realm = f'Bearer realm="http://{exchange.host}/token",service="{SERVICE}"'
        challenge = ",".join(filter(None, (realm, scope)))
        if scheme.lower() != "bearer":
            return self._challenge(exchange, challenge)
        with self._lock:
            permissions, expires = self._tokens.get(token, (frozenset(), 0.0))
        if time.monotonic() >= expires:
            return self._challenge(exchange, challenge + ',error="invalid_token"')
        needed = {f"{repository}:{action}" for action in actions.split(",")} if repository else set()
        return needed <= permissions or self._challenge(exchange, challenge + ',error="insufficient_scope"')

    def _challenge(self, exchange: Exchange, challenge: str) -> Literal[False]:
        exchange.send_error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        return False

    def _is_basic(self, exchange: Exchange) -> bool:
        scheme, _, value = exchange.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return scheme.lower() == "basic" and secrets.compare_digest(given.encode(), self._expected.encode())

    def _is_grant(self, form: dict[str, str]) -> bool:
        if form.get("grant_type") == "refresh_token":
            return form.get("refresh_token") == self._identity_token
        return f"{form.get('username')}:{form.get('password')}" == self._expected


def _permissions(scope: str) -> frozenset[str]:
    """Return ``{"team/iris:pull", …}`` of ``repository:team/iris:pull,push …``."""
    found = set()
    for item in scope.split():
        kind, _, rest = item.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository":
            found |= {f"{name}:{action}" for action in (actions.split(",") + (["delete"] if actions == "*" else []))}
    return frozenset(found)
