"""Across an air gap: ModelKits, all their evidence and the trust policy in one file, verified on the other side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from kitops_orchestration.errors import (
    CheckFailedError,
    ModelKitError,
    PromotionError,
    SignatureMissingError,
    TagOwnedError,
    VerificationError,
)
from kitops_orchestration.oci.archive import ArchivedEntry, ArchiveRepository, ArchiveWriter
from kitops_orchestration.oci.copying.graph import CopyResult, copy
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.tag_guard import check_tag
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.trust_file import self_contained
from kitops_orchestration.signing.verify import check_signatures

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy

TRUST = "trust.yaml"


@dataclass(frozen=True, slots=True)
class Saved:
    """An archive that was written."""

    path: Path
    references: tuple[Reference, ...]
    """What it holds, pinned by digest."""
    referrers: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """One ModelKit that arrived."""

    reference: Reference
    """Where it is now, pinned by digest."""
    origin: str
    """``registry/repository`` that it was exported from."""
    copy: CopyResult
    signers: tuple[str, ...] = ()
    """Identities of the receiver's trust policy that signed it; nobody where none was given."""
    replaced: Digest | None = None
    """What the tag pointed at before, where that was something else."""
    instead_of: str | None = None
    """The tag that it has in the archive, where that is a stage's here: it got one of its own instead."""


class SaveOptions(TypedDict, total=False):
    """What :func:`save` takes by name and a client or an adapter hands through."""

    trust_path: Path | None
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def save(
    items: Sequence[tuple[Repository, str]],
    path: Path,
    *,
    trust_path: Path | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Saved:
    """Write ModelKits (repository, tag or digest) with all their referrers into one OCI layout tar.

    The trust policy goes along with the keys that it names; the receiver decides whether to use it or one of
    their own.  The file appears whole or not at all, and the same content gives the same bytes.

    Raises:
        SignatureError: ``trust_path`` is no trust policy.
    """
    references, referrers = [], 0
    one_by_one = Limits(concurrency=1, max_manifest_bytes=limits.max_manifest_bytes)  # a tar has one end
    with ArchiveWriter(path) as archive:
        if trust_path is not None:
            archive.add_file(TRUST, self_contained(trust_path))
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
    return Saved(path, tuple(references), referrers, path.stat().st_size)


class LoadOptions(TypedDict, total=False):
    """What :func:`load` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    without_stages: bool
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def load(
    path: Path,
    open_repository: Callable[[str], Repository],
    *,
    trust: TrustPolicy | None = None,
    without_stages: bool = False,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> list[Loaded]:
    """Bring every ModelKit of an archive into repositories; verified, evidence before tags.

    ``open_repository`` gives the destination for the ``registry/repository`` that a ModelKit came from.  With
    ``trust``, the receiver's own policy, every ModelKit has to be signed as it demands before anything is
    written.  An import that was interrupted is run again: what arrived is not moved a second time.

    ``without_stages`` leaves the tags alone that are stages' here: such a ModelKit comes in under
    ``<tag>-<first digits of its digest>``, from where its stage's promotion takes it.

    Raises:
        ModelKitError: the file is no archive, was cut, or holds other bytes than its digests say.
        PromotionError: two ModelKits would get one tag.
        TagOwnedError: tags are those of stages here, which their own promotions move; nothing was imported.
        SignatureMissingError, VerificationError: a ModelKit is not signed as ``trust`` demands.
    """
    archive = ArchiveRepository(path)
    roots = archive.roots()
    if not roots:
        raise ModelKitError(f"{path} names no ModelKit", advice="give a file that `kitctl save` wrote")
    places = [(entry, open_repository(entry.repository or "")) for entry in roots]
    _refuse_collisions(path, places)
    closed = _closed(places)
    if closed and not without_stages:
        raise TagOwnedError(
            f"{path} would move tags of stages: {'; '.join(closed.values())}",
            advice="--without-stages brings everything in and leaves those tags alone; then promote",
        )
    signers = [_signers(archive, entry, destination, trust) for entry, destination in places]
    imported = []
    for (entry, destination), signed_by in zip(places, signers, strict=True):
        is_closed = (destination.reference.name, entry.tag) in closed
        tag = f"{entry.tag}-{entry.descriptor.digest.short}" if is_closed else entry.tag
        before = None if tag is None else resolve_or_none(destination, tag)
        done = copy(
            archive,
            entry.descriptor.digest,
            destination,
            tag=None if before == entry.descriptor.digest else tag,  # it is there: nothing moves, whoever owns it
            referrers=True,
            limits=limits,
            progress=progress,
            cancel=cancel,
            verb="pull",
        )
        name, digest = destination.reference, entry.descriptor.digest
        reference = Reference(name.registry, name.repository, tag, digest)
        replaced = before if before != digest else None
        instead_of = entry.tag if is_closed else None
        imported.append(Loaded(reference, entry.repository or "", done, signed_by, replaced, instead_of))
    return imported


def _closed(places: Sequence[tuple[ArchivedEntry, Repository]]) -> dict[tuple[str, str | None], str]:
    """The tags of the archive that the guard lets nobody move here, each with its reason."""
    found: dict[tuple[str, str | None], str] = {}
    for entry, destination in places:
        if entry.tag is None or resolve_or_none(destination, entry.tag) == entry.descriptor.digest:
            continue  # it is there already, and nothing would move
        try:
            check_tag(destination, getattr(destination, "guard", None), entry.tag)
        except (TagOwnedError, CheckFailedError) as error:
            found[destination.reference.name, entry.tag] = str(error)
    return found


def _refuse_collisions(path: Path, places: Sequence[tuple[ArchivedEntry, Repository]]) -> None:
    taken: dict[tuple[str, str | None], ArchivedEntry] = {}
    for entry, destination in places:
        other = taken.setdefault((destination.reference.name, entry.tag), entry)
        if other.descriptor.digest != entry.descriptor.digest:
            raise PromotionError(
                f"{path} holds {other.repository}:{entry.tag} and {entry.repository}:{entry.tag}, and both would be"
                f" {destination.reference.name}:{entry.tag}",
                advice="give each its own repository: name the destination with {name} or {repository} in it",
            )


def _signers(
    archive: ArchiveRepository, entry: ArchivedEntry, destination: Repository, trust: TrustPolicy | None
) -> tuple[str, ...]:
    if trust is None:
        return ()
    digest = entry.descriptor.digest
    refused = trust.why_refused(digest, destination.reference)
    if refused:
        raise VerificationError(f"{entry.repository}:{entry.tag} may not come in: {refused}")
    # In the archive it is in no repository yet, so the patterns of repositories were held against the destination.
    verdict = check_signatures(archive, digest, trust=replace(trust, repositories=()))
    if not verdict.is_verified:
        kind = VerificationError if verdict.signatures else SignatureMissingError
        reasons = "; ".join(dict.fromkeys([verdict.reason, *(item.reason for item in verdict.signatures)]))
        raise kind(
            f"{entry.repository}:{entry.tag} may not come in: {reasons}",
            advice="export it again once it is signed; nothing was imported",
        )
    return verdict.signers


def trust_of(path: Path) -> bytes | None:
    """Return the trust policy that an archive carries, as it was; reading it is not believing it."""
    return ArchiveRepository(path).extra_file(TRUST)
