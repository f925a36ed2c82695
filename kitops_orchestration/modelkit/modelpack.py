"""ModelPack (CNCF model-spec): the Kitfile that one carries, or the one that its layers amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.kitfile import (
    MANIFEST_VERSION,
    Code,
    Dataset,
    Doc,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import LayerType
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_TITLE


def read_kitfile(manifest: Manifest, config: bytes, carried_config: bytes | None = None) -> Kitfile:
    """Return the Kitfile in the manifest's annotation, the one carried as a layer, or one made from the layers.

    Raises:
        ModelKitError: config or annotation are damaged, or a layer does not say its path.
    """
    carried = manifest.annotations.get(media_types.KITFILE)
    if carried is not None:
        return Kitfile.from_config(carried.encode("utf-8", "surrogateescape"))
    if carried_config is not None:
        return Kitfile.from_config(carried_config)
    value = _load(config)
    return _from_layers(manifest.layers, value)


def _load(config: bytes) -> dict[str, Any]:
    try:
        value = canonical.decode(config)
    except (ValueError, RecursionError) as error:
        raise ModelKitError(f"the ModelPack's config is not JSON: {error}") from error
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key, {}), dict) for key in ("descriptor", "modelfs", "config")
    ):
        raise ModelKitError("the ModelPack's config is not an object of descriptor, modelfs and config")
    return value


def _from_layers(layers: Sequence[Descriptor], config: dict[str, Any]) -> Kitfile:
    diff_ids = _diff_ids(config, len(layers))
    model: Model | None = None
    sections: dict[str, list[Any]] = {"modelpart": [], "code": [], "dataset": [], "docs": [], "prompt": []}
    kinds = {"modelpart": ModelPart, "code": Code, "dataset": Dataset, "docs": Doc, "prompt": Prompt}
    for descriptor, diff_id in zip(layers, diff_ids, strict=True):
        kind = LayerType.parse(
            descriptor.media_type, subtype=descriptor.annotations.get(media_types.LAYER_SUBTYPE)
        ).kind
        path, digest = _path_of(descriptor), str(descriptor.digest)
        if kind == "model" and model is None:
            model = Model(path=path, digest=digest, diff_id=diff_id)
            continue
        kind = "modelpart" if kind == "model" else kind
        if kind not in kinds:
            raise ModelKitError(f"a ModelPack cannot hold a layer of type {descriptor.media_type!r}")
        sections[kind].append(kinds[kind](path=path, digest=digest, diff_id=diff_id))
    return Kitfile(
        manifest_version=MANIFEST_VERSION,
        package=_package(config.get("descriptor") or {}),
        model=_model(model, tuple(sections["modelpart"]), config.get("config") or {}),
        code=tuple(sections["code"]),
        datasets=tuple(sections["dataset"]),
        docs=tuple(sections["docs"]),
        prompts=tuple(sections["prompt"]),
    )


def _diff_ids(config: dict[str, Any], count: int) -> list[str]:
    modelfs = config.get("modelfs") or {}
    found = modelfs.get("diffIds", modelfs.get("diff_ids")) or []
    if not found:
        return [""] * count
    if not isinstance(found, list) or len(found) != count or not all(isinstance(item, str) for item in found):
        raise ModelKitError(f"the ModelPack has {count} layers, its config lists other diffIds")
    return found


def _path_of(descriptor: Descriptor) -> str:
    annotations = descriptor.annotations
    path = annotations.get(media_types.FILE_PATH) or annotations.get(media_types.LEGACY_FILE_PATH)
    path = path or annotations.get(ANNOTATION_TITLE)  # what oras and others write of a file
    if not path:
        raise ModelKitError(
            f"layer {descriptor.digest} does not say its path: the {media_types.FILE_PATH} annotation is missing"
        )
    return path


def _package(descriptor: dict[str, Any]) -> Package:
    def text(key: str) -> str:
        value = descriptor.get(key)
        return value if isinstance(value, str) else ""

    def texts(key: str) -> list[str]:
        value = descriptor.get(key)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    licenses = texts("licenses")
    return Package(
        name=text("name"),
        version=text("version"),
        description=text("description"),
        license=licenses[0] if len(licenses) == 1 else "",
        authors=tuple(texts("authors")),
    )


def _model(model: Model | None, parts: tuple[ModelPart, ...], config: dict[str, Any]) -> Model | None:
    if model is None and not parts:
        return None
    form = config.get("format")
    base = model or Model()
    return Model(
        path=base.path,
        format=form if isinstance(form, str) else "",
        parts=parts,
        digest=base.digest,
        diff_id=base.diff_id,
    )
