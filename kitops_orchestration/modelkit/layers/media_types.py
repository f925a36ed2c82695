"""Media types and annotation keys of ModelKits and ModelPacks, and what a layer's media type says.

Sources: Kit CLI 1.7 and 1.15-1.17; CNCF ModelPack model-spec v0.0.7; modctl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kitops_orchestration.errors import UnsupportedModelKitError

KIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
KIT_MANIFEST = "application/vnd.kitops.modelkit.manifest.v1+json"
PACK_CONFIG = "application/vnd.cncf.model.config.v1+json"
PACK_MANIFEST = "application/vnd.cncf.model.manifest.v1+json"
LEGACY_PACK_CONFIG = "application/vnd.cnai.model.config.v1+json"
LEGACY_PACK_MANIFEST = "application/vnd.cnai.model.manifest.v1+json"

FORMS: Mapping[str, Literal["modelkit", "modelpack"]] = {
    KIT_MANIFEST: "modelkit",
    KIT_CONFIG: "modelkit",
    PACK_MANIFEST: "modelpack",
    PACK_CONFIG: "modelpack",
    LEGACY_PACK_MANIFEST: "modelpack",
    LEGACY_PACK_CONFIG: "modelpack",
}
"""Which format an artifactType, or the media type of a config, belongs to."""
CONFIGS = frozenset((KIT_CONFIG, PACK_CONFIG, LEGACY_PACK_CONFIG))
MANIFESTS = frozenset((KIT_MANIFEST, PACK_MANIFEST, LEGACY_PACK_MANIFEST))

CLI_VERSION = "ml.kitops.modelkit.cli-version"
KITFILE = "ml.kitops.modelkit.kitfile"
LAYER_SUBTYPE = "ml.kitops.modelkit.layer-subtype"
FILE_PATH = "org.cncf.model.filepath"
FILE_METADATA = "org.cncf.model.file.metadata+json"
LEGACY_FILE_PATH = "org.cnai.model.filepath"
LEGACY_FILE_METADATA = "org.cnai.model.file.metadata+json"
PROMPT = "prompt"
IMAGE_MODEL_FOLDER = "models"
"""Where a container image has its model, for KServe and others."""

Kind = Literal["model", "modelpart", "code", "dataset", "docs", "prompt", "mcpb"]
Compression = Literal["none", "gzip", "gzip-fastest", "zstd"]
LayerFormat = Literal["tar", "raw"]

_KIT_LAYER = re.compile(r"application/vnd\.kitops\.modelkit\.(\w+)\.v1\.(tar|raw)(?:\+(\w+))?")
_PACK_LAYER = re.compile(r"application/vnd\.(?:cncf|cnai)\.model\.(weight\.config|\w+)\.v1\.(tar|raw)(?:\+(\w+))?")
_KIT_KINDS: dict[str, Kind] = {kind: kind for kind in ("model", "modelpart", "code", "dataset", "docs", "mcpb")}
# Kit 1.10 wrote its own base names into CNCF types: the second half.
_PACK_KINDS: dict[str, Kind] = {
    "weight": "model",
    "weight.config": "modelpart",
    "code": "code",
    "dataset": "dataset",
    "doc": "docs",
    "model": "model",
    "modelpart": "modelpart",
    "docs": "docs",
}
_PACK_BASES: dict[str, str] = {
    "model": "weight",
    "modelpart": "weight.config",
    "code": "code",
    "prompt": "code",
    "dataset": "dataset",
    "docs": "doc",
}
_SUFFIXES = {"none": "", "gzip": "+gzip", "gzip-fastest": "+gzip", "zstd": "+zstd"}


@dataclass(frozen=True, slots=True)
class LayerType:
    """What a layer's media type says: kind of content, its form, and how it is compressed."""

    kind: Kind
    format: LayerFormat
    compression: Literal["none", "gzip", "zstd"]
    is_model_pack: bool = False

    @classmethod
    def parse(cls, media_type: str, *, subtype: str | None = None) -> LayerType:
        """Read a layer's media type; ``subtype`` is the layer-subtype annotation.

        Raises:
            UnsupportedModelKitError: not a layer type of ModelKits or ModelPacks.
        """
        match = _KIT_LAYER.fullmatch(media_type)
        kinds = _KIT_KINDS
        if match is None:
            match, kinds = _PACK_LAYER.fullmatch(media_type), _PACK_KINDS
        compression = (match[3] or "none") if match else ""
        if match is None or match[1] not in kinds or compression not in ("none", "gzip", "zstd"):
            raise UnsupportedModelKitError(
                f"layer of type {media_type!r} is not supported",
                advice="the ModelKit was written by a later format or is something else; update this package",
            )
        kind = kinds[match[1]]
        if kind == "code" and subtype == PROMPT:
            kind = "prompt"
        return cls(kind, match[2], compression, kinds is _PACK_KINDS)  # type: ignore[arg-type]  # the pattern lets no other text pass


def layer_media_type(kind: Kind, layer_format: LayerFormat, compression: Compression, *, model_pack: bool) -> str:
    """Return the media type to write for a layer."""
    if model_pack:
        return f"application/vnd.cncf.model.{_PACK_BASES[kind]}.v1.{layer_format}{_SUFFIXES[compression]}"
    base = "code" if kind == "prompt" else kind
    return f"application/vnd.kitops.modelkit.{base}.v1.{layer_format}{_SUFFIXES[compression]}"
