"""``.kitallow``: what somebody looked at and allowed, by fingerprint, so that an entry survives moved lines.

One entry in a line: ``sha256:0123456789abcdef  path  reason``.  The file is never packed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.packing.gate.findings import GateFinding
from kitops_orchestration.modelkit.packing.ignore import ALLOW_FILE_NAME

_ENTRY = re.compile(r"sha256:([0-9a-f]{16})\s+(\S.*?)\s{2,}(\S.*)")

AllowList = Mapping[tuple[str, str], str]
"""Reasons by fingerprint and path."""


def read_allow_list(folder: Path) -> AllowList:
    """Return what the folder's ``.kitallow`` allows; one that is a link allows nothing.

    Raises:
        ModelKitError: it cannot be read, or a line is no entry: one without a reason allows nothing.
    """
    path = folder / ALLOW_FILE_NAME
    if path.is_symlink():
        return {}  # a snapshot of a hub's cache is links: what was downloaded allows nothing
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ModelKitError(f"cannot read {path}: {error.strerror}") from error
    entries = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _ENTRY.fullmatch(line.strip())
        if match is None:
            raise ModelKitError(
                f"{path}:{number}: not an entry: fingerprint, path and reason, two spaces apart",
                advice="let `kitctl scan --write-allow --reason ...` write it",
            )
        entries[match[1], match[2]] = match[3]
    return entries


def write_allow_list(folder: Path, findings: Iterable[GateFinding], reason: str) -> Path:
    """Add findings to the folder's ``.kitallow``, with one reason; entries that are there stay.

    Raises:
        ModelKitError: no reason, or the file cannot be written.
    """
    if not reason.strip() or "\n" in reason:
        raise ModelKitError("an allow list needs a reason of one line", advice="say why these are no secrets")
    path = folder / ALLOW_FILE_NAME
    known = read_allow_list(folder)
    lines = {
        f"sha256:{item.fingerprint}  {item.path}  {reason.strip()}"
        for item in findings
        if (item.fingerprint, item.path) not in known
    }
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    joined = text + ("\n" if text and not text.endswith("\n") else "") + "".join(f"{line}\n" for line in sorted(lines))
    write_whole(path, joined.encode("utf-8", "surrogateescape"), error=ModelKitError)
    return path
