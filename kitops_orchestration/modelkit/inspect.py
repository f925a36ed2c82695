"""Inspect: what a ModelKit or ModelPack is, from its manifest and config; no layer is fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

from kitops_orchestration.errors import ModelKitError, UnsupportedModelKitError
from kitops_orchestration.modelkit import modelpack
from kitops_orchestration.modelkit.base_model import Base, base_of
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layer_match import MatchedLayer, MissingLayer, match_layers, media_path
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import LayerType
from kitops_orchestration.modelkit.packing.manifest_profile import created_of
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.verified import read_verified
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Facts, Page, Table
from kitops_orchestration.presentation.value_text import size_text
from kitops_orchestration.settings import Limits

Format = Literal["modelkit", "modelpack", "docker-model", "ollama", "artifact", "image"]
"""Of what tool an artifact is; the last four are read as if they were ModelKits where a caller asks for it."""


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
    position: int | None = None
    """Of its entry among the Kitfile's of this kind, from 0; ``None`` when no entry describes the layer."""

    @property
    def clean_path(self) -> str:
        """The path in its short slash form."""
        return media_path(self.descriptor) or clean(self.path)

    @property
    def digest(self) -> str:
        """Digest of the stored bytes."""
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class ModelKit(Answer):
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
    format: Format = "modelkit"
    missing: tuple[MissingLayer, ...] = ()
    """Entries of the Kitfile whose layer the manifest lacks."""
    is_described: bool = True
    """False when nobody wrote a Kitfile: that of a ModelPack of another tool is made from its layers."""

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

    @property
    def base(self) -> Base | None:
        """The ModelKit that this one stands on; ``None`` where it has a model of its own."""
        return base_of(self.kitfile, self.manifest)

    def to_json(self) -> dict[str, Any]:
        """Return what ``inspect`` shows: digest, writer's version, base, Kitfile, manifest."""
        return {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "name": self.name,
            "version": self.version,
            "cliVersion": self.manifest.annotations.get(media_types.CLI_VERSION, "unknown"),
            "format": self.format,
            "created": self.created.isoformat() if self.created else None,
            "sizeBytes": self.size_bytes,
            "base": self.base.to_json() if self.base else None,
            "layers": [
                {
                    "kind": layer.kind,
                    "path": layer.path,
                    "digest": str(layer.descriptor.digest),
                    "sizeBytes": layer.descriptor.size,
                }
                for layer in self.layers
            ],
            "kitfile": json.loads(self.kitfile.to_config()),
            "manifest": json.loads(self.manifest.content),
        }

    def page(self) -> Page:
        """Return what it is, and its layers."""
        model, package, base = self.kitfile.model, self.kitfile.package, self.base
        layers = [
            (layer.kind, layer.path, layer.name, size_text(layer.descriptor.size), Code(layer.descriptor.digest.short))
            for layer in self.layers
        ]
        return Page.of(
            self.name or "ModelKit",
            Facts.of(
                ("reference", Code(str(self.reference))),
                ("version", self.version),
                ("description", package.description),
                ("licence", package.license or (model.license if model else "")),
                ("authors", ", ".join(package.authors)),
                ("created", str(self.created) if self.created else None),
                ("size", size_text(self.size_bytes)),
                ("base", Code(str(base)) if base else None),
            ),
            Table.of(("layer", "path", "name", "size", "digest"), layers),
        )


class InspectOptions(TypedDict, total=False):
    """What :func:`inspect` takes by name and a client or an adapter hands through."""

    limits: Limits
    allow_foreign: bool


def inspect(repository: Repository, target: str, *, limits: Limits = Limits(), allow_foreign: bool = False) -> ModelKit:
    """Read manifest and config of a tag or digest.

    ``allow_foreign`` reads model artifacts of other tools, too: Docker Model Runner's, Ollama's, files that ``oras``
    pushed, container images.

    Raises:
        NotFoundError: no such tag or digest.
        UnsupportedModelKitError: it is something else, or of a later format.
        ModelKitError: manifest or config are damaged.
    """
    manifest = fetch(repository, target)
    reference = _pinned(repository.reference, target, manifest.digest)
    foreign = _foreign(manifest, reference) if allow_foreign else None
    if foreign is not None:
        return foreign
    form = form_of(manifest, reference)
    config = read_config(repository, manifest, limits=limits)
    is_described = True
    if form == "modelkit":
        kitfile = Kitfile.from_config(config)
    else:
        carried = next((layer for layer in manifest.layers if layer.media_type == media_types.KIT_CONFIG), None)
        carried_config = _read(repository, carried, limits) if carried is not None else None
        kitfile = modelpack.read_kitfile(manifest, config, carried_config)
        is_described = carried is not None or media_types.KITFILE in manifest.annotations
    matched, missing = match_layers(manifest, kitfile)
    return ModelKit(
        reference,
        manifest.digest,
        manifest,
        kitfile,
        tuple(map(_layer, matched)),
        sum(layer.size for layer in manifest.layers),
        created_of(manifest, config),
        form,
        missing if is_described else (),
        is_described,
    )


def fetch(repository: Repository, target: str) -> Manifest:
    """Return the manifest at a tag or digest; raises :class:`UnsupportedModelKitError` for an index."""
    node = repository.fetch_manifest(target)
    if isinstance(node, Index):
        from kitops_orchestration.oci.variant import described

        raise UnsupportedModelKitError(
            f"{repository.reference}:{target} is an index of several artifacts, not one ModelKit",
            advice=f"choose a variant, or name one by its digest: {described(node.manifests)}",
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
    return read_verified(repository, descriptor)


def _pinned(reference: Reference, target: str, digest: Digest) -> Reference:
    named = reference if target.startswith(("sha256:", "sha512:")) else reference.with_tag(target)
    return named.with_digest(digest)


def form_of(manifest: Manifest, reference: Reference) -> Literal["modelkit", "modelpack"]:
    """Return the format; raises :class:`UnsupportedModelKitError` for what is neither."""
    forms = {media_types.FORMS.get(each or "") for each in (manifest.artifact_type, manifest.config.media_type)}
    if "modelkit" in forms:
        return "modelkit"
    if "modelpack" in forms:
        return "modelpack"
    raise UnsupportedModelKitError(
        f"{reference} is not a ModelKit: its config is {manifest.config.media_type!r}",
        advice="check the reference; container images and other artifacts cannot be unpacked as ModelKits",
    )


def _foreign(manifest: Manifest, reference: Reference) -> ModelKit | None:
    """Return another tool's artifact as a ModelKit that nobody described; ``None`` for ModelKits and ModelPacks."""
    if any(each in media_types.FORMS for each in (manifest.artifact_type, manifest.config.media_type)):
        return None
    from kitops_orchestration.modelkit.foreign import foreign_form, read_foreign

    form = foreign_form(manifest)
    if form is None:
        return None
    kitfile, layers = read_foreign(manifest, form, reference)
    return ModelKit(
        reference,
        manifest.digest,
        manifest,
        kitfile,
        tuple(ModelKitLayer(each.type.kind, each.path, "", each.descriptor, "", each.type) for each in layers),
        sum(layer.size for layer in manifest.layers),
        created_of(manifest, b"{}"),
        form,
        is_described=False,
    )


def _layer(matched: MatchedLayer) -> ModelKitLayer:
    descriptor, entry = matched.descriptor, matched.entry
    if entry is None:
        return ModelKitLayer(matched.type.kind, media_path(descriptor) or "", "", descriptor, "", matched.type)
    prefix = "" if entry.digest else clean(entry.path).rpartition("/")[0]
    name = getattr(entry, "name", "")
    return ModelKitLayer(
        matched.type.kind, entry.path, name, descriptor, entry.diff_id, matched.type, prefix, matched.position
    )
