"""A folder of small files that is written whole, or not at all, in the place of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kitops_orchestration.disk.hidden_folder import HiddenFolder
from kitops_orchestration.disk.write import disk_errors
from kitops_orchestration.errors import KitOpsError


def write_whole_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> tuple[int, int]:
    """Write ``files`` (path with ``/`` and content) as ``folder``; what is there goes when all of it is written.

    Return how many files there are, and their bytes.  Who reads meanwhile finds the old folder or the new one; where
    the file system cannot swap two names (``renameat2``), between two renames none.

    Raises:
        KitOpsError: the folder cannot be written, or a path is none inside of it; then nothing is changed.
    """
    count = size_bytes = 0
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with HiddenFolder(folder.parent, folder.name) as made:
            for path, content in files:
                target = made.path / _inside(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                count, size_bytes = count + 1, size_bytes + len(content)
            _take_place(made, folder)
    return count, size_bytes


def _inside(path: str) -> str:
    """Return a path that stays in its folder; whoever made it of foreign text, an absolute one or ``..`` does not."""
    if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise KitOpsError(
            f"not a path of a file inside of its folder: {path!r}",
            advice="report it: a file's name was made of content",
        )
    return path


def _take_place(made: HiddenFolder, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        made.commit(folder)
    elif folder.is_symlink() or not made.exchange(folder):
        replace_by_renames(made, folder)


def replace_by_renames(made: HiddenFolder, folder: Path) -> None:
    """Put the old folder aside, then name the new one: what there is where two names cannot be swapped.

    Raises:
        OSError: it cannot be done; the old folder is where it was.
    """
    with HiddenFolder(folder.parent, folder.name) as aside:
        before = aside.path / "before"
        folder.rename(before)
        try:
            made.commit(folder)
        except OSError:
            before.rename(folder)
            raise
