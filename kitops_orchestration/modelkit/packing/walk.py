"""One walk of a context: every entry that could be in a layer, in the order that Kit's tar has.

Inside each directory entries come in the order of their bytes, a directory before what it holds.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import ModelKitError, UnsafePathError
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layers.tar_reader import check_depth
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules

_VIRTUAL_MODE = 0o755
_NO_STAMP = (0, 0, 0, 0)


@dataclass(slots=True)
class Entry:
    """A file or directory of the context, or of a graft standing in it."""

    path: str
    """Slash path in the context; names that are not UTF-8 carry surrogate escapes."""
    source: str
    """Where it is on disk; empty for a directory that is there only to hold a graft."""
    mode: int
    size: int
    is_dir: bool
    is_ignored: bool
    """True only for directories: ignored files are not listed at all."""
    stamp: tuple[int, int, int, int]
    """``(mtime_ns, ctime_ns, inode, device)``: what changes when the content does."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The entries of a context in tar order, and what was left out because it is neither file nor directory."""

    entries: list[Entry]
    left_out: list[tuple[str, str]]
    """``(path, reason)`` of symbolic links, sockets and devices."""


@dataclass(slots=True)
class _Frame:
    path: str
    source: str
    root: str
    """Links may not lead out of this directory."""
    matched: int
    names: list[str]


def walk(
    context_dir: Path,
    rules: IgnoreRules,
    *,
    grafts: Mapping[str, Path] | None = None,
    follow: frozenset[str] = frozenset(),
    keep_links: bool = True,
) -> Walk:
    """List a context once, for all of its layers.

    Args:
        context_dir: the directory that Kitfile paths are relative to.
        rules: an ignored directory is entered only when a ``!`` pattern could take back what it holds.
        grafts: context path to a file or directory elsewhere that stands there instead.
        follow: paths of links to directories that are followed, because a layer is named so.
        keep_links: read links to files inside the context as files; else every link is left out.

    Raises:
        ModelKitError: the context or a graft cannot be read.
    """
    if not context_dir.is_dir():
        raise ModelKitError(f"the context is not a directory: {context_dir}")
    walker = _Walker(rules, _clean_grafts(grafts or {}), follow, keep_links=keep_links)
    walker.run(os.path.realpath(context_dir))
    return Walk(walker.entries, walker.left_out)


def _clean_grafts(grafts: Mapping[str, Path]) -> dict[str, str]:
    result = {}
    for path, source in grafts.items():
        cleaned = clean(path)
        if cleaned in (".", "..") or cleaned.startswith(("../", "/")):
            raise UnsafePathError(f"a graft stands below the context, not at {path!r}", advice="use a relative path")
        if not Path(source).exists():
            raise ModelKitError(f"the graft for {path!r} does not exist: {source}")
        result[cleaned] = os.path.realpath(source)
    return result


@functools.lru_cache(maxsize=16)
def _blobs_of_hub(root: str) -> str | None:
    """Return where a snapshot of the Hugging Face cache has its content, for a folder that is one or lies in one.

    There ``snapshots/<commit>/model.safetensors`` is a link to ``../../blobs/<digest>``; no other link may leave a
    context.
    """
    for folder in (Path(root), *Path(root).parents):
        blobs = folder.parent.parent / "blobs"
        if folder.parent.name == "snapshots" and blobs.is_dir():
            return os.path.realpath(blobs)
    return None


class _Walker:
    def __init__(self, rules: IgnoreRules, grafts: dict[str, str], follow: frozenset[str], *, keep_links: bool) -> None:
        self._rules = rules
        self._grafts = grafts
        self._follow = follow
        self._keep_links = keep_links
        self._graft_names: dict[str, set[str]] = {}
        for path in grafts:
            while path:
                path, _, name = path.rpartition("/")
                self._graft_names.setdefault(path, set()).add(name)
        self.entries: list[Entry] = []
        self.left_out: list[tuple[str, str]] = []

    def run(self, root: str) -> None:
        frames = [self._frame("", root, root, 0)]
        while frames:
            frame = frames[-1]
            if not frame.names:
                frames.pop()
                continue
            below = self._visit(frame, frame.names.pop())
            if below is not None:
                frames.append(below)

    def _frame(self, path: str, source: str, root: str, matched: int) -> _Frame:
        check_depth(path.split("/"), path)
        try:
            names = os.listdir(source) if source else []  # noqa: PTH208 - Path objects for 100,000 names cost memory
        except OSError as error:
            raise ModelKitError(f"cannot read the directory {source}: {error.strerror}") from error
        grafted = self._graft_names.get(path)
        if grafted:
            names = list(grafted.union(names))
        names.sort(key=os.fsencode, reverse=True)
        return _Frame(path, source, root, matched, names)

    def _visit(self, frame: _Frame, name: str) -> _Frame | None:
        path = f"{frame.path}/{name}" if frame.path else name
        matched = self._rules.matched(path, frame.matched)
        is_ignored = self._rules.is_ignored(matched)
        root, source = frame.root, f"{frame.source}/{name}"
        if path in self._grafts:
            root = source = self._grafts[path]
        holds_graft = path in self._graft_names
        try:
            info = os.lstat(source) if frame.source or path in self._grafts else None
        except FileNotFoundError:
            info = None
        except OSError as error:
            raise ModelKitError(f"cannot read {source}: {error.strerror}") from error
        if holds_graft and (info is None or not stat.S_ISDIR(info.st_mode)):
            self.entries.append(Entry(path, "", _VIRTUAL_MODE, 0, True, is_ignored, _NO_STAMP))
            return self._frame(path, "", root, matched)
        if info is None:
            return None  # it went away between the listing and here
        return self._take(path, source, root, info, matched, is_ignored=is_ignored)

    def _take(
        self, path: str, source: str, root: str, info: os.stat_result, matched: int, *, is_ignored: bool
    ) -> _Frame | None:
        if stat.S_ISLNK(info.st_mode):
            if is_ignored:
                return None
            resolved = self._resolve(path, source, root)
            if resolved is None:
                return None
            source, info = resolved
        mode = info.st_mode
        stamp = (info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev)
        if stat.S_ISDIR(mode):
            self.entries.append(Entry(path, source, stat.S_IMODE(mode), 0, True, is_ignored, stamp))
            if is_ignored and not self._rules.has_exclusions:
                return None
            return self._frame(path, source, root, matched)
        if stat.S_ISREG(mode):
            if not is_ignored:
                self.entries.append(Entry(path, source, stat.S_IMODE(mode), info.st_size, False, False, stamp))
        elif not is_ignored:
            self.left_out.append((path, "neither a file nor a directory"))
        return None

    def _resolve(self, path: str, source: str, root: str) -> tuple[str, os.stat_result] | None:
        if not self._keep_links:
            self.left_out.append((path, "a symbolic link"))
            return None
        target = os.path.realpath(source)
        try:
            info = Path(target).stat()
        except OSError:
            self.left_out.append((path, "a symbolic link that leads nowhere"))
            return None
        folder = os.path.dirname(target)  # noqa: PTH120 - a string, as links are read
        if not target.startswith(root + os.sep) and folder != _blobs_of_hub(root):
            self.left_out.append((path, "a symbolic link that leaves the context"))
            return None
        if stat.S_ISDIR(info.st_mode) and (path not in self._follow or source.startswith(target + os.sep)):
            self.left_out.append((path, "a symbolic link to a directory"))
            return None
        return target, info
