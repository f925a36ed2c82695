"""``.kitignore``: the pattern language of ``.dockerignore``, as moby's patternmatcher reads it.

Patterns are anchored at the context, ``**`` spans directories, ``!`` takes back, the last match wins, and a
pattern that matches a directory matches everything below it.  Checked against patternmatcher v0.6.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import ModelKitError

FILE_NAME = ".kitignore"
ALLOW_FILE_NAME = ".kitallow"
ALWAYS = ("Kitfile", "kitfile", ".kitfile", FILE_NAME, ALLOW_FILE_NAME)
"""Files of the context's root that are never packed."""
_MOST_LETTERS = 4096
"""Of a pattern: no path of a file system is longer."""


def read_patterns(text: str) -> list[str]:
    """Return the patterns of an ignore file's text: no comments, no blank lines, paths cleaned."""
    return [pattern for line in text.removeprefix("\ufeff").split("\n") if (pattern := _pattern_of(line))]


def _pattern_of(line: str) -> str:
    if line.startswith("#"):
        return ""
    line = line.strip()
    mark, body = ("!", line[1:].strip()) if line.startswith("!") else ("", line)
    if body:
        body = _clean(body)
        body = body[1:] if len(body) > 1 and body.startswith("/") else body
    return mark + body


def _clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    is_exclusion: bool
    literal: str | None
    fits: Callable[[str], object] | None


class IgnoreRules:
    """A compiled list of patterns, evaluated from the root down.

    ``matched`` sets travel as integers, one bit per pattern, so that a file costs only what is its own.

    Raises:
        ModelKitError: a pattern with bad syntax.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_compile(pattern) for pattern in patterns if pattern.strip()]
        self.has_exclusions = any(pattern.is_exclusion for pattern in self._patterns)
        """True when a ``!`` pattern could take something back out of an ignored directory."""
        self._lines: dict[str, int] = {}
        self._literals: dict[str, int] = {}
        self._globs: list[tuple[int, Callable[[str], object]]] = []
        for index, pattern in enumerate(self._patterns):
            if pattern.fits is not None:
                self._globs.append((1 << index, pattern.fits))
            elif pattern.literal is not None:
                self._literals[pattern.literal] = self._literals.get(pattern.literal, 0) | 1 << index

    @classmethod
    def load(cls, context_dir: Path, *, more: Sequence[str] = ()) -> IgnoreRules:
        """Read ``.kitignore`` of a context, add ``more`` patterns, and the files that are never packed."""
        path = context_dir / FILE_NAME
        try:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            text = ""
        except OSError as error:
            raise ModelKitError(f"cannot read {path}: {error.strerror}") from error
        for number, line in enumerate(text.split("\n"), 1):
            _check_length(_pattern_of(line), f"{path}:{number}")
        extra = [pattern for line in more if (pattern := _pattern_of(line))]
        rules = cls([*read_patterns(text), *extra, *ALWAYS])
        rules._lines = {_pattern_of(line): number for number, line in enumerate(text.split("\n"), 1)}
        return rules

    def matched(self, path: str, parent: int = 0) -> int:
        """Return which patterns match ``path`` or a parent of it; ``parent`` is the parent's own answer."""
        bits = parent | self._literals.get(path, 0)
        for bit, fits in self._globs:
            if not bits & bit and fits(path):
                bits |= bit
        return bits

    def is_ignored(self, matched: int) -> bool:
        """Decide from :meth:`matched`: the last pattern that matches wins."""
        if not matched:
            return False
        ignored = False
        for index, pattern in enumerate(self._patterns):
            if pattern.is_exclusion == ignored and matched >> index & 1:
                ignored = not pattern.is_exclusion
        return ignored

    def ignores(self, path: str) -> bool:
        """Tell whether a single path is ignored, itself or by a parent."""
        return self.is_ignored(self._matched_with_parents(path))

    def explain(self, path: str) -> str:
        """Say which pattern ignores a path, and in which line of ``.kitignore`` it stands."""
        bits = self._matched_with_parents(path)
        for index in range(len(self._patterns) - 1, -1, -1):
            text = self._patterns[index].text
            if bits >> index & 1 and not self._patterns[index].is_exclusion:
                line = self._lines.get(text)
                return f"the pattern {text!r}" + (f" in line {line} of {FILE_NAME}" if line else "")
        return "no pattern"

    def _matched_with_parents(self, path: str) -> int:
        bits = 0
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            bits = self.matched("/".join(parts[:end]), bits)
        return bits


def _check_length(pattern: str, where: str) -> None:
    if len(pattern) > _MOST_LETTERS:
        raise ModelKitError(
            f"{where}: a pattern of {len(pattern):,} letters, more than {_MOST_LETTERS:,}",
            advice="write several patterns, one in a line, or name the folder that holds the files",
        )


def _compile(pattern: str) -> _Pattern:
    _check_length(pattern, FILE_NAME)
    text = _clean(pattern.strip())
    is_exclusion = text.startswith("!")
    if is_exclusion:
        text = text[1:]
    if not text:
        raise ModelKitError(f"{FILE_NAME}: '!' alone is not a pattern")
    if not any(sign in text for sign in "*?[\\]"):
        return _Pattern(pattern, is_exclusion, text, None)
    from kitops_orchestration.modelkit.packing.glob import matcher, steps  # an unpack asks for no pattern

    try:
        return _Pattern(pattern, is_exclusion, None, matcher(steps(text)))
    except (ValueError, re.error) as error:
        raise ModelKitError(
            f"{FILE_NAME}: bad pattern {pattern!r}: {error}", advice="escape a literal '[' as '\\['"
        ) from error
