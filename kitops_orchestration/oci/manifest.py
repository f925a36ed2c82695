"""Manifest and Index: the JSON nodes of the graph, with the exact bytes that their digest is taken over.

Source: OCI image-spec v1.1, manifest.md and image-index.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kitops_orchestration.errors import (
    InvalidReferenceError,
    ModelKitError,
    UnsupportedModelKitError,
)
from kitops_orchestration.oci import canonical, media_types
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor, Digest
from kitops_orchestration.oci.verified import verify_content


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest: a config, layers, and perhaps a subject that it refers to."""

    content: bytes = field(repr=False)
    """The exact bytes; never re-serialised."""
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def build(
        cls,
        *,
        config: Descriptor,
        layers: Sequence[Descriptor],
        artifact_type: str | None = None,
        subject: Descriptor | None = None,
        annotations: Mapping[str, str] = EMPTY,
        with_media_type: bool = True,
    ) -> Self:
        """Serialise a new manifest, members in the order of Go's struct.

        ``with_media_type=False`` leaves the member out, which is what the Kit CLI writes.
        """
        value: dict[str, Any] = {"schemaVersion": 2}
        if with_media_type:
            value["mediaType"] = media_types.MANIFEST
        if artifact_type:
            value["artifactType"] = artifact_type
        value["config"] = config.to_json()
        value["layers"] = [layer.to_json() for layer in layers] or None
        if subject is not None:
            value["subject"] = subject.to_json()
        if annotations:
            value["annotations"] = dict(sorted(annotations.items()))
        return cls(
            canonical.encode(value), media_types.MANIFEST, config, tuple(layers), artifact_type, subject, annotations
        )

    @property
    def digest(self) -> Digest:
        """Digest of the exact bytes."""
        return Digest.of(self.content)

    @property
    def descriptor(self) -> Descriptor:
        """How others point at this manifest."""
        return Descriptor(self.media_type, self.digest, len(self.content))

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that have to be there before the manifest: layers in order, then the config."""
        return (*self.layers, self.config)


@dataclass(frozen=True, slots=True)
class Index:
    """An image index: descriptors of manifests."""

    content: bytes = field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def build(cls, manifests: Sequence[Descriptor], *, annotations: Mapping[str, str] = EMPTY) -> Self:
        """Serialise a new index."""
        value: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_types.INDEX}
        value["manifests"] = [manifest.to_json() for manifest in manifests]
        if annotations:
            value["annotations"] = dict(sorted(annotations.items()))
        return cls(canonical.encode(value), media_types.INDEX, tuple(manifests), annotations=annotations)

    @property
    def digest(self) -> Digest:
        """Digest of the exact bytes."""
        return Digest.of(self.content)

    @property
    def descriptor(self) -> Descriptor:
        """How others point at this index."""
        return Descriptor(self.media_type, self.digest, len(self.content))


Node = Manifest | Index


def parse(content: bytes, media_type: str | None = None, *, expected: str | None = None) -> Node:
    """Read manifest bytes into a :class:`Manifest` or :class:`Index`.

    ``media_type`` is what the carrier said; the ``mediaType`` member and the shape of the document decide
    where it said nothing.  ``expected`` is the digest that was asked for.

    Raises:
        DigestMismatchError: the bytes are not those of ``expected``.
        ModelKitError: not a manifest at all.
        UnsupportedModelKitError: a media type that is neither manifest nor index.
    """
    if expected is not None:
        verify_content(content, Digest(expected), "manifest")
    value = _load(content)
    try:
        return _node(content, media_type, value)
    except InvalidReferenceError as error:
        raise ModelKitError(f"manifest is broken: {error}") from error


def _node(content: bytes, media_type: str | None, value: dict[str, Any]) -> Node:
    said = value.get("mediaType") or (media_type or "").split(";")[0].strip()
    if said in media_types.INDEXES or (said not in media_types.MANIFESTS and "manifests" in value):
        return _index(content, said or media_types.INDEX, value)
    if said in media_types.MANIFESTS or "config" in value:
        return _manifest(content, said if said in media_types.MANIFESTS else media_types.MANIFEST, value)
    raise UnsupportedModelKitError(
        f"manifest of type {said or 'unknown'!r} is not supported",
        advice="this is not an OCI image manifest or index: check the reference",
    )


def _load(content: bytes) -> dict[str, Any]:
    try:
        value = canonical.decode(content)
    except (ValueError, RecursionError) as error:
        raise ModelKitError(f"manifest is not JSON: {error}") from error
    if not isinstance(value, dict) or value.get("schemaVersion") != 2:
        raise ModelKitError("manifest is not an object of schemaVersion 2")
    return value


def _descriptors(value: dict[str, Any], member: str) -> tuple[Descriptor, ...]:
    items = value.get(member)
    if items is None:
        return ()
    if not isinstance(items, list):
        raise ModelKitError(f"manifest member {member!r} is not a list")
    return tuple(Descriptor.from_json(item) for item in items)


def _annotations(value: dict[str, Any]) -> dict[str, str]:
    found = value.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(item, str) for item in found.values()):
        raise ModelKitError("manifest annotations are not a map of strings")
    return found


def _artifact_type(value: dict[str, Any]) -> str | None:
    found = value.get("artifactType")
    if not isinstance(found, str | None):
        raise ModelKitError("manifest member 'artifactType' is not a string")
    return found


def _subject(value: dict[str, Any]) -> Descriptor | None:
    return Descriptor.from_json(value["subject"]) if value.get("subject") else None


def _manifest(content: bytes, media_type: str, value: dict[str, Any]) -> Manifest:
    if not value.get("config"):
        raise ModelKitError("manifest has no config")
    return Manifest(
        content,
        media_type,
        Descriptor.from_json(value["config"]),
        _descriptors(value, "layers"),
        _artifact_type(value),
        _subject(value),
        _annotations(value),
    )


def _index(content: bytes, media_type: str, value: dict[str, Any]) -> Index:
    return Index(
        content,
        media_type,
        _descriptors(value, "manifests"),
        _artifact_type(value),
        _subject(value),
        _annotations(value),
    )
