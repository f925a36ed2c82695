"""What goes with a version: everything that refers to it, and the tags that only list it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.referrers import LEGACY_SUFFIXES, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository


def evidence_of(repository: Repository, digest: str, referrers: Sequence[Descriptor]) -> list[Digest]:
    """Return what refers to a manifest, what refers to that, and the tags that only list it; farthest first."""
    found: list[Digest] = []
    for each in (descriptor.digest for descriptor in referrers):
        found += [*evidence_of(repository, each, repository.referrers(each)), each]
    tags = [resolve_or_none(repository, fallback_tag(digest) + suffix) for suffix in ("", *LEGACY_SUFFIXES)]
    return [*found, *(item for item in tags if item is not None)]
