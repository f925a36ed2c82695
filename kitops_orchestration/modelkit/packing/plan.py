"""From a Kitfile to the layers that a pack writes: their order, kind, path and form."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile.rules import clean, parent_reference
from kitops_orchestration.modelkit.layers.media_types import Compression, Kind, LayerFormat, layer_media_type


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer to write."""

    kind: Kind
    path: str
    """As the Kitfile has it."""
    name: str
    format: LayerFormat
    compression: Compression
    media_type: str

    @property
    def clean_path(self) -> str:
        """The path in its short slash form; an empty one is the whole context."""
        return clean(self.path)


def plan_layers(
    kitfile: Kitfile, *, layer_format: LayerFormat, compression: Compression, model_pack: bool
) -> list[PlannedLayer]:
    """Return the layers in manifest order.

    Raises:
        ModelKitError: a combination that the format does not have.
    """
    if model_pack and layer_format == "raw" and compression != "none":
        raise ModelKitError("a ModelPack has no compressed raw layers", advice="leave out one of the two")
    if model_pack and kitfile.mcp_servers:
        raise ModelKitError("a ModelPack cannot hold mcpServers", advice="pack it as a ModelKit")
    layers = []
    for kind_text, entry in kitfile.entries():
        kind: Kind = kind_text  # type: ignore[assignment]  # entries() yields the names of kinds only
        form: LayerFormat = "raw" if kind == "mcpb" else layer_format
        packing: Compression = "none" if kind == "mcpb" else compression
        media_type = layer_media_type(kind, form, packing, model_pack=model_pack)
        layers.append(PlannedLayer(kind, entry.path, getattr(entry, "name", ""), form, packing, media_type))
    return layers


def other_paths(kitfile: Kitfile, parents: Collection[Kitfile] = ()) -> frozenset[str]:
    """Return the clean paths of every entry: what one layer leaves to another, parents' included."""
    paths: set[str] = set()
    for each in (kitfile, *parents):
        paths.update(clean(entry.path) for _, entry in each.entries())
        paths.update(clean(entry.path) for entry in each.datasets if entry.path)
    model_path = kitfile.model.path if kitfile.model else ""
    if model_path and parent_reference(model_path) is not None:
        paths.discard(clean(model_path))
    return frozenset(paths)


def check_mcp_bundle(source: str, path: str) -> None:
    """Raise :class:`ModelKitError` unless the file is a zip archive with a manifest.json at its root."""
    import zipfile

    try:
        with zipfile.ZipFile(source) as archive:
            archive.getinfo("manifest.json")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ModelKitError(
            f"{path} is not an MCP bundle: a zip archive with manifest.json at its root",
            advice="build it with the mcpb tool",
        ) from error
