"""Small content of evidence: fetched, verified against its digest, cached, and never larger than evidence is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.oci.content_cache import ContentCache
from kitops_orchestration.oci.manifest import Node, parse
from kitops_orchestration.oci.verified import read_verified
from kitops_orchestration.settings import MIB

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Descriptor
    from kitops_orchestration.oci.repository import Repository

MAX_EVIDENCE_BYTES = 64 * MIB


def read_blob(repository: Repository, descriptor: Descriptor) -> bytes:
    """Return a small blob, verified.

    Raises:
        SignatureError: it says it is larger than evidence may be.
    """
    if descriptor.size > MAX_EVIDENCE_BYTES:
        raise SignatureError(f"{descriptor.digest} has {descriptor.size} bytes, too many for evidence")
    cache = _cache_for(repository)
    content = cache.get(descriptor.digest) if cache else None
    if content is None or len(content) != descriptor.size:
        content = read_verified(repository, descriptor)
        if cache:
            cache.put(descriptor.digest, content)
    return content


def fetch_manifest(repository: Repository, descriptor: Descriptor) -> Node:
    """Return the manifest that a list of referrers names."""
    cache = _cache_for(repository)
    content = cache.get(descriptor.digest) if cache else None
    if content is not None:
        return parse(content, descriptor.media_type, expected=descriptor.digest)
    node = repository.fetch_manifest(descriptor.digest)
    if cache:
        cache.put(descriptor.digest, node.content)
    return node


def _cache_for(repository: Repository) -> ContentCache | None:
    """Nothing is kept of a folder, which is as near as the cache."""
    return None if repository.reference.is_folder else ContentCache()
