"""Which libraries a model needs: what the requirements of its provenance name, and those in the ModelKit's own layers.

A provenance carries the lines of ``requirements.txt`` with their digest.  ``requirements.txt`` and ``conda.yaml`` in
the ModelKit itself are covered by its digest; a passport has them where somebody asked for it, because a layer is
fetched for that.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage.projections.requirement_lines import Library, Passed, conda_items, pip_lines
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.presentation.text import printable

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts

MOST = 2_000
"""Libraries of one document, and of one file; what is more is left out, and that is told."""
_MOST_ENVIRONMENTS = 16
_MOST_VALUES = 5_000  # of one conda environment: to read YAML takes long


@dataclass(frozen=True, slots=True)
class Libraries:
    """What is named, each once and by name, and which files and layers may name more, and why."""

    named: tuple[Library, ...]
    not_read: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """One file: the libraries that it names, and what it may name beyond them."""

    path: str
    named: tuple[Library, ...] = ()
    problems: tuple[str, ...] = ()


def libraries(passport: PassportFacts) -> Libraries:
    """Return what the newest provenance and the ModelKit's own files name; each file is read once.

    Where there are too many, those of the provenance stay, and of the files each has its share: a long list of one
    must not push out what the others name.
    """
    said, own = list(_of_provenance(passport)), list(_of_files(passport))
    found = {library.identity: library for source in said for library in source.named}
    for row in zip_longest(*(source.named for source in own)):
        for library in row:
            if library is not None:
                found.setdefault(library.identity, library)
    told = [f"{source.path}: {problem}" for source in (*said, *own) for problem in source.problems]
    if len(found) > MOST:
        told.append(f"{len(found) - MOST:,} libraries are left out: the list ends at {MOST:,}")
    kept = list(found.values())[:MOST]
    return Libraries(tuple(sorted(kept, key=lambda library: library.identity)), tuple(printable(text) for text in told))


def _of_provenance(passport: PassportFacts) -> Iterator[_Source]:
    build = passport.version.lineage.provenance
    for item in () if build is None else build.dependencies:
        # The digest is what the statement is about; text that differs from it is somebody's addition.
        if item.role == "environment" and item.content and Digest.of(item.content) == item.sha256:
            yield _pip_source(f"{item.shown} of the provenance", item.content)


def _of_files(passport: PassportFacts) -> Iterator[_Source]:
    environments = 0
    for item in passport.requirements:
        if item.problem is not None:
            yield _Source(item.path, problems=(item.problem,))
        elif item.path.endswith(".txt"):
            yield _pip_source(item.path, item.content)
        elif environments == _MOST_ENVIRONMENTS:
            yield _Source(item.path, problems=(f"not read: more than {_MOST_ENVIRONMENTS} conda environments",))
        else:
            environments += 1
            yield _conda_source(item.path, item.content)


def _pip_source(path: str, content: bytes) -> _Source:
    text, problems = _text(content)
    passed = Passed()
    return _source(path, pip_lines(text.splitlines(), passed), passed, problems)


def _conda_source(path: str, content: bytes) -> _Source:
    text, problems = _text(content)
    dependencies, problem = _environment(text)
    passed = Passed()
    return _source(path, conda_items(dependencies, passed), passed, [*problems, *([problem] if problem else [])])


def _source(path: str, lines: Iterable[Library], passed: Passed, problems: list[str]) -> _Source:
    named: dict[str, Library] = {}
    left_out = 0
    for library in lines:
        if len(named) < MOST:
            named.setdefault(library.identity, library)
        else:
            left_out += library.identity not in named
    if left_out:
        problems = [*problems, f"{left_out:,} lines are left out: it names more than {MOST:,} libraries"]
    return _Source(path, tuple(named.values()), (*problems, *passed.told()))


def _text(content: bytes) -> tuple[str, list[str]]:
    """Return the text without a byte order mark, and whether all of it is text."""
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    is_text = "\0" not in text and ("\ufffd" not in text or "\ufffd".encode() in content)
    return text, [] if is_text else ["not all of it could be read: it is not UTF-8; save it as UTF-8"]


def _environment(text: str) -> tuple[list[Any], str | None]:
    """Return the dependencies of a conda environment, or why there are none to read."""
    from kitops_orchestration.modelkit.kitfile.foreign_yaml import load_texts

    try:
        value = load_texts(text, _MOST_VALUES)
    except ValueError as error:
        return [], f"could not be read: {error}"
    if not isinstance(value, dict):
        return [], None if value is None else "could not be read: it is no mapping"
    named = value.get("dependencies", [])
    if isinstance(named, list):
        return named, None
    return [], "could not be read: its dependencies are no list" if named else None
