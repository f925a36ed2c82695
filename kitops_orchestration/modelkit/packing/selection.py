"""Which entries of a walk belong to which layer."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kitops_orchestration.modelkit.packing.walk import Entry


def subtree_end(entries: list[Entry], start: int) -> int:
    """Return the index after the last entry at or below ``entries[start]``."""
    below = entries[start].path + "/"
    end = start + 1
    while end < len(entries) and entries[end].path.startswith(below):
        end += 1
    return end


class Selector:
    """Divide one walk among layers: each layer has what is at or below its path and in no deeper layer."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._index = {entry.path: index for index, entry in enumerate(entries)}
        self._has_ignored = any(entry.is_ignored for entry in entries)

    def select(self, layer_path: str, others: Collection[str]) -> list[Entry]:
        """Return a layer's entries with the directories above them, in tar order.

        ``layer_path`` and ``others`` (the paths of the other layers) are clean; an other layer takes away
        only what is at or below its path, and nothing when this layer lies inside it.
        """
        if layer_path == ".":
            start, end, above = 0, len(self._entries), []
        else:
            index = self._index.get(layer_path)
            if index is None:
                return []
            start, end = index, subtree_end(self._entries, index)
            parents = (self._entries[self._index[parent]] for parent in _parents(layer_path))
            above = [parent for parent in parents if not parent.is_ignored]
        prefix = "" if layer_path == "." else layer_path + "/"
        deeper = {other for other in others if other.startswith(prefix) and other not in (".", layer_path)}
        chosen = [*above, *self._range(start, end, deeper)]
        return self._with_parents(chosen) if self._has_ignored else chosen

    def _range(self, start: int, end: int, deeper: set[str]) -> Iterator[Entry]:
        index = start
        while index < end:
            entry = self._entries[index]
            if entry.path in deeper:
                index = subtree_end(self._entries, index)
                continue
            if not entry.is_ignored:
                yield entry
            index += 1

    def _with_parents(self, chosen: list[Entry]) -> list[Entry]:
        """Put directories back that are ignored themselves but hold something that is not.

        Kit leaves them out, and its own unpack then fails on the files below.
        """
        result: list[Entry] = []
        present: set[str] = set()
        for entry in chosen:
            for parent in _parents(entry.path):
                if parent not in present:
                    present.add(parent)
                    result.append(self._entries[self._index[parent]])
            if entry.is_dir:
                if entry.path in present:
                    continue
                present.add(entry.path)
            result.append(entry)
        return result


def select_like_kit(entries: list[Entry], layer_path: str, others: Collection[str]) -> list[Entry]:
    """Return what the Kit CLI puts into a layer, with its defects.

    A layer's "other layers" are string prefixes (``model`` swallows ``model-card.md``), and names that
    contain ``..`` disappear.
    """
    prefixes = tuple(other for other in others if not layer_path.startswith(other))
    result = []
    index = 0
    while index < len(entries):
        entry = entries[index]
        if not _is_related_in_kit(layer_path, entry.path) or (prefixes and entry.path.startswith(prefixes)):
            index = subtree_end(entries, index) if entry.is_dir else index + 1
            continue
        if not entry.is_ignored:
            result.append(entry)
        index += 1
    return result


def _is_related_in_kit(layer_path: str, path: str) -> bool:
    if layer_path == path:
        return True
    if path.startswith(layer_path + "/"):
        return ".." not in path[len(layer_path) + 1 :]
    if layer_path == ".":
        return ".." not in path
    return layer_path.startswith(path + "/") and ".." not in layer_path[len(path) + 1 :]


def _parents(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
