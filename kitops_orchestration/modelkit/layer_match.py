"""Which layer belongs to which entry of a Kitfile, and what is left over on either side.

Since Kit 0.5 an entry records the digest of its layer.  Before, only the order tells: the first dataset layer is the
first dataset's.  Where two layers have the same content the path in the annotation tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from kitops_orchestration.modelkit.kitfile import Entry, Kitfile
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layers import media_types
from kitops_orchestration.modelkit.layers.media_types import LayerType
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class MatchedLayer:
    """A layer, what its media type says, and the entry that describes it, if any does."""

    descriptor: Descriptor
    type: LayerType
    entry: Entry | None
    position: int | None
    """Of the entry among those of its kind, from 0."""


@dataclass(frozen=True, slots=True)
class MissingLayer:
    """An entry of the Kitfile whose layer the manifest does not have."""

    kind: str
    name: str
    path: str
    digest: str
    """That the config records for it; empty where it records none."""

    @property
    def clean_path(self) -> str:
        """The path in its short slash form."""
        return clean(self.path)


def match_layers(manifest: Manifest, kitfile: Kitfile) -> tuple[tuple[MatchedLayer, ...], tuple[MissingLayer, ...]]:
    """Return the layers in manifest order, each with its entry, and the entries that are left over.

    Raises:
        UnsupportedModelKitError: a layer of a type that ModelKits do not have.
    """
    remaining: dict[str, list[tuple[int, Entry]]] = {}
    for kind, described in kitfile.entries():
        of_kind = remaining.setdefault(kind, [])
        of_kind.append((len(of_kind), described))
    layers = []
    for descriptor in manifest.layers:
        if descriptor.media_type == media_types.KIT_CONFIG:
            continue  # a Kitfile that travels in a ModelPack
        found = LayerType.parse(descriptor.media_type, subtype=descriptor.annotations.get(media_types.LAYER_SUBTYPE))
        position, entry = _take_entry(remaining.get(found.kind, []), descriptor)
        layers.append(MatchedLayer(descriptor, found, entry, position))
    missing = tuple(
        MissingLayer(kind, getattr(entry, "name", ""), entry.path, entry.digest)
        for kind, entries in remaining.items()
        for _, entry in entries
    )
    return tuple(layers), missing


def media_path(descriptor: Descriptor) -> str | None:
    """Return the path annotation of a layer, also under the key that model-spec had before."""
    annotations = descriptor.annotations
    return annotations.get(media_types.FILE_PATH) or annotations.get(media_types.LEGACY_FILE_PATH)


def _take_entry(entries: list[tuple[int, Entry]], descriptor: Descriptor) -> tuple[int | None, Entry | None]:
    """Match by digest and path, then by digest, then (before Kit 0.5) by order; an entry is used once."""
    path = media_path(descriptor)
    same = [each for each in entries if each[1].digest == descriptor.digest]
    exact = [each for each in same if path is not None and clean(each[1].path) == path]
    unmarked = [each for each in entries if not each[1].digest]
    chosen = next(iter([*exact, *same, *unmarked]), None)
    if chosen is None:
        return None, None
    entries.remove(chosen)  # the position in it makes two equal entries different
    return chosen
