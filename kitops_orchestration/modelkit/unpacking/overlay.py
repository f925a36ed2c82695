"""Layers of a container image laid over each other: what is below the model's folder, the newest of each file.

Source: OCI image-spec v1.1, layer.md ("Whiteouts").
"""

from __future__ import annotations

from kitops_orchestration.modelkit.layers.tar_reader import PieceReader
from kitops_orchestration.modelkit.unpacking.workspace import LayerSink, check_unpacking_cancelled

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


class Overlay:
    """What the layers above have: they are read from the top, so that each file is written once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.hidden: set[str] = set()
        """Paths that a layer above deleted; with a ``/`` behind it, a folder that it began anew (``/``: the root)."""

    def over(self, sink: LayerSink) -> OverlaySink:
        """Return the sink of the next layer below."""
        return OverlaySink(self, sink)

    def is_hidden(self, path: str) -> bool:
        """Tell whether a layer above replaced or deleted it, or a folder that it is in."""
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        return any(place in self.files or place in self.hidden for place in above) or any(
            f"{place}/" in self.hidden for place in ("", *above[:-1])
        )


class OverlaySink:
    """Takes one layer: members outside of the folder are passed over, whatever they are."""

    def __init__(self, overlay: Overlay, sink: LayerSink) -> None:
        self._overlay = overlay
        self._sink = sink
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._hidden: set[str] = set()

    def skips(self, path: str) -> bool:
        """Tell whether a member is none of the model's: the system that the image is made of, with its links."""
        folder = self._overlay.folder
        if path == folder or path.startswith(f"{folder}/"):
            return False
        deleted = _deleted(path)
        # The model's folder, or one that it is in, may be deleted as a whole.
        return deleted is None or not f"/{folder}/".startswith(f"/{deleted.strip('/')}/".replace("//", "/"))

    def directory(self, path: str, mode: int) -> None:
        """Make a directory."""
        self._folders.update(_folders_of(f"{path}/"))
        if not self._overlay.is_hidden(path):
            self._sink.directory(path, mode)

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:
        """Write a file that no layer above has, or note what this layer deletes."""
        deleted = _deleted(path)
        if deleted is not None:
            self._hidden.add(deleted)
        else:
            # A file that is not to be seen itself replaces what the layers below have at its place all the same.
            self._files.add(path)
            self._folders.update(_folders_of(path))
            if not self._overlay.is_hidden(path) and path not in self._overlay.folders:
                self._sink.file(path, mode, size, pieces)
                return
        pieces(lambda _: check_unpacking_cancelled(self._sink.cancel))

    def finish(self) -> None:
        """Let the layers below know; inside of one layer the order of its members says nothing."""
        self._overlay.files |= self._files
        self._overlay.folders |= self._folders
        self._overlay.hidden |= self._hidden


def _deleted(path: str) -> str | None:
    """Return what a whiteout deletes, as :attr:`Overlay.hidden` has it; ``None`` for other members."""
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        return f"{folder}/"
    if name.startswith(_WHITEOUT):
        return f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/")
    return None


def _folders_of(path: str) -> list[str]:
    """Return the folders that a path lies in."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
