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
from kitops_orchestration.modelkit.packing.glob import FOLDERS, REST, STAR, Step, matcher

FILE_NAME = ".kitignore"
ALLOW_FILE_NAME = ".kitallow"
ALWAYS = ("Kitfile", "kitfile", ".kitfile", FILE_NAME, ALLOW_FILE_NAME)
"""Files of the context's root that are never packed."""


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


def _compile(pattern: str) -> _Pattern:
    text = _clean(pattern.strip())
    is_exclusion = text.startswith("!")
    if is_exclusion:
        text = text[1:]
    if not text:
        raise ModelKitError(f"{FILE_NAME}: '!' alone is not a pattern")
    if not any(sign in text for sign in "*?[\\]"):
        return _Pattern(pattern, is_exclusion, text, None)
    try:
        return _Pattern(pattern, is_exclusion, None, matcher(_steps(text)))
    except (ValueError, re.error) as error:
        raise ModelKitError(
            f"{FILE_NAME}: bad pattern {pattern!r}: {error}", advice="escape a literal '[' as '\\['"
        ) from error


def _steps(text: str) -> list[Step]:
    result: list[Step] = []
    at = 0
    while at < len(text):
        if text.startswith("**", at):
            step, at = _stars(text, at)
        elif text[at] == "[":
            step, at = _set(text, at + 1)
        elif text[at] == "\\":
            if at + 1 == len(text):
                raise ValueError("it ends with a backslash")
            step, at = Step("sign", re.escape(text[at + 1])), at + 2
        else:
            step = STAR if text[at] == "*" else Step("sign", "[^/]" if text[at] == "?" else re.escape(text[at]))
            at += 1
        result.append(step)
    return result


def _stars(text: str, at: int) -> tuple[Step, int]:
    after = at + 2
    if after < len(text) and text[after] == "/":
        after += 1
    if after == len(text):
        return REST, after
    if after == at + 2 and at == 0 and not any(sign in text[2:] for sign in "*?[\\]"):
        return REST, after  # moby compares the end of the path here: "**x" also matches "ax"
    return FOLDERS, after


def _set(text: str, at: int) -> tuple[Step, int]:
    negate = text.startswith("^", at)
    at += negate
    ranges: list[str] = []
    while not ranges or not text.startswith("]", at):
        low, at = _set_member(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _set_member(text, at + 1)
        if high < low:
            raise ValueError(f"range {low}-{high} is backwards")
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return Step("sign", f"[{'^' if negate else ''}{''.join(ranges)}]"), at + 1


def _set_member(text: str, at: int) -> tuple[str, int]:
    if at >= len(text) or text[at] in "-]":
        raise ValueError("a [ ] set is not complete")
    if text[at] == "\\":
        at += 1
    if at + 1 >= len(text):
        raise ValueError("a [ ] set is not complete")
    return text[at], at + 1
