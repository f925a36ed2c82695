"""Lines of ``requirements.txt`` and of ``conda.yaml`` as libraries; lines that name none are counted, not forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from kitops_orchestration.oci.http.url import redacted

_MOST_ADDRESS_LETTERS = 2048
_PEP_508_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9 ,._-]*\])?\s*"
# PEP 508: name, extras, then versions; or an address after an @; a marker may follow.
_LINE = re.compile(_PEP_508_NAME + r"([^;#]*)")
_DIRECT = re.compile(_PEP_508_NAME + r"@\s*(\S+)")
_EXACT = re.compile(r"={2,3}\s*([A-Za-z0-9.!+_-]{1,64})")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_OTHER_FILE = re.compile(r"-[rc]|--(?:requirement|constraint)(?:\s|=)")
_NAMELESS_OPTION = re.compile(r"-e|--editable(?:\s|=)")
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
    address: str | None = None
    """Where the line has it from, instead of an index; without user, password and query, so it may be empty."""

    @property
    def package_url(self) -> str | None:
        """``pkg:pypi/name@version``; nothing for what is from an address: the index's package is another one."""
        if self.address is not None:
            return None
        return f"pkg:{self.ecosystem}/{self.name}" + (f"@{quote(self.version, safe='')}" if self.version else "")

    @property
    def identity(self) -> str:
        """The package URL, or name and address."""
        return self.package_url or f"library:{self.name}@{self.address}"


@dataclass(slots=True)
class Passed:
    """How many lines of a text named no library, though they may bring some."""

    other_files: int = 0
    nameless: int = 0

    def told(self) -> Iterator[str]:
        """Say it, one sentence for each kind."""
        if self.other_files:
            yield f"lines that lead to other lists (-r, -c), which were not followed: {self.other_files}"
        if self.nameless:
            yield f"lines that name no library in a form that is understood: {self.nameless}"


def pip_lines(lines: Iterable[str], passed: Passed) -> Iterator[Library]:
    """Yield what the lines of a ``requirements.txt`` name, read as pip reads them."""
    for whole in _joined(lines):
        line = _COMMENT.sub("", whole).strip()
        if not line:
            continue
        if line.startswith("-"):
            passed.other_files += bool(_OTHER_FILE.match(line))
            passed.nameless += bool(_NAMELESS_OPTION.match(line))
        elif library := _from_address(line) or _from_index(line):
            yield library
        else:
            passed.nameless += 1


def conda_items(dependencies: Iterable[Any], passed: Passed) -> Iterator[Library]:
    """Yield what the dependencies of a conda environment name, those for pip as well; all scalars are text."""
    for item in dependencies:
        if isinstance(item, dict) and isinstance(item.get("pip"), list):
            yield from pip_lines((line for line in item["pip"] if isinstance(line, str)), passed)
        elif isinstance(item, str) and (library := _of_conda(item.strip())):
            yield library
        else:
            passed.nameless += 1


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Put a line that ends with a backslash together with the next; a comment does not go on."""
    held: list[str] = []
    for line in lines:
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            held.append(line.strip("\\"))
        else:
            yield "".join([*held, " " if is_comment else "", line])
            held = []
    if held:
        yield "".join(held)


def _from_address(line: str) -> Library | None:
    found = _DIRECT.match(line)
    if found is None:
        return None
    shown = redacted(found[2][:_MOST_ADDRESS_LETTERS])
    return Library(_index_name(found[1]), None, "", address=quote(shown, safe=":/?#[]@!$&'()*+,;=%~"))


def _from_index(line: str) -> Library | None:
    found = _LINE.match(line)
    if found is None:  # an address or a folder without a name
        return None
    wanted = re.split(r"\s--", found[2], maxsplit=1)[0].strip()  # hashes follow
    if wanted and not re.match(r"[=<>!~(]", wanted):
        return None
    exact = _EXACT.fullmatch(wanted)
    return Library(_index_name(found[1]), exact[1] if exact and "*" not in wanted else None, wanted)


def _index_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _of_conda(item: str) -> Library | None:
    found = _CONDA.fullmatch(item)
    if found is None or item == "null" or not re.search("[A-Za-z]", found[1]):
        return None
    wanted = found[2].strip()
    if wanted and not re.match(r"[=<>!~0-9*]", wanted):
        return None
    exact = _CONDA_EXACT.fullmatch(wanted)
    return Library(found[1].lower(), (exact[1] or exact[2]) if exact and "*" not in wanted else None, wanted, "conda")
