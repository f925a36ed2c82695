"""Hosts that a registry redirects to: storage that asks for nothing, or one with a challenge of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from kitops_orchestration.oci.auth.authorizer import Authorizer, TokenFetch
from kitops_orchestration.oci.auth.credentials import CredentialSource
from kitops_orchestration.oci.http.client import Request, Transport
from kitops_orchestration.oci.http.response import Response
from kitops_orchestration.oci.http.url import Origin
from kitops_orchestration.oci.reference import Reference


class OtherHosts:
    """Sends requests to other hosts than the registry's own.

    What they are sent is what the credential source has for *them*; nothing of the registry's goes there.
    """

    def __init__(self, transport: Transport, credentials: CredentialSource, fetch: TokenFetch) -> None:
        self._transport = transport
        self._credentials = credentials
        self._fetch = fetch
        self._lock = threading.Lock()
        self._authorizers: dict[Origin, Authorizer] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        repository: Reference,
        cancel: threading.Event | None,
    ) -> Response:
        """Send a request without a body; one that is answered by a challenge is sent once more.

        Raises:
            AuthenticationError: the host's token service gives us no token.
        """
        response = self._transport.send(Request(method, url, dict(headers)), cancel=cancel)
        challenges = response.headers.get_all("WWW-Authenticate") or []
        if response.status != 401 or not challenges:
            return response
        origin = Origin.of(url)
        where = Reference(origin.netloc, repository.repository)
        response.load()
        authorization = self._authorizer(origin).answer(challenges, where, (), rejected=None, cancel=cancel)
        if authorization is None:
            return response
        given = {**headers, "Authorization": authorization}
        return self._transport.send(Request(method, url, given), cancel=cancel)

    def _authorizer(self, origin: Origin) -> Authorizer:
        with self._lock:
            found = self._authorizers.get(origin)
            if found is None:
                is_plain = origin.scheme == "http"
                found = Authorizer(self._credentials, host=origin.host, is_plain_http=is_plain, fetch=self._fetch)
                self._authorizers[origin] = found
            return found
