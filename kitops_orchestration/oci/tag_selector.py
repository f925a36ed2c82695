"""TagSelector: which tags of a repository someone wants to hear of, as a name, a pattern or a range of versions.

>>> TagSelector.parse(">=1.2,<2").matches("v1.4.0")
True
>>> TagSelector.parse("v*").matches("v1.4.0")
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from kitops_orchestration.errors import InvalidReferenceError

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_COMPARISON = re.compile(r"\s*(>=|<=|!=|==|=|>|<)\s*(\S+)\s*")
_ADVICE = "write a tag (prod), a pattern (v*) or a range of versions (>=1.2,<2)"

Precedence = tuple[int, int, int, tuple[tuple[int, int, str], ...]]

_HOLDS: dict[str, Callable[[Precedence, Precedence], bool]] = {
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
    "!=": lambda left, right: left != right,
    "==": lambda left, right: left == right,
    "=": lambda left, right: left == right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
}
_RELEASE = ((2, 0, ""),)


@dataclass(frozen=True, slots=True)
class TagSelector:
    """A name, a pattern with ``*``, ``?`` or ``[…]``, or a range of semantic versions.

    A range looks only at tags that are versions, with or without a leading ``v``.  It passes over
    pre-releases unless it names one itself.
    """

    text: str
    comparisons: tuple[tuple[str, Precedence], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a selector.

        Raises:
            InvalidReferenceError: a range with something in it that is no comparison of versions.
        """
        if not text.strip():
            raise InvalidReferenceError("an empty text selects no tag", advice=_ADVICE)
        if text.strip()[0] not in "<>=!":
            return cls(text.strip())
        comparisons = []
        for part in text.split(","):
            match = _COMPARISON.fullmatch(part)
            version = precedence(match[2]) if match else None
            if match is None or version is None:
                raise InvalidReferenceError(f"not a comparison of versions: {part!r} in {text!r}", advice=_ADVICE)
            comparisons.append((match[1], version))
        return cls(text.strip(), tuple(comparisons))

    @property
    def is_exact(self) -> bool:
        """True when at most one tag can match."""
        return not self.comparisons and not any(sign in self.text for sign in "*?[")

    def matches(self, tag: str) -> bool:
        """Tell whether the tag is one of those meant."""
        if not self.comparisons:
            return fnmatchcase(tag, self.text)
        version = precedence(tag)
        if version is None:
            return False
        is_wanted = version[3] == _RELEASE or any(limit[3] != _RELEASE for _, limit in self.comparisons)
        return is_wanted and all(_HOLDS[sign](version, limit) for sign, limit in self.comparisons)

    def select(self, tags: Iterable[str]) -> list[str]:
        """Return the matching tags: versions by precedence, oldest first, then the others by name."""
        return sorted(filter(self.matches, tags), key=_order)


def precedence(tag: str) -> Precedence | None:
    """Return what a version sorts by (Semantic Versioning 2.0.0, clause 11), ``None`` for any other tag.

    Missing parts count as 0, and a tag cannot hold the ``+`` of build metadata.
    """
    match = _VERSION.fullmatch(tag)
    if match is None:
        return None
    major, minor, patch, pre_release = match.groups()
    return int(major), int(minor or 0), int(patch or 0), _pre_release(pre_release)


def _pre_release(text: str | None) -> tuple[tuple[int, int, str], ...]:
    if text is None:
        return _RELEASE  # after every pre-release
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def _order(tag: str) -> tuple[bool, Precedence, str]:
    version = precedence(tag)
    return (version is None, version or (0, 0, 0, ()), tag)
