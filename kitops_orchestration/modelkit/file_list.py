"""Which files a ModelKit holds: from a list attached to it, or from layers that are at hand.

The list is a referrer, so that two ModelKits in a registry can be compared file by file without fetching a
layer: see :func:`attach_file_list`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import BinaryIO

from kitops_orchestration.errors import IntegrityError, ModelKitError, NotFoundError
from kitops_orchestration.modelkit.diff import ContentDiff, FileState, content_diff
from kitops_orchestration.modelkit.inspect import ModelKit, fetch
from kitops_orchestration.modelkit.layer_content import LayerContent, read_content
from kitops_orchestration.modelkit.layers.tar_reader import read_tar, safe_path
from kitops_orchestration.modelkit.packing.stream import LayerSource, RawSource
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import AttachResult, attach
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.verified import read_verified

ARTIFACT_TYPE = "application/vnd.kitops-orchestration.file-list.v1+json"
_BUFFER_BYTES = 1024 * 1024
_MAX_LIST_BYTES = 64 * 1024 * 1024


def read_files(repository: Repository, kit: ModelKit, *, skip: Collection[str] = ()) -> dict[str, FileState]:
    """Read every layer and return its files with size and digest; nothing is written.

    ``skip`` are digests of layers to leave out.

    Raises:
        ModelKitError: a damaged layer.
        IntegrityError: bytes are not those of a layer's digest.
    """
    files: dict[str, FileState] = {}
    seen: set[tuple[str, str]] = set()
    for layer in kit.layers:
        key = (layer.digest, layer.clean_path)
        if layer.digest in skip or key in seen:
            continue
        seen.add(key)
        files.update(read_content(repository, layer).files)
    return files


def known_files(
    repository: Repository, kit: ModelKit, *, skip: Collection[str] = (), reads_folders: bool = True
) -> dict[str, FileState] | None:
    """Return the files without moving a layer over a network: attached list, else layers in a folder, else ``None``.

    With ``reads_folders=False`` layers in a folder stay unread as well.
    """
    attached = _attached(repository, kit)
    if attached is not None:
        return {path: state for path, (state, layer) in attached.items() if layer not in skip}
    return read_files(repository, kit, skip=skip) if reads_folders and repository.reference.is_folder else None


def attach_file_list(repository: Repository, kit: ModelKit) -> AttachResult:
    """Read the layers once and attach the list of their files to the ModelKit; the same list is added once."""
    by_layer = []
    for layer in kit.layers:
        others = {other.digest for other in kit.layers} - {layer.digest}
        by_layer.append((layer.digest, read_files(repository, kit, skip=others)))
    return _attach(repository, kit.manifest, by_layer)


def attach_packed_files(
    repository: Repository, manifest: Manifest, packed: Iterable[tuple[str, str, LayerSource]]
) -> AttachResult:
    """Attach the same list while the sources are at hand: ``packed`` are digest, path and source of each layer."""
    by_layer = []
    for digest, path, source in packed:
        files: dict[str, FileState] = {}
        with source.open() as stream:
            if isinstance(source, RawSource):
                files[safe_path(path)] = _hashed(stream)
            else:
                content = LayerContent()
                read_tar(stream, content)
                files = content.files
        by_layer.append((digest, files))
    return _attach(repository, manifest, by_layer)


def _attach(
    repository: Repository, manifest: Manifest, by_layer: Iterable[tuple[str, Mapping[str, FileState]]]
) -> AttachResult:
    entries = {
        path: {"path": path, "size": state.size_bytes, "digest": state.digest, "layer": digest}
        for digest, files in by_layer
        for path, state in files.items()
    }
    content = canonical.encode({"files": [entries[path] for path in sorted(entries)]})
    return attach(repository, manifest.descriptor, artifact_type=ARTIFACT_TYPE, layers=[(content, ARTIFACT_TYPE)])


def diff_kits(
    left_repository: Repository,
    old: ModelKit,
    right_repository: Repository,
    new: ModelKit,
    *,
    reads_folders: bool = True,
) -> ContentDiff:
    """Compare two ModelKits, and their files where both sides' are known without a transfer; see :func:`known_files`.

    Layers that both have are not read.
    """
    shared = {layer.digest for layer in old.layers} & {layer.digest for layer in new.layers}

    def files_of(repository: Repository, kit: ModelKit) -> dict[str, FileState] | None:
        return known_files(repository, kit, skip=shared, reads_folders=reads_folders)

    old_files = files_of(left_repository, old)
    new_files = files_of(right_repository, new) if old_files is not None else None
    return content_diff(old, new, left_files=old_files, right_files=new_files)


def _hashed(content: BinaryIO) -> FileState:
    hasher, size = hashlib.sha256(), 0
    while piece := content.read(_BUFFER_BYTES):
        hasher.update(piece)
        size += len(piece)
    return FileState(size, f"sha256:{hasher.hexdigest()}")


def _attached(repository: Repository, kit: ModelKit) -> Mapping[str, tuple[FileState, str]] | None:
    for descriptor in repository.referrers(kit.digest, artifact_type=ARTIFACT_TYPE):
        try:
            return read_list(repository, descriptor)
        except (NotFoundError, IntegrityError, ModelKitError):
            continue  # a damaged list is as good as none
    return None


def read_list(repository: Repository, descriptor: Descriptor) -> dict[str, tuple[FileState, str]]:
    """Return what an attached list says: path to size and digest, and the digest of the layer that holds it.

    Raises:
        ModelKitError: it holds no list, or one that is damaged.
        IntegrityError: bytes are not those of its digest.
        NotFoundError: its content is not there.
    """
    manifest = fetch(repository, descriptor.digest)
    layer = next((each for each in manifest.layers if each.media_type == ARTIFACT_TYPE), None)
    if layer is None or layer.size > _MAX_LIST_BYTES:
        raise ModelKitError(f"{descriptor.digest} holds no list of files, or one larger than {_MAX_LIST_BYTES} bytes")
    return _parse(read_verified(repository, layer))


def _parse(content: bytes) -> dict[str, tuple[FileState, str]]:
    try:
        return {
            str(entry["path"]): (FileState(int(entry["size"]), str(entry["digest"])), str(entry["layer"]))
            for entry in canonical.decode(content)["files"]
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelKitError(f"the attached file list is damaged: {error}") from error
