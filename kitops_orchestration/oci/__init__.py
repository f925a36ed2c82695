"""OCI, and only OCI: references, descriptors, manifests, and repositories to keep them in.

Not one line here knows what a model is.  Everything above stands on it; only ``disk``, ``cancel``, ``progress``,
``settings`` and ``errors`` are below.  A folder and a registry are the same to whoever holds a :class:`Repository`.

    >>> from kitops_orchestration.oci import Reference
    >>> Reference.parse("registry.example/team/iris:v1").tag
    'v1'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.oci.auth.credentials import Credential as Credential
    from kitops_orchestration.oci.auth.credentials import CredentialSource as CredentialSource
    from kitops_orchestration.oci.auth.credentials import DockerConfig as DockerConfig
    from kitops_orchestration.oci.auth.credentials import StaticCredentials as StaticCredentials
    from kitops_orchestration.oci.copying.graph import CopyResult as CopyResult
    from kitops_orchestration.oci.copying.graph import copy as copy
    from kitops_orchestration.oci.descriptor import Descriptor as Descriptor
    from kitops_orchestration.oci.descriptor import Digest as Digest
    from kitops_orchestration.oci.http.tls import RegistryOptions as RegistryOptions
    from kitops_orchestration.oci.http.tls import TlsOptions as TlsOptions
    from kitops_orchestration.oci.layout.prune import PruneResult as PruneResult
    from kitops_orchestration.oci.layout.repository import LayoutRepository as LayoutRepository
    from kitops_orchestration.oci.manifest import Index as Index
    from kitops_orchestration.oci.manifest import Manifest as Manifest
    from kitops_orchestration.oci.reference import Reference as Reference
    from kitops_orchestration.oci.reference import folder_registry as folder_registry
    from kitops_orchestration.oci.referrers import AttachResult as AttachResult
    from kitops_orchestration.oci.registry.repository import RemoteRepository as RemoteRepository
    from kitops_orchestration.oci.repository import Repository as Repository
    from kitops_orchestration.oci.schemes import open_repository as open_repository
    from kitops_orchestration.oci.tag_selector import TagSelector as TagSelector
    from kitops_orchestration.oci.transfer.checkpoint import Checkpoint as Checkpoint
    from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint as FileCheckpoint

__all__ = [
    "AttachResult",
    "Checkpoint",
    "CopyResult",
    "Credential",
    "CredentialSource",
    "Descriptor",
    "Digest",
    "DockerConfig",
    "FileCheckpoint",
    "Index",
    "LayoutRepository",
    "Manifest",
    "PruneResult",
    "Reference",
    "RegistryOptions",
    "RemoteRepository",
    "Repository",
    "StaticCredentials",
    "TagSelector",
    "TlsOptions",
    "copy",
    "folder_registry",
    "open_repository",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "AttachResult": "referrers",
            "Checkpoint": "transfer.checkpoint",
            "CopyResult": "copying.graph",
            "Credential": "auth.credentials",
            "CredentialSource": "auth.credentials",
            "Descriptor": "descriptor",
            "Digest": "descriptor",
            "DockerConfig": "auth.credentials",
            "FileCheckpoint": "transfer.checkpoint",
            "Index": "manifest",
            "LayoutRepository": "layout.repository",
            "Manifest": "manifest",
            "PruneResult": "layout.prune",
            "Reference": "reference",
            "RegistryOptions": "http.tls",
            "RemoteRepository": "registry.repository",
            "Repository": "repository",
            "StaticCredentials": "auth.credentials",
            "TagSelector": "tag_selector",
            "TlsOptions": "http.tls",
            "copy": "copying.graph",
            "folder_registry": "reference",
            "open_repository": "schemes",
        },
    )
