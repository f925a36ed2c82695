"""Whether a path that somebody else wrote stays inside of a folder."""

from __future__ import annotations

from pathlib import Path


def inside(folder: Path, path: str) -> Path | None:
    """Return ``folder / path``, or ``None`` where that is not in the folder once links are resolved.

    An absolute ``path`` is another place, and so is one that climbs out with ``..``. The file need not exist.
    """
    if "\0" in path:
        return None
    place = folder / path
    try:
        is_inside = place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links that lead to each other
        return None
    return place if is_inside else None
