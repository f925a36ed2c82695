"""The registry client library, oras-py, on our transport.

``oras.provider.Registry`` builds the addresses and its control requests run as they are; what they are sent
by is replaced: authorization by scope, retries with a budget, timeouts, verified TLS, bounded bodies.  Its
own movement of blobs is not used (whole blobs in memory on push, nothing verified on pull).

Imported only when a registry is spoken to: oras costs a third of a second.
"""

from __future__ import annotations

import json as json_module
import threading
from typing import Any

import oras.auth.base  # noqa: TID253 - this module is itself imported inside functions only
import oras.container  # noqa: TID253
import oras.provider  # noqa: TID253
import requests  # noqa: TID253

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.remote_session import Call, RegistrySession
from kitops_orchestration.oci.transport_response import Response

_ACTIONS = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete", "pull", "push")}


class SessionAuth(oras.auth.base.AuthBackend):  # type: ignore[misc]  # oras has no types
    """Tells oras that authorization is done below it."""

    def get_auth_header(self) -> dict[str, str]:
        """Return no header: the session adds its own."""
        return {}

    def load_configs(self, container: Any, configs: list[str] | None = None) -> None:
        """Do nothing: the session looks credentials up by repository."""


class OrasRegistry(oras.provider.Registry):  # type: ignore[misc]  # oras has no types
    """``oras.provider.Registry`` for one repository, sending through a :class:`RegistrySession`."""

    def __init__(self, session: RegistrySession, repository: Reference) -> None:
        super().__init__(hostname=session.origin.netloc, insecure=session.origin.scheme == "http")
        self.registry_session = session
        self.repository = repository
        self.auth = SessionAuth()
        self.container = container_for(session, repository)

    def url(self, path: str) -> str:
        """Return the absolute address of one of the container's paths, which have no scheme."""
        return f"{self.prefix}://{path}"

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        stream: bool = False,  # noqa: ARG002 - oras's signature; bodies of control requests are small
        *,
        operation: str | None = None,
        limit: int = 4 * 1024 * 1024,
        cancel: threading.Event | None = None,
    ) -> requests.Response:
        """Send a control request and return its answer; the body is read, up to ``limit`` bytes."""
        if json is not None:
            data, headers = json_module.dumps(json).encode(), {"Content-Type": "application/json", **(headers or {})}
        call = Call(
            method,
            url,
            self.repository,
            operation or f"{method.lower()} in",
            _ACTIONS.get(method, ("pull", "push")),
            headers or {},
            data,
        )
        return _as_requests(self.registry_session.ask(call, limit=limit, cancel=cancel), method)


def container_for(session: RegistrySession, repository: Reference) -> Any:
    """Return oras's builder of addresses for a repository; its lenient parser sees nothing of ours."""
    container = oras.container.Container("registry.invalid/repository")
    container.registry = session.origin.netloc
    container.namespace = None
    container.repository = session.name(repository)
    container.tag = None
    return container


def _as_requests(response: Response, method: str) -> requests.Response:
    result = requests.Response()
    result.status_code = response.status
    result.headers = requests.structures.CaseInsensitiveDict(response.headers.items())
    result.url = response.url
    result.request = requests.Request(method, response.url).prepare()
    result._content = response.content
    return result
