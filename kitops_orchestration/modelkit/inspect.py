"""Inspect: what a ModelKit or ModelPack is, from its manifest and config; no layer is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from kitops_orchestration.errors import ModelKitError, UnsupportedModelKitError
from kitops_orchestration.modelkit import media_types, modelpack, notebook
from kitops_orchestration.modelkit.kitfile import Entry, Kitfile
from kitops_orchestration.modelkit.kitfile_rules import clean
from kitops_orchestration.modelkit.manifest_profile import created_of
from kitops_orchestration.modelkit.media_types import LayerType
from kitops_orchestration.modelkit.value_text import size_text
from kitops_orchestration.oci.descriptor import Descriptor, Digest, VerifyingReader
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.settings import Limits


@dataclass(frozen=True, slots=True)
class ModelKitLayer:
    """One layer of a ModelKit, with what the Kitfile says about it."""

    kind: str
    path: str
    """As the Kitfile has it; for a layer that no entry describes, the path in its annotation."""
    name: str
    descriptor: Descriptor
    diff_id: str
    """Digest before compression; empty where the ModelKit does not record it (before Kit 0.5)."""
    type: LayerType
    """What the media type says: kind, format, compression."""
    prefix: str = ""
    """Where the names in the tar start; before Kit 0.5 that was the directory above the layer's path."""

    @property
    def clean_path(self) -> str:
        """The path in its short slash form."""
        return media_path(self.descriptor) or clean(self.path)

    @property
    def digest(self) -> str:
        """Digest of the stored bytes."""
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class ModelKit:
    """A ModelKit as its manifest and config describe it."""

    reference: Reference
    """Pinned by digest; the tag that it was asked by is kept for display."""
    digest: Digest
    manifest: Manifest
    kitfile: Kitfile
    layers: tuple[ModelKitLayer, ...]
    size_bytes: int
    """Sum of the layers as stored."""
    created: datetime | None
    """``None`` where the ModelKit does not say."""
    format: Literal["modelkit", "modelpack"] = "modelkit"

    @property
    def name(self) -> str:
        """The package's name, else the model's."""
        model = self.kitfile.model
        return self.kitfile.package.name or (model.name if model else "")

    @property
    def version(self) -> str:
        """The package's version, else the model's."""
        model = self.kitfile.model
        return self.kitfile.package.version or (model.version if model else "")

    def to_json(self) -> dict[str, Any]:
        """Return what ``inspect`` shows: digest, writer's version, Kitfile, manifest."""
        return {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "cliVersion": self.manifest.annotations.get(media_types.CLI_VERSION, "unknown"),
            "format": self.format,
            "created": self.created.isoformat() if self.created else None,
            "sizeBytes": self.size_bytes,
            "kitfile": json.loads(self.kitfile.to_config()),
            "manifest": json.loads(self.manifest.content),
        }

    def _repr_html_(self) -> str:
        return _notebook_view(self)


def inspect(repository: Repository, target: str, *, limits: Limits = Limits()) -> ModelKit:
    """Read manifest and config of a tag or digest.

    Raises:
        NotFoundError: no such tag or digest.
        UnsupportedModelKitError: it is something else, or of a later format.
        ModelKitError: manifest or config are damaged.
    """
    manifest = fetch(repository, target)
    reference = _pinned(repository.reference, target, manifest.digest)
    form = _form_of(manifest, reference)
    config = read_config(repository, manifest, limits=limits)
    if form == "modelkit":
        kitfile = Kitfile.from_config(config)
    else:
        carried = next((layer for layer in manifest.layers if layer.media_type == media_types.KIT_CONFIG), None)
        carried_config = _read(repository, carried, limits) if carried is not None else None
        kitfile = modelpack.read_kitfile(manifest, config, carried_config)
    layers = tuple(_layers(manifest, kitfile))
    size = sum(layer.size for layer in manifest.layers)
    return ModelKit(reference, manifest.digest, manifest, kitfile, layers, size, created_of(manifest, config), form)


def fetch(repository: Repository, target: str) -> Manifest:
    """Return the manifest at a tag or digest; raises :class:`UnsupportedModelKitError` for an index."""
    node = repository.fetch_manifest(target)
    if isinstance(node, Index):
        entries = ", ".join(str(entry.digest) for entry in node.manifests[:10]) or "none"
        raise UnsupportedModelKitError(
            f"{repository.reference}:{target} is an index of several artifacts, not one ModelKit",
            advice=f"name one of its manifests by digest: {entries}",
        )
    return node


def read_config(repository: Repository, manifest: Manifest, *, limits: Limits = Limits()) -> bytes:
    """Return the verified config blob; raises :class:`ModelKitError` when it is too large to be one."""
    return _read(repository, manifest.config, limits)


def _read(repository: Repository, descriptor: Descriptor, limits: Limits) -> bytes:
    if descriptor.size > limits.max_manifest_bytes:
        raise ModelKitError(
            f"a config in {repository.reference} has {descriptor.size} bytes, at most {limits.max_manifest_bytes}",
            advice="raise Limits.max_manifest_bytes if you trust the ModelKit",
        )
    with VerifyingReader(repository.fetch_blob(descriptor), descriptor) as reader:
        data = bytearray()
        while piece := reader.read(64 * 1024):
            data += piece
    return bytes(data)


def _pinned(reference: Reference, target: str, digest: Digest) -> Reference:
    named = reference if target.startswith(("sha256:", "sha512:")) else reference.with_tag(target)
    return named.with_digest(digest)


def _form_of(manifest: Manifest, reference: Reference) -> Literal["modelkit", "modelpack"]:
    types = {manifest.artifact_type, manifest.config.media_type}
    if types & {media_types.KIT_MANIFEST, media_types.KIT_CONFIG}:
        return "modelkit"
    if types & {
        media_types.PACK_MANIFEST,
        media_types.PACK_CONFIG,
        media_types.LEGACY_PACK_MANIFEST,
        media_types.LEGACY_PACK_CONFIG,
    }:
        return "modelpack"
    raise UnsupportedModelKitError(
        f"{reference} is not a ModelKit: its config is {manifest.config.media_type!r}",
        advice="check the reference; container images and other artifacts cannot be unpacked as ModelKits",
    )


def media_path(descriptor: Descriptor) -> str | None:
    """Return the path annotation of a layer, also under the key that model-spec had before."""
    annotations = descriptor.annotations
    return annotations.get(media_types.FILE_PATH) or annotations.get(media_types.LEGACY_FILE_PATH)


def _layers(manifest: Manifest, kitfile: Kitfile) -> Iterator[ModelKitLayer]:
    remaining: dict[str, list[Entry]] = {}
    for kind, described in kitfile.entries():
        remaining.setdefault(kind, []).append(described)
    for descriptor in manifest.layers:
        if descriptor.media_type == media_types.KIT_CONFIG:
            continue  # a Kitfile that travels in a ModelPack
        subtype = descriptor.annotations.get(media_types.LAYER_SUBTYPE)
        found = LayerType.parse(descriptor.media_type, subtype=subtype)
        entry = _take_entry(remaining.get(found.kind, []), descriptor)
        path = entry.path if entry is not None else media_path(descriptor) or ""
        diff_id = entry.diff_id if entry is not None else ""
        prefix = clean(path).rpartition("/")[0] if entry is not None and not entry.digest else ""
        yield ModelKitLayer(found.kind, path, getattr(entry, "name", ""), descriptor, diff_id, found, prefix)


def _take_entry(entries: list[Entry], descriptor: Descriptor) -> Entry | None:
    """Match by digest and path, then by digest, then (before Kit 0.5) by order; an entry is used once."""
    path = media_path(descriptor)
    same = [entry for entry in entries if entry.digest == descriptor.digest]
    exact = [entry for entry in same if path is not None and clean(entry.path) == path]
    unmarked = [entry for entry in entries if not entry.digest]
    chosen = next(iter([*exact, *same, *unmarked]), None)
    if chosen is not None:
        # By identity: two entries may be equal.
        del entries[next(index for index, entry in enumerate(entries) if entry is chosen)]
    return chosen


def _notebook_view(kit: ModelKit) -> str:
    """Return what a ModelKit is, and its layers."""
    model = kit.kitfile.model
    facts = [
        ("reference", str(kit.reference)),
        ("version", kit.version),
        ("licence", kit.kitfile.package.license or (model.license if model else "")),
        ("created", kit.created.isoformat() if kit.created else ""),
        ("size", size_text(kit.size_bytes)),
    ]
    layers = [
        (layer.kind, layer.path, layer.name, size_text(layer.descriptor.size), layer.descriptor.digest.short)
        for layer in kit.layers
    ]
    listed = notebook.table(("layer", "path", "name", "size", "digest"), layers)
    return notebook.section(kit.name or "ModelKit", notebook.facts_table(facts), listed)
