"""A raw layer: one file without an archive around it; its name and mode stand in annotations.

Source: CNCF ModelPack model-spec v0.0.7, ``org.cncf.model.file.metadata+json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from kitops_orchestration.errors import ModelKitError, SizeMismatchError, UnsafePathError
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.tar_reader import safe_path
from kitops_orchestration.oci.descriptor import Descriptor

_MODE = 0o644
_DIRECTORY_FLAGS = (5, ord("5"))
_FILE_FLAGS = (0, ord("0"))


@dataclass(frozen=True, slots=True)
class RawFile:
    """Where the content of a raw layer stands, and what its metadata says of it."""

    path: str
    is_directory: bool
    mode: int
    declared_size: int | None

    @classmethod
    def of(cls, descriptor: Descriptor, path: str) -> Self:
        """Read the metadata of a layer that stands at ``path``.

        Raises:
            UnsafePathError: no path, one that leaves the target, or neither a file nor a directory.
            ModelKitError: metadata that is no JSON object.
        """
        metadata = _metadata(descriptor)
        clean = safe_path(path)
        if not clean:
            raise UnsafePathError(f"raw layer {descriptor.digest} has no path to stand at")
        kind = metadata.get("typeflag", 0)
        if kind not in (*_FILE_FLAGS, *_DIRECTORY_FLAGS):
            raise UnsafePathError(f"raw layer {clean!r} is neither a file nor a directory (type {kind})")
        return cls(clean, kind in _DIRECTORY_FLAGS, metadata.get("mode", _MODE), metadata.get("size"))

    def check_size(self, size: int) -> None:
        """Raise :class:`SizeMismatchError` when the metadata says another size."""
        if self.declared_size is not None and self.declared_size != size:
            raise SizeMismatchError(f"{self.path} has {size} bytes, its metadata says {self.declared_size}")


def _metadata(descriptor: Descriptor) -> dict[str, int]:
    """Return the numbers of a raw layer's file metadata; text and later members are passed over."""
    annotations = descriptor.annotations
    text = annotations.get(media_types.FILE_METADATA) or annotations.get(media_types.LEGACY_FILE_METADATA)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelKitError(f"layer {descriptor.digest} has file metadata that is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelKitError(f"layer {descriptor.digest} has file metadata that is not an object")
    return {key: item for key, item in value.items() if isinstance(item, int) and not isinstance(item, bool)}
