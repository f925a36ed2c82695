"""A program of its own: reads a file from standard input and prints what its pickles would run, as JSON.

It is started with limits on memory and time by :mod:`.pickles`, because a file of a few MiB can ask for GiB here.
Nothing is unpickled.  It imports nothing of this package, so that starting it is cheap.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import logging
import lzma
import os
import resource
import sys
import zipfile
import zlib
from typing import Any, BinaryIO

MEMORY_BYTES = 2 * 1024**3
CPU_SECONDS = 30
_MOST_BYTES = 64 * 1024 * 1024
_ZIP = b"PK\x03\x04"
_NUMPY = b"\x93NUMPY"


def plain(file: BinaryIO) -> BinaryIO | None:
    """Return the file without one level of compression; ``None`` when it is longer than what is looked at."""
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        data = _start_of(gzip.GzipFile(fileobj=file))
    elif head.startswith(b"BZh"):
        data = _start_of(bz2.BZ2File(file))
    elif head.startswith((b"\xfd7zXZ", b"]\x00\x00")):
        data = _start_of(lzma.LZMAFile(file))  # noqa: SIM115 - closed there
    elif head[:1] == b"x" and head[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
        data = zlib.decompressobj().decompress(file.read(_MOST_BYTES), _MOST_BYTES + 1)
    else:
        return file
    return io.BytesIO(data) if len(data) <= _MOST_BYTES else None


def _start_of(file: Any) -> bytes:
    with file:
        return bytes(file.read(_MOST_BYTES + 1))


def leads_on(name: str) -> bool:
    """Tell whether a dotted name goes through something else than classes to what it means.

    From protocol 4 on each dot is an attribute: ``builtins.eval`` of any module that imports ``builtins`` is ``eval``,
    and the scanner looks for the whole word. Dotted names that should be
    there are a class in a class and a method of one.
    """
    *owners, last = name.split(".")
    if not owners:
        return False
    return not all(part.lstrip("_")[:1].isupper() for part in owners) or (last.startswith("__") and last != "__new__")


class Found:
    """What was found so far."""

    def __init__(self, scanner: Any) -> None:
        self._scanner = scanner
        self.dangerous: set[str] = set()
        self.is_whole = True
        """False where a part could not be looked at."""
        self.has_own_code = False
        """True where cloudpickle wrote functions or classes by value: what they do stands in no name."""

    def look(self, file: BinaryIO, depth: int = 1) -> None:
        """Look at a pickle, an array of objects, or the members of a zip."""
        head = file.read(8)
        file.seek(0)
        if head.startswith(_ZIP):
            self._look_into(file, depth)
        elif head.startswith(_NUMPY):
            wide = head[6] >= 2
            file.seek(8)
            file.seek(int.from_bytes(file.read(4 if wide else 2), "little"), 1)
            self._look_at(file)
        else:
            self._look_at(file)

    def _look_at(self, file: BinaryIO) -> None:
        result = self._scanner.scan_pickle_bytes(file, "it")
        self.is_whole &= not result.scan_err
        for item in result.globals:
            self.has_own_code |= "cloudpickle" in item.module.split(".")
            if item.safety is self._scanner.SafetyLevel.Dangerous or leads_on(item.name):
                self.dangerous.add(f"{item.module}.{item.name}")

    def _look_into(self, file: BinaryIO, depth: int) -> None:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    head = stream.read(8)
                is_pickle = head[:1] == b"\x80" or head[:1] in (b"(", b"c", b"}", b"]") or head.startswith(_NUMPY)
                if not (is_pickle or member.filename.endswith((".pkl", ".pickle")) or head.startswith(_ZIP)):
                    continue
                if member.file_size > _MOST_BYTES or (head.startswith(_ZIP) and not depth):
                    self.is_whole = False
                    continue
                with archive.open(member) as stream:
                    self.look(io.BytesIO(stream.read(_MOST_BYTES)), depth - 1)


def main() -> None:
    """Look at standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    from picklescan import scanner

    logging.disable(logging.CRITICAL)
    found = Found(scanner)
    given = sys.stdin.buffer
    file = plain(given if given.seekable() else io.BytesIO(given.read()))
    if file is None:
        found.is_whole = False
    else:
        try:
            found.look(file)
        except Exception:  # noqa: BLE001 - bytes of others: whatever they do to a parser, the rest was not looked at
            found.is_whole = False
    answer = {"dangerous": sorted(found.dangerous), "isWhole": found.is_whole, "hasOwnCode": found.has_own_code}
    os.write(1, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
