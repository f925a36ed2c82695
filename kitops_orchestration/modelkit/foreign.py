"""Model artifacts of other tools, read as if they were ModelKits: a Kitfile is made of their layers.

Known are those of Docker Model Runner, Ollama's OCI form, what ``oras push`` makes of files, and container images with
a model below ``/models`` (KServe's modelcars).

Sources: ``docker/model-spec`` (config v0.1, media types); Ollama's registry manifests; ORAS' annotations
(``io.deis.oras.content.unpack``); KServe, "Serve models with OCI images".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kitops_orchestration.errors import UnsupportedModelKitError
from kitops_orchestration.modelkit.kitfile import (
    MANIFEST_VERSION,
    Code,
    Dataset,
    Doc,
    Kitfile,
    Model,
    ModelPart,
    Package,
)
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import Kind, LayerType
from kitops_orchestration.modelkit.packing.gate.content import WEIGHTS
from kitops_orchestration.modelkit.packing.ignore import ALLOW_FILE_NAME
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_TITLE, EMPTY_JSON
from kitops_orchestration.oci.reference import Reference

Form = Literal["docker-model", "ollama", "artifact", "image"]

_DOCKER_CONFIG = re.compile(r"application/vnd\.docker\.ai\.model\.config\.v\d+\.\d+\+json")
_DOCKER = "application/vnd.docker.ai."
_OLLAMA = "application/vnd.ollama.image."
_IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_ORAS_CONFIGS = (EMPTY_JSON, "application/vnd.unknown.config.v1+json")
_IMAGE_LAYER = re.compile(
    r"application/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar|docker\.image\.rootfs\.diff\.tar)"
    r"(?:[.+](gzip|zstd))?"
)
_TAR = re.compile(r"[\w./-]*(?:layer\.v1\.tar|\.tar|x-tar)(?:[.+](gzip|zstd))?")
_UNPACK = "io.deis.oras.content.unpack"
_FALLBACK_NAMES: Mapping[str, str] = {
    f"{_OLLAMA}model": "model.gguf",
    f"{_OLLAMA}adapter": "adapter.gguf",
    f"{_OLLAMA}projector": "projector.gguf",
    f"{_OLLAMA}license": "LICENSE",
    f"{_OLLAMA}template": "template.txt",
    f"{_OLLAMA}system": "system.txt",
    f"{_OLLAMA}params": "params.json",
    f"{_OLLAMA}messages": "messages.json",
    f"{_DOCKER}gguf.v3": "model.gguf",
    f"{_DOCKER}gguf.lora": "adapter.gguf",
    f"{_DOCKER}mmproj": "projector.gguf",
    f"{_DOCKER}safetensors": "model.safetensors",
    f"{_DOCKER}license": "LICENSE",
    f"{_DOCKER}chat.template.jinja": "chat_template.jinja",
    f"{_DOCKER}vllm.config.tar": "config.tar",
}
"""What a layer is called that says no name itself."""
_DATA = (".csv", ".parquet", ".jsonl", ".arrow", ".tsv")
_DOCS = (".md", ".rst", ".pdf", ".html")
_CODE = (".py", ".ipynb", ".sh")


@dataclass(frozen=True, slots=True)
class ForeignLayer:
    """A layer of another tool's artifact, with where its content goes."""

    descriptor: Descriptor
    type: LayerType
    path: str


def foreign_form(manifest: Manifest) -> Form | None:
    """Return which other tool's artifact a manifest is; ``None`` for one that holds nothing to unpack."""
    layers = manifest.layers
    if _DOCKER_CONFIG.fullmatch(manifest.config.media_type):
        return "docker-model"
    if any(layer.media_type.startswith(_OLLAMA) for layer in layers):
        return "ollama"
    if manifest.config.media_type in _IMAGE_CONFIGS and any(_IMAGE_LAYER.fullmatch(each.media_type) for each in layers):
        return "image"
    is_oras = manifest.config.media_type in _ORAS_CONFIGS and manifest.subject is None
    return "artifact" if is_oras and layers and all(each.annotations.get(ANNOTATION_TITLE) for each in layers) else None


def read_foreign(manifest: Manifest, form: Form, reference: Reference) -> tuple[Kitfile, tuple[ForeignLayer, ...]]:
    """Return a Kitfile made of the layers, and the layers with their paths.

    Raises:
        UnsupportedModelKitError: a layer says no name, and its type does not tell one.
    """
    name = reference.repository.rpartition("/")[2]
    if form == "image":
        return _of_image(manifest, name)
    names = _names(manifest.layers, reference)
    layers: list[ForeignLayer] = []
    has_model = False
    for descriptor, path in zip(manifest.layers, names, strict=True):
        kind = _kind(descriptor, path, has_model=has_model)
        has_model |= kind == "model"
        layers.append(ForeignLayer(descriptor, _layer_type(descriptor, kind), path))
    return _kitfile(name, layers), tuple(layers)


def _of_image(manifest: Manifest, name: str) -> tuple[Kitfile, tuple[ForeignLayer, ...]]:
    layers = []
    for descriptor in manifest.layers:
        match = _IMAGE_LAYER.fullmatch(descriptor.media_type)
        if match is None:
            raise UnsupportedModelKitError(
                f"an image with a layer of type {descriptor.media_type!r} is not supported",
                advice="only plain, gzip and zstd layers of images are read",
            )
        kind = LayerType("model", "tar", match[1] or "none")  # type: ignore[arg-type]  # the pattern lets no other text pass
        layers.append(ForeignLayer(descriptor, kind, media_types.IMAGE_MODEL_FOLDER))
    return _kitfile(name, layers[:1]), tuple(layers)


def _title(descriptor: Descriptor) -> str:
    annotations = descriptor.annotations
    return (
        annotations.get(media_types.FILE_PATH)
        or annotations.get(media_types.LEGACY_FILE_PATH)
        or annotations.get(ANNOTATION_TITLE, "")
    )


def _names(layers: Sequence[Descriptor], reference: Reference) -> list[str]:
    """Return a path for each layer; those that would have the same get a number, as two licences do."""
    found = []
    for layer in layers:
        name = _title(layer) or _FALLBACK_NAMES.get(layer.media_type, "")
        if not name:
            raise UnsupportedModelKitError(
                f"{reference} has a layer of type {layer.media_type!r} that says no name",
                advice=f"its writer has to set {ANNOTATION_TITLE}",
            )
        found.append(name)
    twice = {name for name, count in Counter(found).items() if count > 1}
    numbers: Counter[str] = Counter()
    names = []
    for layer, name in zip(layers, found, strict=True):
        numbers[name] += 1
        is_numbered = name in twice and not _title(layer) and numbers[name] > 1
        names.append(_numbered(name, numbers[name]) if is_numbered else name)
    return names


def _numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}.{suffix}" if dot else f"{name}-{number}"


def _kind(descriptor: Descriptor, path: str, *, has_model: bool) -> Kind:
    lower, base = path.lower(), path.rpartition("/")[2].lower()
    is_weights = lower.endswith(WEIGHTS) or descriptor.media_type == f"{_OLLAMA}model"
    if is_weights:
        return "modelpart" if has_model or base.startswith(("adapter", "projector", "mmproj")) else "model"
    if base.startswith(("license", "licence", "readme")) or lower.endswith(_DOCS):
        return "docs"
    if lower.endswith(_DATA):
        return "dataset"
    return "code" if lower.endswith(_CODE) else "modelpart"


def _layer_type(descriptor: Descriptor, kind: Kind) -> LayerType:
    match = _TAR.fullmatch(descriptor.media_type)
    if descriptor.annotations.get(_UNPACK) == "true" and match is not None:
        return LayerType(kind, "tar", match[1] or "none")  # type: ignore[arg-type]  # the pattern lets no other text pass
    return LayerType(kind, "raw", "none")


def _kitfile(name: str, layers: Sequence[ForeignLayer]) -> Kitfile:
    by_kind: dict[str, list[str]] = {}
    for layer in layers:
        if layer.path.rpartition("/")[2] != ALLOW_FILE_NAME:  # which is never unpacked
            by_kind.setdefault(layer.type.kind, []).append(layer.path)
    parts = tuple(ModelPart(path=path) for path in by_kind.get("modelpart", ()))
    main = by_kind.get("model") or [part.path for part in parts[:1]]
    model = Model(name=name, path=main[0], parts=parts if "model" in by_kind else parts[1:]) if main else None
    return Kitfile(
        manifest_version=MANIFEST_VERSION,
        package=Package(name=name),
        model=model,
        code=tuple(Code(path=path) for path in by_kind.get("code", ())),
        datasets=tuple(Dataset(name=path.rpartition("/")[2], path=path) for path in by_kind.get("dataset", ())),
        docs=tuple(Doc(path=path) for path in by_kind.get("docs", ())),
    )
