"""Where each page of the site is, made of digests and checked names alone; every link is relative.

A page has the same address as long as what it is about exists: digests are whole, tags are in no path.  ``/-/`` stands
between a repository and what belongs to it, because no part of a repository's name may begin with ``-``.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from urllib.parse import quote

BOARD = "index.html"
DATA_SETS = "d/index.html"
PEOPLE = "p/index.html"
AUDIT = "audit/index.html"
MISSING = "audit/index.html#missing"
SEARCH_ROWS = "search-index.js"
SUMMARY = "catalogue.json"
STYLE, SCRIPT, ICON = "style.css", "catalogue.js", "icon.svg"

_PLAIN = re.compile(r"[a-z0-9._-]+")
# Windows keeps these names for itself, whatever comes behind the first dot.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in range(10))}
# A repository may be called like a page of the one above it: a folder cannot stand where that page is.
_PAGES = frozenset({"index.html"})
_LONGEST = 200  # letters; a name on a disk has at most 255 bytes, and may get a sign more here


def board_page(number: int) -> str:
    """Return a further page of the board, from 1, where there are very many models."""
    return f"board/{number}.html"


def model_page(repository: str, number: int | None = None) -> str:
    """Return the page of a model: the newest versions, or the page of older ones with this number, from 1."""
    folder = _folder(repository)
    return f"{folder}/index.html" if number is None else f"{folder}/-/p/{number}.html"


def version_page(repository: str, digest: str) -> str:
    """Return the page of a version."""
    return f"{_folder(repository)}/-/v/{_file(digest)}.html"


def version_data(repository: str, digest: str) -> str:
    """Return the script with the facts of a version, which the comparison loads."""
    return f"{_folder(repository)}/-/v/{_file(digest)}.js"


def compare_page(repository: str) -> str:
    """Return the page that compares any two versions of a model."""
    return f"{_folder(repository)}/-/compare.html"


def versions_csv(repository: str) -> str:
    """Return the table of all versions of a model."""
    return f"{_folder(repository)}/-/versions.csv"


def data_page(identity: str) -> str:
    """Return the page of a data set."""
    return f"d/{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()}.html"


def audit_page(month: str) -> str:
    """Return the page with the events of a month, ``2026-11``; ``undated`` for those without a time."""
    return f"audit/{month}.html"


def audit_csv(month: str) -> str:
    """Return the same as a table; ``all`` is that of every month."""
    return f"audit/{month}.csv"


def relative(page: str, target: str) -> str:
    """Return how ``page`` links to ``target``, as the value of ``href``."""
    path, mark, fragment = target.partition("#")
    way = posixpath.relpath(path, posixpath.dirname(page) or ".")
    return quote(way) + mark + fragment


def _folder(repository: str) -> str:
    return "m/" + "/".join(map(_part, repository.split("/")))


def _part(name: str) -> str:
    """Return a part of a repository's name as that of a folder, on every kind of disk."""
    # A name outside the grammar is possible in a folder registry, where people make folders.
    if not _PLAIN.fullmatch(name) or name.startswith(("-", ".")) or name in _PAGES or len(name) > _LONGEST:
        return f"~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return f"{name}~" if name.partition(".")[0] in _RESERVED or name.endswith(".") else name


def _file(digest: str) -> str:
    return digest.replace(":", "-")
