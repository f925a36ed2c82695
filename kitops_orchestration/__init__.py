"""ModelKits from an experiment to production: pack, move, sign, promote and trace them, natively in Python.

The public nouns and verbs are here; each is imported when it is first used, so that ``import
kitops_orchestration`` costs nothing and pulls in no orchestrator, no MLflow and no HTTP client.

    >>> from kitops_orchestration import KitClient
    >>> client = KitClient("file:///tmp/models")
    >>> packed = client.pack("./iris", "iris:v1")            # doctest: +SKIP
    >>> client.unpack(packed.reference, "./out", filters=["model"])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kitops_orchestration._version import __version__

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.errors import KitOpsError
    from kitops_orchestration.oci.copy import copy
    from kitops_orchestration.oci.descriptor import Descriptor, Digest
    from kitops_orchestration.oci.manifest import Index, Manifest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.oci.schemes import open_repository
    from kitops_orchestration.settings import Limits

_HOMES = {
    "KitClient": "client",
    "KitOpsError": "errors",
    "copy": "oci.copy",
    "Descriptor": "oci.descriptor",
    "Digest": "oci.descriptor",
    "Index": "oci.manifest",
    "Manifest": "oci.manifest",
    "Reference": "oci.reference",
    "Repository": "oci.repository",
    "open_repository": "oci.schemes",
    "Limits": "settings",
}

__all__ = [
    "Descriptor",
    "Digest",
    "Index",
    "KitClient",
    "KitOpsError",
    "Limits",
    "Manifest",
    "Reference",
    "Repository",
    "__version__",
    "copy",
    "open_repository",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
