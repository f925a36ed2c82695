"""Repository: the one protocol that a layout directory and a remote registry both implement.

Movement (push, pull, mirror, promote) is :func:`kitops_orchestration.oci.copying.graph.copy` between two of these.
The narrow parts are protocols of their own; ask for the smallest one that does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import BinaryIO, Protocol, runtime_checkable

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.reference import Reference


class ManifestReader(Protocol):
    """Finds and reads manifests."""

    @property
    def reference(self) -> Reference:
        """The repository itself: registry and name, no tag, no digest."""
        ...

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises ``NotFoundError``."""
        ...

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; asked by digest, the bytes are verified."""
        ...


class BlobReader(Protocol):
    """Reads blobs."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there; an existence check, no bytes move."""
        ...

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``: a reader with ``read``, ``readinto`` and ``close``.

        The bytes are **not** verified here, because callers hash while they move: wrap the stream in
        ``VerifyingReader``, or use ``transfer.download_blob``.  Raises ``NotFoundError``.
        """
        ...


class BlobWriter(Protocol):
    """Writes blobs."""

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Store the content of ``source`` under ``descriptor``; return False when it was there already.

        The stored bytes are verified against digest and size before they become visible.
        """
        ...

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:
        """Take the blob over from another repository of the same registry without moving bytes.

        Returns False when the registry cannot do that; the caller then pushes.
        """
        ...


class ManifestWriter(Protocol):
    """Writes manifests and moves tags."""

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest by digest and, when ``tag`` is given, point the tag at it.

        Blobs and child manifests have to be there first.  A manifest with a ``subject`` becomes visible in
        :meth:`Repository.referrers` of that subject, by the registry's API or the fallback tag.
        """
        ...

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:
        """Point ``tag`` at a manifest that is in this repository; atomic; raises ``NotFoundError``."""
        ...

    def delete_tag(self, tag: str) -> None:
        """Remove the tag and nothing else; raises ``NotFoundError``, ``RegistryResponseError`` if unsupported."""
        ...


@runtime_checkable
class Repository(ManifestReader, BlobReader, BlobWriter, ManifestWriter, Protocol):
    """A named collection of manifests and blobs; safe to use from several threads at once."""

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order, without fallback tags of referrers and signatures.

        Raises ``NotFoundError`` where there is no such repository: not found is not empty.
        ``resolve.tags_if_there`` is for callers to whom both are the same.
        """
        ...

    def exists(self) -> bool:
        """Tell whether there is such a repository; most registries know one from its first tag on."""
        ...

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return descriptors of the manifests whose subject is ``digest``.

        API and fallback tag are merged; artifact type and annotations are filled in; order is stable.
        """
        ...


@runtime_checkable
class ManifestRemover(Protocol):
    """Removes manifests."""

    def delete_manifest(self, digest: str) -> None:
        """Remove a manifest with every tag that points at it; blobs stay until garbage is collected.

        Raises ``NotFoundError``, and ``RegistryResponseError`` where the registry deletes nothing.
        """
        ...


@runtime_checkable
class ReferrersWriter(Protocol):
    """Writes several referrers at once."""

    def push_referrers(self, manifests: Sequence[Node]) -> None:
        """Store manifests, all of which refer to the same subject; their blobs are there."""
        ...


@runtime_checkable
class TellsItsTags(Protocol):
    """A repository that can tell in one answer which tags carry evidence."""

    def evidence_tags(self) -> frozenset[str] | None:
        """Return all tags that hold referrers or older signatures; ``None`` where one answer does not tell."""
        ...

    def referrers(self, digest: str, *, tags: Collection[str] | None = None) -> list[Descriptor]:
        """Return what refers to a digest; a fallback tag that is not among ``tags`` is not asked for."""
        ...


OpenRepository = Callable[[Reference], Repository]
"""Gives the repository of a reference; its tag or digest is not looked at."""


def no_repository(where: Reference) -> NotFoundError:
    """Return the error for a repository that is not there; a misspelt name is not an empty repository."""
    return NotFoundError(
        f"there is no repository {where}",
        operation="list tags of",
        reference=str(where),
        advice="check registry and repository; a registry that hides what it has may want credentials",
    )
