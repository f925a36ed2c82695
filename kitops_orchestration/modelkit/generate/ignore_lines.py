"""The lines that a ``.kitignore`` needs for a directory: what is there, and what nobody means to send."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kitops_orchestration.modelkit.packing.gate import names
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules
from kitops_orchestration.modelkit.packing.walk import Entry, walk

_TOOL_FILES = (".gitattributes", ".gitignore", ".dockerignore")
_SYSTEM_FOLDERS = (".AppleDouble", ".Spotlight-V100", ".Trashes", "$RECYCLE.BIN", ".LSOverride")


def ignore_lines(context_dir: Path) -> list[str]:
    """Return the lines for what tools, systems and people leave in a directory and a pack would send or refuse.

    What its ``.kitignore`` leaves out already needs no line.  By-products of training come as comments: some want them.

    Raises:
        ModelKitError: the directory cannot be read.
    """
    entries = [entry for entry in walk(context_dir, IgnoreRules.load(context_dir)).entries if not entry.is_ignored]
    lines = {line: None for entry in entries if (line := _line_for(entry)) is not None}
    maybe = {f"# {entry.path}": None for entry in entries if entry.path.rsplit("/", 1)[-1] in names.BY_PRODUCTS}
    return [*lines, *_about(maybe)]


def _about(comments: Iterable[str]) -> list[str]:
    found = list(comments)
    return ["# By-products of training; take the # away to leave them out:", *found] if found else []


def _line_for(entry: Entry) -> str | None:
    path, name = entry.path, entry.path.rsplit("/", 1)[-1]
    inside = path + "/x" if entry.is_dir else path  # a folder is known by what lies in it
    history = names.history_folder(inside)
    if history is not None:
        return f"**/{history.rstrip('/').rsplit('/', 1)[-1]}"
    junk = names.junk_of(inside)
    if junk is not None:
        return junk.pattern
    if name in _SYSTEM_FOLDERS or (name in _TOOL_FILES and not entry.is_dir):
        return f"**/{name}"
    if path == ".cache":
        return path
    if not entry.is_dir and names.secret_by_name(path) is not None:
        return re.sub(r"([*?\[\\])", r"\\\1", path)
    return None
