"""Reference → the Repository that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    import threading

    from kitops_orchestration.oci.credentials import CredentialSource
    from kitops_orchestration.oci.transfer_checkpoint import Checkpoint
    from kitops_orchestration.oci.transport import TlsOptions


def open_repository(
    reference: Reference,
    *,
    credentials: CredentialSource | None = None,
    plain_http: bool | None = None,
    tls: TlsOptions | None = None,
    limits: Limits = Limits(),
    cancel: threading.Event | None = None,
    checkpoint: Checkpoint | None = None,
    proxy: str | None = None,
) -> Repository:
    """Return the repository of ``reference``: a folder for ``file://``, a remote registry for every other.

    No byte moves and nothing is created here.  ``plain_http=None`` means HTTP for loopback hosts only.
    ``cancel`` stops a remote repository within a second; with a ``checkpoint`` its interrupted uploads go on where
    they were, also in another process.  ``proxy`` (``http://host:port``) leads to the registry, whatever the
    environment's variables say.
    """
    if reference.is_folder:
        return LayoutRepository(reference, limits=limits)
    # A folder user never pays for the HTTP stack.
    from kitops_orchestration.oci.remote import RemoteRepository

    return RemoteRepository(
        reference,
        credentials=credentials,
        plain_http=plain_http,
        tls=tls,
        limits=limits,
        cancel=cancel,
        checkpoint=checkpoint,
        proxy=proxy,
    )
