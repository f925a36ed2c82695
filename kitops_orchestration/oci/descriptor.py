"""Digest and Descriptor: the names of bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, Self

from kitops_orchestration.errors import InvalidReferenceError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
EMPTY: Mapping[str, str] = MappingProxyType({})


class Digest(str):
    """``algorithm:hex`` of some bytes, checked on construction.

    Raises:
        InvalidReferenceError: not a sha256 or sha512 digest in lower-case hex.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check ``text`` and keep it."""
        if not _DIGEST.fullmatch(text):
            raise InvalidReferenceError(
                f"not a digest: {text!r}", advice="a digest is 'sha256:' and 64 lower-case hexadecimal digits"
            )
        return super().__new__(cls, text)

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> Self:
        """Return the sha256 digest of bytes in memory."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        """The part before the colon."""
        return self.split(":", 1)[0]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self.split(":", 1)[1]

    @property
    def short(self) -> str:
        """Twelve hexadecimal digits, for people."""
        return self.hex[:12]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size of a blob or manifest (image-spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """Other members of the JSON object (``urls``, ``data``, ``platform``), kept as they came."""

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a descriptor object; raises :class:`InvalidReferenceError` when a member is missing or wrong."""
        try:
            media_type, digest, size = value["mediaType"], Digest(value["digest"]), value["size"]
            annotations = value.get("annotations") or {}
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidReferenceError(f"not a descriptor: {str(value)[:200]}") from error
        if not isinstance(annotations, dict) or not all(isinstance(item, str) for item in annotations.values()):
            raise InvalidReferenceError(f"descriptor annotations are not a map of strings: {str(annotations)[:200]}")
        if not isinstance(media_type, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidReferenceError(f"not a descriptor: {str(value)[:200]}")
        known = {"mediaType", "digest", "size", "annotations", "artifactType"}
        artifact_type = value.get("artifactType")
        if not isinstance(artifact_type, str | None):
            raise InvalidReferenceError(f"not a descriptor: {str(value)[:200]}")
        extra = {key: item for key, item in value.items() if key not in known}
        return cls(media_type, digest, size, annotations, artifact_type, extra)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, members in the order that Go's image-spec structs write them."""
        result: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if "urls" in self.extra:
            result["urls"] = self.extra["urls"]
        if self.annotations:
            result["annotations"] = dict(sorted(self.annotations.items()))
        for key, value in self.extra.items():
            result.setdefault(key, value)
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        return result


class BlobSource(Protocol):
    """Content that can be read again from its start: the body of a request that may have to be replayed."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def open(self) -> BinaryIO:
        """Return a new reader at the first byte; the caller closes it."""
        ...
