"""ModelKits from an experiment to production: pack, move, sign, promote and trace them, natively in Python.

The public nouns and verbs are here; each is imported when it is first used, so that ``import
kitops_orchestration`` costs nothing and pulls in no orchestrator, no MLflow and no HTTP client.

    >>> from kitops_orchestration import KitClient
    >>> client = KitClient("file:///tmp/models")
    >>> packed = client.pack("./iris", "iris:v1")            # doctest: +SKIP
    >>> client.unpack(packed.reference, "./out", filters=["model"])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names
from kitops_orchestration._version import __version__

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient as KitClient
    from kitops_orchestration.errors import KitOpsError as KitOpsError
    from kitops_orchestration.modelkit import Kitfile as Kitfile
    from kitops_orchestration.modelkit import ModelKit as ModelKit
    from kitops_orchestration.oci import Descriptor as Descriptor
    from kitops_orchestration.oci import Digest as Digest
    from kitops_orchestration.oci import Index as Index
    from kitops_orchestration.oci import Manifest as Manifest
    from kitops_orchestration.oci import Reference as Reference
    from kitops_orchestration.oci import Repository as Repository
    from kitops_orchestration.oci import copy as copy
    from kitops_orchestration.oci import open_repository as open_repository
    from kitops_orchestration.settings import Limits as Limits

__all__ = [
    "Descriptor",
    "Digest",
    "Index",
    "KitClient",
    "KitOpsError",
    "Kitfile",
    "Limits",
    "Manifest",
    "ModelKit",
    "Reference",
    "Repository",
    "__version__",
    "copy",
    "open_repository",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Descriptor": "oci",
            "Digest": "oci",
            "Index": "oci",
            "KitClient": "client",
            "KitOpsError": "errors",
            "Kitfile": "modelkit",
            "Limits": "settings",
            "Manifest": "oci",
            "ModelKit": "modelkit",
            "Reference": "oci",
            "Repository": "oci",
            "copy": "oci",
            "open_repository": "oci",
        },
    )
