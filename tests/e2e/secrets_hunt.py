"""Every secret that the end-to-end tests used is looked for in all that they left: logs, databases, events, files.

A test says its secrets with :meth:`Hunt.plant`, and where they may stand (the very file that was made to hold one).
At the end of the session all folders in which tests and orchestrators wrote are read, every byte of every file: logs,
events, XCom and all other tables (SQLite's files and a dump of them; PostgreSQL's data, its write-ahead log and a
dump), the broker's memory, temporary files.  Forms of a secret are itself, base64 at each of its three offsets, JSON's
escapes, quoted for an address, and hexadecimal.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

PIECE_BYTES = 4 * 1024 * 1024
_SHORTEST = 6
_LARGEST_PACKED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Hit:
    """A secret, in some form, in a file."""

    name: str
    form: str
    path: Path


@dataclass
class Hunt:
    """What is looked for, and what was found."""

    secrets: dict[str, bytes] = field(default_factory=dict, repr=False)
    allowed: list[tuple[str, str]] = field(default_factory=list)
    """Name of a secret and the end of a path in which it may stand: where a person put it."""
    found: list[Hit] = field(default_factory=list)

    def plant(self, name: str, secret: str | bytes, *, may_be_in: Iterable[str] = ()) -> None:
        """Look for ``secret`` under a name that may be shown; it may stand in files whose path ends so.

        Of a key in PEM one line is looked for, of its end: keys of one kind begin alike.

        Raises:
            ValueError: it is so short that it would be found anywhere.
        """
        data = secret.encode() if isinstance(secret, str) else secret
        if data.startswith(b"-----BEGIN"):
            data = max(reversed(data.splitlines()[1:-1]), key=len)
        if len(data) < _SHORTEST:
            raise ValueError(f"{name} has {len(data)} letters, and would be found by chance")
        self.secrets[name] = data
        self.allowed += [(name, end) for end in may_be_in]

    def look(self, *places: Path) -> None:
        """Read every file below the places; whoever removes one calls this before.  Each is told once for a secret."""
        wanted = [(name, form, text) for name, secret in self.secrets.items() for form, text in forms(secret)]
        longest = max((len(text) for _, _, text in wanted), default=1)
        known = {(hit.name, hit.path) for hit in self.found}
        for path in _files(places):
            for content in contents(path, longest):
                for name, form, text in wanted:
                    if (name, path) not in known and text in content and not self._is_allowed(name, path):
                        known.add((name, path))
                        self.found.append(Hit(name, form, path))

    def _is_allowed(self, name: str, path: Path) -> bool:
        return any(name == other and str(path).endswith(end) for other, end in self.allowed)


@pytest.fixture(scope="session", autouse=True)
def secrets_hunt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hunt]:
    """Fails the session at its end where a secret stands in what the tests left."""
    hunt = Hunt()
    yield hunt
    hunt.look(tmp_path_factory.getbasetemp(), Path.home())
    if hunt.found:
        told = "\n".join(f"{hit.path}: {hit.name}, as {hit.form}" for hit in hunt.found)
        pytest.fail(f"secrets of the tests stand in what they left:\n{told}", pytrace=False)


def _files(places: Iterable[Path]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place in places:
        for path in sorted(place.rglob("*")):
            with contextlib.suppress(OSError):  # a program that still runs takes its files away
                if path.is_symlink() or not path.is_file():
                    continue
                status = path.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    yield path


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a secret may look like."""
    text = secret.decode("utf-8", "replace")
    yield "itself", secret
    for offset in range(3):
        # The letters at both ends depend on what stands beside it; those between do not.
        encoded = base64.b64encode(bytes(offset) + secret)
        inner = encoded[4 if offset else 0 : len(encoded) - 4]
        if len(inner) >= _SHORTEST:
            yield "base64", inner
            yield "base64 for addresses", inner.translate(bytes.maketrans(b"+/", b"-_"))
    for form, other in (("JSON", json.dumps(text)[1:-1]), ("address", quote(text, "")), ("form", quote_plus(text))):
        if other.encode() != secret:
            yield form, other.encode()
    yield "hexadecimal", secret.hex().encode()


def contents(path: Path, overlap: int) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that share ``overlap`` bytes; then what it holds, where it is gzip or SQLite's.

    A row of a database that is longer than a page stands in several places of its file.
    """
    with contextlib.suppress(OSError, EOFError, zlib.error, sqlite3.Error):  # it went away, or only looks like one
        with path.open("rb") as file:
            head, rest = file.read(16), b""
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield rest + piece
                rest = (rest + piece)[-overlap:]
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as packed:
                yield packed.read(_LARGEST_PACKED_BYTES)
        if head.startswith(b"SQLite format 3"):
            with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
                database.text_factory = lambda data: data.decode("utf-8", "replace")
                yield "\n".join(database.iterdump()).encode("utf-8", "replace")
