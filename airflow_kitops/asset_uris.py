"""How an asset's URI names a repository: ``oci://registry/repository``, or the folder as it is."""

from __future__ import annotations

from kitops_orchestration.oci.reference import Reference


def asset_uri(reference: str | Reference) -> str:
    """Return the URI of the asset that a reference's repository is."""
    where = reference if isinstance(reference, Reference) else Reference.parse(reference)
    return where.name if where.is_folder else f"oci://{where.name}"
