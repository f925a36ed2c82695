"""Every secret that the end-to-end tests used is looked for in all that they left: logs, databases, events, files.

Secrets are new in each run and come from :class:`Hunt` alone, which knows them from then on: :meth:`Hunt.make`,
:meth:`Hunt.key_pair`, and :meth:`Hunt.plant` for one that somebody else made.  Where one may stand is said there as
well (the very file that was made to hold it).  :data:`KINDS` is the list of them.  What a test gives to a process under
the name of a secret, in its environment, and did not get here, fails the session too: see :class:`Given`.

At the end of the session all folders in which tests and orchestrators wrote are read, every byte of every file: logs,
events, XCom and all other tables (SQLite's files and a dump of them; PostgreSQL's data, its write-ahead log and a
dump), the broker's memory, temporary files; and what pytest reports, with its tracebacks.  Forms of a secret are
itself, base64 at each of its three offsets, JSON's escapes, quoted for an address, and hexadecimal.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import re
import secrets
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from kitops_orchestration.signing.keys import KeyPair, generate_key_pair

PIECE_BYTES = 4 * 1024 * 1024
_SHORTEST = 6
_LARGEST_PACKED_BYTES = 64 * 1024 * 1024

KINDS = frozenset(
    {
        "Airflow with Celery: Fernet key",
        "Airflow with Celery: key of its tokens",
        "Airflow with Celery: signing key",
        "Airflow with Celery: token of a person",
        "Airflow's examples: signing key",
        "Airflow's examples: signing key of the witness",
        "Airflow's tutorial: password of the signing key",
        "Airflow, from run to production: signing key",
        "MLflow: key of its webhooks",
        "MLflow: secret of the webhook",
        "Dagster's people: signing key",
        "docker-registry: password",
        "docker-registry: secret of its uploads",
        "embedded registry: identity token",
        "embedded registry: password",
        "embedded registry: token",
        "one extra alone: password of the signing key",
        "standalone Airflow: key of its tokens",
        "standalone Airflow: password of a person",
        "standalone Airflow: signing key",
        "standalone Airflow: token of a person",
        "standalone Airflow: wrong password",
    }
)
"""What there is, each with one fixture or test that makes it; of a key both the key and its password are meant."""


@dataclass(frozen=True)
class Hit:
    """A secret, in some form, in a file or in what pytest says of a test."""

    name: str
    form: str
    path: Path


@dataclass
class Hunt:
    """What is looked for, and what was found."""

    secrets: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    """Kind and secret; a kind may have many."""
    allowed: list[tuple[str, str]] = field(default_factory=list)
    """Kind of a secret and the end of a path in which it may stand: where a person put it."""
    left_out: list[tuple[str, bytes]] = field(default_factory=list)
    """End of a path, and what marks lines in such files that are not read."""
    found: list[Hit] = field(default_factory=list)
    kinds: frozenset[str] = KINDS

    def make(self, kind: str, *, may_be_in: Iterable[str] = ()) -> str:
        """Return a new secret of one of the :data:`KINDS`, which is looked for."""
        secret = secrets.token_urlsafe(24)
        self.plant(kind, secret, may_be_in=may_be_in)
        return secret

    def key_pair(self, kind: str, *, may_be_in: Iterable[str] = ()) -> tuple[KeyPair, str]:
        """Return a new key pair and its password: the password, and the key as it is written, are looked for."""
        password = self.make(kind)
        pair = generate_key_pair(password)
        self.plant(kind, pair.private_pem, may_be_in=may_be_in)
        return pair, password

    def plant(self, kind: str, secret: str | bytes, *, may_be_in: Iterable[str] = ()) -> None:
        """Look for ``secret``, which somebody else made; it may stand in files whose path ends so.

        Of a key in PEM one line is looked for, of its end: keys of one kind begin alike.

        Raises:
            ValueError: it is so short that it would be found anywhere, or of no kind that is known.
        """
        data = secret.encode() if isinstance(secret, str) else secret
        if data.startswith(b"-----BEGIN"):
            data = max(reversed(data.splitlines()[1:-1]), key=len)
        if len(data) < _SHORTEST:
            raise ValueError(f"{kind} has {len(data)} letters, and would be found by chance")
        if kind not in self.kinds:
            raise ValueError(f"{kind} is a kind of secret that is not in KINDS")
        if (kind, data) not in self.secrets:
            self.secrets.append((kind, data))
        self.allowed += [(kind, end) for end in may_be_in]

    def leave_out(self, end: str, mark: bytes) -> None:
        """Do not read lines with a mark, in files whose path ends so: what a test prints on purpose."""
        self.left_out.append((end, mark))

    def knows(self, text: str) -> bool:
        """Whether a secret that is looked for is in a text."""
        return any(secret in text.encode() for _, secret in self.secrets)

    def look(self, *places: Path) -> None:
        """Read every file below the places; whoever removes one calls this before.  Each is told once for a secret."""
        wanted = [(kind, form, text) for kind, secret in self.secrets for form, text in forms(secret)]
        longest = max((len(text) for _, _, text in wanted), default=1)
        for path in _files(places):
            for content in contents(path, longest):
                self._look_at(path, content, wanted)

    def look_at(self, name: str, text: str) -> None:
        """Read a text that is in no file."""
        wanted = [(kind, form, wanted) for kind, secret in self.secrets for form, wanted in forms(secret)]
        self._look_at(Path(name), text.encode("utf-8", "replace"), wanted)

    def _look_at(self, path: Path, content: bytes, wanted: list[tuple[str, str, bytes]]) -> None:
        if not content.strip(b"\0"):  # of a file with holes most is nothing
            return
        for mark in (mark for end, mark in self.left_out if str(path).endswith(end)):
            content = b"\n".join(line for line in content.split(b"\n") if mark not in line)
        known = {hit.name for hit in self.found if hit.path == path}
        for kind, form, text in wanted:
            if kind not in known and text in content and not self._is_allowed(kind, path):
                known.add(kind)
                self.found.append(Hit(kind, form, path))

    def _is_allowed(self, name: str, path: Path) -> bool:
        return any(name == other and str(path).endswith(end) for other, end in self.allowed)


_NAMES_A_SECRET = re.compile(r"(?i)password|passwd|secret|token|(?:fernet|private|api|access|encryption|signing)_key")
_NAMES_NONE = re.compile(r"(?i)_(?:path|file|seconds|env|env_var|url|id)$")


class Given:
    """What this process gave to others, or to itself, in variables under the name of a secret.

    Python's own audit events tell of each variable that is set and of each process that is started, whoever starts it:
    a fixture cannot leave out to say what it gave.
    """

    def __init__(self, before: Mapping[str, str]) -> None:
        self._before = set(before.items())
        self._given: set[tuple[str, str]] = set()
        self.is_on = True

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if not self.is_on or event not in ("subprocess.Popen", "os.putenv"):
            return
        variables = [arguments] if event == "os.putenv" else (arguments[3] or {}).items()
        self._given |= {(os.fsdecode(name), os.fsdecode(value)) for name, value in variables}

    def unknown(self, hunt: Hunt) -> list[str]:
        """Return the names of variables that held a secret which is not looked for."""
        told = set()
        for name, value in self._given - self._before:
            found = named_secrets(name, value)
            told |= {where for where, secret in found if not hunt.knows(secret)}
        return sorted(told)


def named_secrets(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each text that has the name of a secret, in a variable or inside of the JSON that it holds."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            inner = json.loads(value)
            value = inner if isinstance(inner, dict | list) else value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from named_secrets(f"{name}.{key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from named_secrets(f"{name}.{number}", item)
    elif isinstance(value, str) and ("PRIVATE KEY-----" in value or _is_secret(name.rpartition(".")[2], value)):
        yield name, value


def _is_secret(name: str, value: str) -> bool:
    return len(value) >= _SHORTEST and not value.startswith("/") and is_name_of_a_secret(name)


def is_name_of_a_secret(name: str) -> bool:
    """Whether what has this name is a secret, and not the path or the name of one."""
    return _NAMES_A_SECRET.search(name) is not None and _NAMES_NONE.search(name) is None


_REPORTS: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what pytest has to say of a test: what it printed and logged, and its traceback."""
    said = [text for _, text in report.sections]
    _REPORTS.append((report.nodeid, "\n".join([*said, str(report.longrepr or "")])))


@pytest.fixture(scope="session", autouse=True)
def secrets_hunt(tmp_path_factory: pytest.TempPathFactory, installers_environment: Mapping[str, str]) -> Iterator[Hunt]:
    """Fails the session at its end where a secret stands in what the tests left, or where one was not told of."""
    hunt, given = Hunt(), Given({**installers_environment, **os.environ})
    sys.addaudithook(given.hear)
    place = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        # What programs put into temporary files is then in a place that is read, and in nobody else's.
        (place / "tmp").mkdir(exist_ok=True)
        patch.setenv("TMPDIR", str(place / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        yield hunt
    given.is_on = False  # an audit hook is never taken away
    hunt.look(place, Path.home())
    for name, text in _REPORTS:
        hunt.look_at(name, text)
    told = [f"{hit.path}: {hit.name}, as {hit.form}" for hit in hunt.found]
    told += [f"{name} held a secret that nobody told the hunt of" for name in given.unknown(hunt)]
    if told:
        pytest.fail("secrets of the tests stand in what they left:\n" + "\n".join(told), pytrace=False)


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
