"""Files that a verb writes for people: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from kitops_orchestration.errors import KitOpsError


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` beside ``path`` and rename it into place; raises :class:`KitOpsError` with the reason."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)  # as any program would make it; mkstemp makes it private
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise KitOpsError(
            f"cannot write {path}: {error.strerror}", advice="choose a folder that exists, is writable and has room"
        ) from error
