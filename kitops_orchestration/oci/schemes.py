"""Reference → the Repository that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kitops_orchestration import settings
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    import threading

    from kitops_orchestration.oci.auth.credentials import CredentialSource
    from kitops_orchestration.oci.http.tls import TlsOptions
    from kitops_orchestration.oci.registry.mirrored import OpenPlace
    from kitops_orchestration.oci.tag_guard import TagGuard
    from kitops_orchestration.oci.transfer.checkpoint import Checkpoint


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
    guard: TagGuard | None = None,
    insecure: bool | None = None,
) -> Repository:
    """Return the repository of ``reference``: a folder for ``file://``, a remote registry for every other.

    No byte moves and nothing is created here.  ``plain_http=None`` means HTTP for loopback hosts only.
    ``cancel`` stops a remote repository within a second; with a ``checkpoint`` its interrupted uploads go on where
    they were, also in another process.  ``proxy`` (``http://host:port``) leads to the registry, whatever the
    environment's variables say.  ``guard`` is asked before a tag moves or goes.  ``insecure`` stands for what
    ``registries.conf`` says of the repository.
    """
    if reference.is_folder:
        folder = LayoutRepository(reference, limits=limits)
        folder.guard = guard
        return folder
    # A folder user never pays for the HTTP stack.
    from kitops_orchestration.oci.registry.repository import RemoteRepository

    remote = RemoteRepository(
        reference,
        credentials=credentials,
        plain_http=plain_http,
        tls=tls,
        limits=limits,
        cancel=cancel,
        checkpoint=checkpoint,
        proxy=proxy,
        insecure=insecure,
    )
    remote.guard = guard
    return remote


def open_to_pull(
    reference: Reference, *, open_place: OpenPlace | None = None, limits: Limits = Limits(), **options: Any
) -> Repository:
    """Return what a ModelKit is taken out of: the repository of ``reference``, or where ``registries.conf`` leads.

    There a location may have another name, and mirrors are asked first; nothing is ever written to either.  The
    target of ``reference`` counts: some mirrors are for tags or for digests alone.  ``open_place`` opens the
    repositories, by default :func:`open_repository` with ``options``.
    """

    def open_plainly(where: Reference, *, insecure: bool | None = None, limits: Limits = limits) -> Repository:
        return open_repository(where, limits=limits, insecure=insecure, **options)

    opener = open_place or open_plainly
    if not reference.is_folder and settings.registries_files():
        from kitops_orchestration.oci.registry.mirrored import pulled_from

        found = pulled_from(reference, opener, limits)
        if found is not None:
            return found
    return opener(reference.without_target(), insecure=None, limits=limits)


def opener_beside(home: Repository) -> OpenRepository:
    """Return what opens other repositories as ``home`` was opened, for a caller who names no way of their own.

    What a registry's repository was opened with (credentials, TLS, proxy, limits) is used for every other
    registry; from a folder it is Docker's configuration.
    """

    def open_beside(reference: Reference) -> Repository:
        where = reference.without_target()
        if isinstance(home, LayoutRepository) == where.is_folder and hasattr(home, "beside"):
            opened: Repository = home.beside(where)
            return opened
        return open_repository(where)

    return open_beside
