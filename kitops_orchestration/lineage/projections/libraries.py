"""Which libraries a model needs: the lines of its ``requirements.txt``, which a provenance carries with their digest.

No layer is fetched for that, so a ModelKit whose provenance does not carry them has none here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from kitops_orchestration.oci.descriptor import Digest

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts

MOST = 2_000
"""Libraries of one document; what is more is left out."""
# PEP 508: name, extras, then versions; an address or a marker may follow.
_LINE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9 ,._-]*\])?\s*([^;#]*)")
_EXACT = re.compile(r"={2,3}\s*([A-Za-z0-9.!+_-]{1,64})")


@dataclass(frozen=True, slots=True)
class Library:
    """One line of requirements."""

    name: str
    """As package indexes spell it (PEP 503)."""
    version: str | None
    """Where the line names exactly one."""
    wanted: str
    """What the line says of versions: ``>=1.2,<2``; empty where it says nothing."""

    @property
    def package_url(self) -> str:
        """``pkg:pypi/name@version``."""
        return f"pkg:pypi/{self.name}" + (f"@{quote(self.version, safe='')}" if self.version else "")


def libraries(passport: PassportFacts) -> tuple[Library, ...]:
    """Return what the requirements of the newest provenance name, each once, by name."""
    build = passport.version.lineage.provenance
    found: dict[str, Library] = {}
    for item in () if build is None else build.dependencies:
        # The digest is what the statement is about; text that differs from it is somebody's addition.
        if item.role == "environment" and item.content and Digest.of(item.content) == item.sha256:
            for library in _read(item.content.decode("utf-8", "replace")):
                found.setdefault(library.package_url, library)
    return tuple(sorted(found.values(), key=lambda library: library.package_url)[:MOST])


def _read(text: str) -> Iterator[Library]:
    for line in text.splitlines():
        found = _LINE.match(line.strip())
        if found is None:  # an option, a comment, an address without a name
            continue
        wanted = re.split(r"\s--|\\", found[2], maxsplit=1)[0].strip()  # hashes, and the mark of a line that goes on
        if wanted and not re.match(r"[=<>!~@(]", wanted):
            continue
        exact = _EXACT.fullmatch(wanted)
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        yield Library(name, exact[1] if exact and "*" not in wanted else None, "" if "@" in wanted else wanted)
