"""Which registries a ``modelkit://`` URI may reach, and whose ModelKits may be loaded.

A model version's source is text that any user of a tracking server writes; a server that followed it would
connect wherever it is told to (server-side request forgery).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_orchestration import settings
from kitops_orchestration.errors import AccessDeniedError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository

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


def open_allowed(reference: Reference) -> Repository:
    """Open the repository of a parent ModelKit: a Kitfile is text of others too, and may name any host.

    Raises:
        AccessDeniedError: its registry is not allowed.
    """
    from kitops_orchestration.oci.schemes import open_repository

    check_registry(reference)
    return open_repository(reference.without_target())


def verify_trusted(repository: Repository, digest: str, policy_path: Path | None) -> None:
    """Raise :class:`SignatureError` unless the policy accepts the ModelKit and its parents; no policy, no question."""
    if policy_path is None:
        return
    from kitops_orchestration.modelkit.inspect import inspect
    from kitops_orchestration.modelkit.parents import parents_of
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import verify

    trust = TrustPolicy.load(policy_path)
    verify(repository, digest, trust=trust)
    for parent in parents_of(inspect(repository, digest).kitfile, repository, open_allowed):
        verify(parent.repository, parent.kit.digest, trust=trust)
