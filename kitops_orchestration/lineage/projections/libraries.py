"""Which libraries a model needs: what the requirements of its provenance name, and those in the ModelKit's own layers.

A provenance carries the lines of ``requirements.txt`` with their digest.  ``requirements.txt`` and ``conda.yaml`` in
the ModelKit itself are covered by its digest; a passport has them where somebody asked for it, because a layer is
fetched for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.presentation.text import printable

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts

MOST = 2_000
"""Libraries of one document; what is more is left out."""
# PEP 508: name, extras, then versions; an address or a marker may follow.
_LINE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9 ,._-]*\])?\s*([^;#]*)")
_EXACT = re.compile(r"={2,3}\s*([A-Za-z0-9.!+_-]{1,64})")
# Conda's match specification: channel::name, then versions, then =build; or name, version and build with spaces.
_CONDA = re.compile(r"(?:[^\s:]{1,200}::)?([A-Za-z0-9_][A-Za-z0-9_.-]{0,99})\s*(.{0,200})")
_CONDA_EXACT = re.compile(r"==\s*([A-Za-z0-9.!+_-]{1,64})|=([A-Za-z0-9.!+_-]{1,64})=[A-Za-z0-9._*-]{1,64}")


@dataclass(frozen=True, slots=True)
class Library:
    """One line of requirements."""

    name: str
    """As package indexes spell it (PEP 503); of a conda package in small letters."""
    version: str | None
    """Where the line names exactly one."""
    wanted: str
    """What the line says of versions: ``>=1.2,<2``; empty where it says nothing."""
    ecosystem: Literal["pypi", "conda"] = "pypi"

    @property
    def package_url(self) -> str:
        """``pkg:pypi/name@version``."""
        return f"pkg:{self.ecosystem}/{self.name}" + (f"@{quote(self.version, safe='')}" if self.version else "")


def libraries(passport: PassportFacts) -> tuple[Library, ...]:
    """Return what the newest provenance and the ModelKit's own files name, each once, by name."""
    found: dict[str, Library] = {}
    for library in (*_of_provenance(passport), *_of_files(passport)):
        found.setdefault(library.package_url, library)
    return tuple(sorted(found.values(), key=lambda library: library.package_url)[:MOST])


def not_read(passport: PassportFacts) -> tuple[str, ...]:
    """Return which files and layers may name more libraries, and why they were not read."""
    problems = [(item.path, item.problem) for item in passport.requirements if item.problem is not None]
    problems += [(path, told) for path, told in _unreadable(passport)]
    return tuple(printable(f"{path}: {told}") for path, told in problems)


def _of_provenance(passport: PassportFacts) -> Iterator[Library]:
    build = passport.version.lineage.provenance
    for item in () if build is None else build.dependencies:
        # The digest is what the statement is about; text that differs from it is somebody's addition.
        if item.role == "environment" and item.content and Digest.of(item.content) == item.sha256:
            yield from _pip_lines(item.content.decode("utf-8", "replace").splitlines())


def _of_files(passport: PassportFacts) -> Iterator[Library]:
    for item in passport.requirements:
        if item.path.endswith(".txt"):
            yield from _pip_lines(item.content.decode("utf-8", "replace").splitlines())
        elif item.problem is None:
            yield from _conda(_environment(item.content)[0])


def _unreadable(passport: PassportFacts) -> Iterator[tuple[str, str]]:
    for item in passport.requirements:
        if item.problem is None and not item.path.endswith(".txt"):
            _, problem = _environment(item.content)
            if problem is not None:
                yield item.path, problem


def _environment(content: bytes) -> tuple[list[Any], str | None]:
    """Return the dependencies of a conda environment, or why there are none to read."""
    from kitops_orchestration.signing.policy_text import read_policy_text

    try:
        value = read_policy_text(content)
    except ValueError as error:
        return [], f"could not be read: {error}"
    named = value.get("dependencies") if isinstance(value, dict) else None
    return (named, None) if isinstance(named, list) else ([], None)


def _conda(dependencies: list[Any]) -> Iterator[Library]:
    for item in dependencies:
        if isinstance(item, str) and (found := _CONDA.fullmatch(item.strip())):
            wanted = found[2].strip()
            exact = _CONDA_EXACT.fullmatch(wanted)
            version = (exact[1] or exact[2]) if exact and "*" not in wanted else None
            if not wanted or re.match(r"[=<>!~0-9*]", wanted):
                yield Library(found[1].lower(), version, wanted, "conda")
        elif isinstance(item, dict) and isinstance(item.get("pip"), list):
            yield from _pip_lines([line for line in item["pip"] if isinstance(line, str)])


def _pip_lines(lines: list[str]) -> Iterator[Library]:
    for line in lines:
        found = _LINE.match(line.strip())
        if found is None:  # an option, a comment, an address without a name
            continue
        wanted = re.split(r"\s--|\\", found[2], maxsplit=1)[0].strip()  # hashes, and the mark of a line that goes on
        if wanted and not re.match(r"[=<>!~@(]", wanted):
            continue
        exact = _EXACT.fullmatch(wanted)
        name = re.sub(r"[-_.]+", "-", found[1]).lower()
        yield Library(name, exact[1] if exact and "*" not in wanted else None, "" if "@" in wanted else wanted)
