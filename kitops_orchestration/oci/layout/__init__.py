"""A repository in a folder, as an OCI image layout: the registry that needs no server."""

from kitops_orchestration.oci.layout.repository import LayoutRepository

__all__ = ["LayoutRepository"]
