"""Move a finished workspace into the target directory: in one rename where it is new, else file by file with undo."""

# How it works.  Into a folder that does not exist yet, the finished tree goes with one rename.  Into one that exists,
# files go one by one, and every step is written down so that it can be undone.
#
# What has to stay true: everything that can refuse (files in the way, links that lead out) is found out before the
# first file moves.  A replaced file is kept under a second name until all are in place.

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kitops_orchestration.errors import ModelKitError, UnsafePathError
from kitops_orchestration.modelkit.unpacking.workspace import Workspace, is_real_directory

Exists = Literal["error", "overwrite", "ignore"]
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Step:
    source: Path
    destination: Path
    replaces: bool


def reveal(
    workspace: Workspace, target_dir: Path, exists: Exists, *, same: Callable[[Path, Path], bool] | None = None
) -> int:
    """Make the workspace's content appear in ``target_dir``; return how many files were left as they were.

    ``same`` decides whether an existing Kitfile says the same as the new one.  Whatever fails, the target is
    as it was before.

    Raises:
        ModelKitError: files are there already (``exists="error"``), or a directory stands where a file goes.
        UnsafePathError: a link in the target leads out of it.
    """
    if not os.path.lexists(target_dir):
        _apply_modes(workspace, workspace.root, only=None)
        workspace.root.rename(target_dir)
        return 0
    steps, kept, conflicts = _plan(workspace.root, target_dir, exists, same or _same_bytes)
    if conflicts:
        shown = ", ".join(str(path) for path in conflicts[:_SHOWN])
        more = f" and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        raise ModelKitError(
            f"the target already has {shown}{more}; nothing was written",
            advice="unpack to an empty directory, or choose exists='overwrite' or exists='ignore'",
        )
    _move(steps, workspace)
    _apply_modes(workspace, target_dir, only={step.destination for step in steps})
    return kept


def _same_bytes(new: Path, old: Path) -> bool:
    return old.is_file() and filecmp.cmp(new, old, shallow=False)


def _plan(
    source_dir: Path, target_dir: Path, exists: Exists, same: Callable[[Path, Path], bool]
) -> tuple[list[_Step], int, list[Path]]:
    root = Path(os.path.realpath(target_dir))
    steps: list[_Step] = []
    conflicts: list[Path] = []
    kept = 0
    pending = [(source_dir, target_dir)]
    while pending:
        source, target = pending.pop()
        _check_inside(target, root)
        for new in sorted(source.iterdir()):
            name, old = new.name, target / new.name
            if not os.path.lexists(old):
                steps.append(_Step(new, old, replaces=False))
            elif is_real_directory(new) and old.is_dir():
                pending.append((new, old))
            elif is_real_directory(new) or is_real_directory(old):
                conflicts.append(old)
            elif source == source_dir and name == "Kitfile" and same(new, old):
                kept += 1
            elif exists == "overwrite":
                steps.append(_Step(new, old, replaces=True))
            elif exists == "ignore" and not (source == source_dir and name == "Kitfile"):
                kept += 1
            else:
                conflicts.append(old)
    return steps, kept, conflicts


def _check_inside(target: Path, root: Path) -> None:
    real = Path(os.path.realpath(target))
    if real != root and root not in real.parents:
        raise UnsafePathError(
            f"{target} is a link that leaves the target directory", advice="remove the link, or unpack elsewhere"
        )


def _move(steps: list[_Step], workspace: Workspace) -> None:
    undo: list[tuple[Path, Path]] = []
    backups = workspace.replaced
    try:
        for number, step in enumerate(steps):
            if step.replaces:
                backups.mkdir(exist_ok=True)
                undo.append((_back_up(step.destination, backups / str(number)), step.destination))
            step.source.rename(step.destination)
            if not step.replaces:
                undo.append((step.destination, step.source))
    except BaseException as error:  # also Ctrl-C: all files are shown, or none
        for now, before in reversed(undo):
            with contextlib.suppress(OSError):
                now.rename(before)
        if isinstance(error, OSError):
            raise ModelKitError(
                f"cannot move the unpacked files into place: {error}", advice="the target is as it was before"
            ) from error
        raise
    finally:
        shutil.rmtree(backups, ignore_errors=True)


def _back_up(path: Path, backup: Path) -> Path:
    """Keep the old file under a second name, so that replacing it is one rename."""
    try:
        os.link(path, backup, follow_symlinks=False)
    except OSError:
        path.rename(backup)  # no hard links here
    return backup


def _apply_modes(workspace: Workspace, root: Path, *, only: set[Path] | None) -> None:
    for path, mode in workspace.directory_modes():
        directory = root / path
        if only is None or directory in only or not only.isdisjoint(directory.parents):
            with contextlib.suppress(OSError):
                directory.chmod(mode)
