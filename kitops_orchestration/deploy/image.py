"""The image rendition of a ModelKit: an OCI image made of the ModelKit's own layers.

A ModelKit cannot be mounted as a Kubernetes image volume: its media types are not those of an image.  Its tar
layers are what an image is made of, though, so the rendition is a config and a manifest that point at the same
blobs.  No layer is read, copied or stored twice, and the image carries the digest of the ModelKit it renders.

Source: OCI image-spec v1.1, config.md and layer.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import UnsupportedModelKitError
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.transfer.source import BytesSource

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer
    from kitops_orchestration.oci.repository import Repository

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ANNOTATION_MODELKIT = "ml.kitops.orchestration.modelkit"
MODEL_KINDS = ("model", "modelpart")


@dataclass(frozen=True, slots=True)
class Rendition:
    """The image that was pushed: its pinned reference and the ModelKit it shows."""

    reference: Reference
    digest: Digest
    modelkit: Reference
    layers: tuple[Descriptor, ...]


class RenderImageOptions(TypedDict, total=False):
    """What :func:`render_image` takes by name and a client or an adapter hands through."""

    tag: str | None
    kinds: Sequence[str]
    architecture: str


def render_image(
    repository: Repository,
    target: str,
    *,
    tag: str | None = None,
    kinds: Sequence[str] = MODEL_KINDS,
    architecture: str = "amd64",
) -> Rendition:
    """Push the image rendition of a ModelKit into the ModelKit's own repository.

    ``kinds`` are the layers to show (``model``, ``modelpart``, ``code``, ``dataset``, ``docs``); files stand in
    the image as they stand in the ModelKit, from the root on.  The same ModelKit always gives the same image.

    Raises:
        UnsupportedModelKitError: a chosen layer is not a tar, or there is none.
    """
    from kitops_orchestration.modelkit.inspect import inspect

    kit = inspect(repository, target)
    chosen = [layer for layer in kit.layers if layer.kind in kinds]
    if not chosen:
        raise UnsupportedModelKitError(
            f"{kit.reference} has no layer of {', '.join(kinds)} to render",
            advice=f"its layers are {', '.join(sorted({layer.kind for layer in kit.layers})) or 'none'}",
        )
    layers = [_image_layer(layer, kit) for layer in chosen]
    config = canonical.encode(_config(kit, chosen, architecture))
    config_descriptor = Descriptor(CONFIG, Digest.of(config), len(config))
    repository.push_blob(config_descriptor, BytesSource(config))
    pinned = f"{kit.reference.name}@{kit.digest}"
    manifest = Manifest.build(config=config_descriptor, layers=layers, annotations={ANNOTATION_MODELKIT: pinned})
    descriptor = repository.push_manifest(manifest, tag=tag)
    name = repository.reference
    reference = Reference(name.registry, name.repository, tag, descriptor.digest)
    return Rendition(reference, descriptor.digest, kit.reference, tuple(layers))


def _image_layer(layer: ModelKitLayer, kit: ModelKit) -> Descriptor:
    media_type = layer.descriptor.media_type
    _, _, form = media_type.rpartition(".")
    form, _, compression = form.partition("+")
    if form != "tar":
        raise UnsupportedModelKitError(
            f"layer {layer.path!r} of {kit.reference} is {media_type}, which an image cannot hold",
            advice="pack the ModelKit with tar layers to render it as an image",
        )
    suffix = f"+{compression}" if compression else ""
    return Descriptor(LAYER + suffix, layer.descriptor.digest, layer.descriptor.size)


def _config(kit: ModelKit, layers: Sequence[ModelKitLayer], architecture: str) -> dict[str, Any]:
    history = [{"created_by": f"ModelKit layer {layer.kind} {layer.path}"} for layer in layers]
    labels = {ANNOTATION_MODELKIT: f"{kit.reference.name}@{kit.digest}"}
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id or layer.descriptor.digest for layer in layers]},
        "history": history,
    }
