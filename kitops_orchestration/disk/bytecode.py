"""What a full disk does to the interpreter's own files, and how it is undone.

Python keeps the bytecode of every module that it imports.  Up to 3.12.7, and in 3.13.0, it does not notice when the
disk takes only the first part of such a file (https://github.com/python/cpython/issues/126606): the cut file stays,
and from then on every process that imports the module fails with ``EOFError: marshal data too short``, long after
there is room again.  We fill disks, and we import in the middle of work, so it is for us to leave none of them.

Importing everything before the first byte is written would not help: other people's libraries import in the middle
of work as well, and the disk may be full already when we start.  Writing no bytecode at all would: but then a process
of an environment without bytecode, such as uv makes, compiles MLflow again every time.  So the bytecode that this
process wrote is read back, at the end of ``kitctl`` and, inside of an orchestrator, when a disk was full.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

from kitops_orchestration.errors import causes

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a file cannot grow: no space, the user's quota, the process's limit (``ulimit -f``)."""

MAY_BE_CUT = sys.version_info < (3, 12, 8) or (3, 13) <= sys.version_info < (3, 13, 1)
"""Whether this interpreter keeps bytecode that was written in part. To be removed together with Python 3.11."""

_HEADER_BYTES = 16  # magic number, flags, and time and size of the source (PEP 552); the code follows
_OLDEST_START_SECONDS = 60.0


def remove_cut_bytecode() -> list[Path]:
    """Remove what this process wrote of bytecode and the disk took in part; return what was removed.

    Costs one look at each imported module's file, and a read of those that are younger than the process.
    """
    began = _process_began()
    cut = [path for path in _bytecode_paths() if _is_younger(path, began) and not _is_whole(path)]
    for path in cut:
        with contextlib.suppress(OSError):  # somebody else removed it, or may and we may not
            path.unlink()
    return cut


def after_failure(error: BaseException) -> None:
    """Undo what a full disk did to bytecode, if a full disk is why ``error`` was raised."""
    if MAY_BE_CUT and any(isinstance(cause, OSError) and cause.errno in FULL for cause in causes(error)):
        remove_cut_bytecode()


def _bytecode_paths() -> Iterator[Path]:
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        # A SourceFileLoader has the source as well: what is removed is made again.
        if isinstance(spec, ModuleSpec) and isinstance(spec.loader, SourceFileLoader) and spec.cached:
            yield Path(spec.cached)


def _is_younger(path: Path, began: float) -> bool:
    try:
        return path.stat().st_mtime >= began
    except OSError:
        return False  # none was written: not wanted, or no room for its first byte


def _is_whole(path: Path) -> bool:
    try:
        marshal.loads(path.read_bytes()[_HEADER_BYTES:])  # noqa: S302 - the file that Python itself would load next
    except (EOFError, ValueError, TypeError):
        return False
    except OSError:
        return True  # gone in the meantime
    return True


def _process_began() -> float:
    """Return when this process began, in seconds since 1970, or a time before that."""
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        ticks_after_boot = int(after_name.split()[19])  # "starttime", field 22 of proc(5)
        age_seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks_after_boot / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        age_seconds = _OLDEST_START_SECONDS  # not Linux; a file too many is read, no more
    return time.time() - age_seconds - 1.0  # file systems count time more coarsely than clocks do
