"""What is in a directory, as far as it takes to guess a Kitfile: names and sizes, in byte order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kitops_orchestration.errors import ModelKitError

_SYSTEM_NAMES = frozenset(
    {
        ".ds_store",
        ".appledouble",
        ".lsoverride",
        ".spotlight-v100",
        ".trashes",
        "thumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "ehthumbs.db",
    }
)
_TOOL_NAMES = frozenset({".git", ".gitattributes", ".gitignore", ".kitignore", ".cache"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file: ``path`` is relative to the context."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A directory and what it holds; links are left out."""

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


def list_directory(context_dir: Path) -> FoundDirectory:
    """Read a whole tree; raises :class:`ModelKitError` when it cannot be read."""
    if not context_dir.is_dir():
        raise ModelKitError(f"not a directory: {context_dir}")
    try:
        return _list(context_dir, ".", context_dir.absolute().name)
    except OSError as error:
        raise ModelKitError(f"cannot read {error.filename}: {error.strerror}") from error


def _list(folder: Path, path: str, name: str) -> FoundDirectory:
    result = FoundDirectory(name, path)
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        if entry.name.lower() in _SYSTEM_NAMES or entry.name in _TOOL_NAMES:
            continue
        below = entry.name if path == "." else f"{path}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            result.directories.append(_list(folder / entry.name, below, entry.name))
        elif entry.is_file(follow_symlinks=False):
            result.files.append(FoundFile(entry.name, below, entry.stat(follow_symlinks=False).st_size))
    return result
