"""Across an air gap: ModelKits, all their evidence and the trust policy in one file, verified on the other side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_orchestration.errors import ModelKitError, PromotionError
from kitops_orchestration.oci.archive import ArchiveRepository, ArchiveWriter
from kitops_orchestration.oci.copy import CopyResult, copy
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository

TRUST = "trust.yaml"


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was written."""

    path: Path
    references: tuple[Reference, ...]
    """What it holds, pinned by digest."""
    referrers: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """One ModelKit that arrived."""

    reference: Reference
    """Where it is now, pinned by digest."""
    origin: str
    """``registry/repository`` that it was exported from."""
    copy: CopyResult


def export_archive(
    items: Sequence[tuple[Repository, str]],
    path: Path,
    *,
    trust_path: Path | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Exported:
    """Write ModelKits (repository, tag or digest) with all their referrers into one OCI layout tar.

    The trust policy goes along as it is; the receiver decides whether to use it or one of their own.  The file
    appears whole or not at all, and the same content gives the same bytes.
    """
    references, referrers = [], 0
    one_by_one = Limits(concurrency=1, max_manifest_bytes=limits.max_manifest_bytes)  # a tar has one end
    with ArchiveWriter(path) as archive:
        if trust_path is not None:
            archive.add_file(TRUST, _read(trust_path))
        for repository, target in items:
            digest = repository.resolve(target).digest
            tag = None if target == digest else target
            name = repository.reference
            destination = archive.repository(name)
            done = copy(
                repository,
                digest,
                destination,  # type: ignore[arg-type]  # the part of the protocol that a copy needs
                tag=tag or f"sha256-{digest.short}",
                referrers=True,
                limits=one_by_one,
                progress=progress,
                cancel=cancel,
            )
            references.append(Reference(name.registry, name.repository, tag, digest))
            referrers += done.referrers_copied
    return Exported(path, tuple(references), referrers, path.stat().st_size)


def import_archive(
    path: Path,
    open_repository: Callable[[str], Repository],
    *,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> list[Imported]:
    """Bring every ModelKit of an archive into repositories; verified, evidence before tags.

    ``open_repository`` gives the destination for the ``registry/repository`` that a ModelKit came from.  An
    import that was interrupted is run again: what arrived is not moved a second time.

    Raises:
        ModelKitError: the file is no archive, was cut, or holds other bytes than its digests say.
    """
    archive = ArchiveRepository(path)
    roots = archive.roots()
    if not roots:
        raise ModelKitError(f"{path} names no ModelKit", advice="give a file that `kitctl export` wrote")
    imported = []
    for entry in roots:
        origin = entry.repository or ""
        destination = open_repository(origin)
        done = copy(
            archive,
            entry.descriptor.digest,
            destination,
            tag=entry.tag,
            referrers=True,
            limits=limits,
            progress=progress,
            cancel=cancel,
            verb="pull",
        )
        name = destination.reference
        reference = Reference(name.registry, name.repository, entry.tag, entry.descriptor.digest)
        imported.append(Imported(reference, origin, done))
    return imported


def trust_of(path: Path) -> bytes | None:
    """Return the trust policy that an archive carries, as it was; reading it is not believing it."""
    return ArchiveRepository(path).extra_file(TRUST)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PromotionError(
            f"cannot read the trust policy {path}: {error.strerror}", advice="check the path of --trust"
        ) from error
