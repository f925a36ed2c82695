"""What is in a directory, as far as it takes to guess a Kitfile: names and sizes, in byte order.

It is the walk of a pack, so that a Kitfile describes what a pack would send, links included, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules
from kitops_orchestration.modelkit.packing.walk import walk


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: ``path`` is relative to the context."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A directory and what it holds; links that a pack leaves out are left out."""

    name: str
    path: str
    files: list[FoundFile] = field(default_factory=list)
    directories: list[FoundDirectory] = field(default_factory=list)

    def all_files(self) -> list[FoundFile]:
        """Return the files at every depth."""
        return [*self.files, *(file for directory in self.directories for file in directory.all_files())]

    def find(self, name: str) -> FoundFile | None:
        """Return the file of that name in this directory itself."""
        return next((file for file in self.files if file.name == name), None)


def list_directory(context_dir: Path, *, ignore: Sequence[str] = ()) -> FoundDirectory:
    """Read a whole tree but for what ``.kitignore`` and ``ignore`` leave out.

    Raises:
        ModelKitError: it cannot be read.
    """
    if not context_dir.is_dir():
        raise ModelKitError(f"not a directory: {context_dir}")
    root = FoundDirectory(context_dir.absolute().name, ".")
    folders = {"": root}
    for entry in walk(context_dir, IgnoreRules.load(context_dir, more=ignore)).entries:
        above, _, name = entry.path.rpartition("/")
        if entry.is_ignored:
            continue
        if entry.is_dir:
            folders[entry.path] = FoundDirectory(name, entry.path)
            folders.get(above, root).directories.append(folders[entry.path])
        else:
            folders.get(above, root).files.append(FoundFile(name, entry.path, entry.size))
    return root
