"""Which registries a ``modelkit://`` URI may reach, and whose ModelKits may be loaded.

A model version's source is text that any user of a tracking server writes; a server that followed it would
connect wherever it is told to (server-side request forgery).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kitops_orchestration import settings
from kitops_orchestration.errors import AccessDeniedError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri
    from kitops_orchestration.oci.repository import OpenRepository, Repository
    from kitops_orchestration.signing.trust import TrustPolicy

_VARIABLE = "KITOPS_MLFLOW_ALLOWED_REGISTRIES"


def check_registry(reference: Reference) -> None:
    """Raise :class:`AccessDeniedError` unless the registry is allowed; patterns may use ``*``.

    Without a list everything is allowed, except inside an MLflow server, where nothing is.
    """
    allowed = settings.mlflow_allowed_registries()
    if allowed is None or any(fnmatchcase(reference.registry, pattern) for pattern in allowed):
        return
    where = "this MLflow server" if settings.is_mlflow_server() else "this process"
    raise AccessDeniedError(
        f"{where} may not reach the registry {reference.registry}",
        operation="open",
        reference=str(reference),
        advice=f"add it to {_VARIABLE} (registries by commas) where this process is started",
    )


def allowed_opener(repository: Repository, open_parent: OpenRepository | None = None) -> OpenRepository:
    """Return what opens the parents of a ModelKit: a Kitfile is text of others too, and may name any host.

    It raises :class:`AccessDeniedError` for a registry that is not allowed.  Without ``open_parent`` a parent is
    opened with what ``repository`` was opened with.
    """
    from kitops_orchestration.oci.schemes import opener_beside

    opener = open_parent or opener_beside(repository)

    def open_allowed(reference: Reference) -> Repository:
        check_registry(reference)
        return opener(reference)

    return open_allowed


def open_for_mlflow(uri: ModelKitUri) -> Repository:
    """Open what a ``modelkit://`` URI names, for MLflow: it hands its plugins a text and nothing else.

    This is the one place below the client that opens a repository by itself, with Docker's configuration.

    Raises:
        AccessDeniedError: its registry is not allowed.
    """
    from kitops_orchestration.oci.schemes import open_to_pull

    check_registry(uri.reference)
    return open_to_pull(uri.reference, plain_http=uri.plain_http)


def trust_of_mlflow() -> TrustPolicy | None:
    """Return whose ModelKits MLflow may load in this process; ``None`` where no policy is configured."""
    path = settings.mlflow_trust_policy()
    if path is None:
        return None
    from kitops_orchestration.signing.trust import TrustPolicy

    return TrustPolicy.load(path)


def verify_trusted(
    repository: Repository, digest: str, trust: TrustPolicy | None, *, open_parent: OpenRepository | None = None
) -> None:
    """Raise :class:`SignatureError` unless the policy accepts the ModelKit and its parents; no policy, no question."""
    if trust is None:
        return
    from kitops_orchestration.modelkit.inspect import inspect
    from kitops_orchestration.modelkit.parents import parents_of
    from kitops_orchestration.signing.verify import verify

    verify(repository, digest, trust=trust)
    kit, opener = inspect(repository, digest), allowed_opener(repository, open_parent)
    for parent in parents_of(kit.kitfile, repository, opener, pin=kit.base.digest if kit.base else None):
        verify(parent.repository, parent.kit.digest, trust=trust)
