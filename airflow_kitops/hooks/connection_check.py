"""What the *Test* button of a connection says: which part of it is wrong."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from kitops_orchestration.errors import (
    AccessDeniedError,
    AuthenticationError,
    InvalidReferenceError,
    KitOpsError,
    NotFoundError,
    RegistryUnavailableError,
    causes,
)

_PARTS: tuple[tuple[type[KitOpsError], str], ...] = (
    (AccessDeniedError, "repository"),
    (AuthenticationError, "credentials"),
    (NotFoundError, "repository"),
    (RegistryUnavailableError, "host"),
    (InvalidReferenceError, "host"),
)
_FOLDER = "file://"


def require_folder(registry: str | None) -> None:
    """Refuse a folder registry that is not there: it may be a typing error, and the first pack would make it.

    Raises:
        RegistryUnavailableError: there is no such folder on this machine.
    """
    if registry is None or not registry.startswith(_FOLDER):
        return
    folder = Path(unquote(registry.removeprefix(_FOLDER)))
    if not folder.is_dir():
        raise RegistryUnavailableError(
            f"there is no folder {folder} on this machine",
            advice="correct the path, or make the folder where the tasks run",
        )


def wrong_part(error: KitOpsError) -> str:
    """Return which part of a connection an error is about: host, TLS, credentials or repository."""
    # By the name of its module: who asks a folder never pays for ssl.
    if any(kind.__module__ == "ssl" for cause in causes(error) for kind in type(cause).__mro__):
        return "TLS"
    return next((part for kind, part in _PARTS if isinstance(error, kind)), "registry")
