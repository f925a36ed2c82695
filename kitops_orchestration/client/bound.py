"""Bound: one registry, one set of credentials, one set of limits, and what every verb needs of them."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.credentials import CredentialSource
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.oci.transfer_checkpoint import Checkpoint
    from kitops_orchestration.oci.transport import TlsOptions


class Bound:
    """Resolves references and opens repositories; keeps no state, so it may be shared by threads."""

    def __init__(
        self,
        registry: str | None = None,
        *,
        credentials: CredentialSource | None = None,
        plain_http: bool | None = None,
        tls: TlsOptions | None = None,
        limits: Limits | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        proxy: str | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.registry = registry.rstrip("/") if registry else None
        self.limits = limits or Limits()
        self.cancel = cancel
        self._credentials = credentials
        self._plain_http = plain_http
        self._tls = tls
        self._proxy = proxy
        self._progress = progress
        self._checkpoint = checkpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.registry!r})"

    def reference(self, text: str | Reference) -> Reference:
        """Parse a reference; one without a registry is taken to be in this client's."""
        return text if isinstance(text, Reference) else Reference.parse(text, registry=self.registry)

    def repository(self, reference: str | Reference) -> Repository:
        """Open the repository that a reference names; no request is made yet."""
        from kitops_orchestration.oci.schemes import open_repository

        return open_repository(
            self.reference(reference).without_target(),
            credentials=self._credentials,
            plain_http=self._plain_http,
            tls=self._tls,
            limits=self.limits,
            proxy=self._proxy,
            checkpoint=self._checkpoint,
        )

    def resolve(self, reference: str | Reference) -> Reference:
        """Return the reference pinned by the digest that it points at now."""
        where = self.reference(reference)
        return where.with_digest(self.repository(where).resolve(where.target).digest)

    def with_limits(self, **changes: Any) -> Self:
        """Return the same client with some of its limits changed, as :func:`dataclasses.replace` takes them."""
        other = copy.copy(self)
        other.limits = replace(self.limits, **changes)
        return other

    def _moving(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"limits": self.limits, "progress": self._progress, "cancel": self.cancel, **options}
