"""A pattern of ``.kitignore`` as what a path has to be, one step after the other, and two ways to ask a path.

A regular expression answers fast, and goes back and forth between its stars: with many of them, on a name that almost
fits, for hours.  The file may come with somebody else's folder.  So a pattern with more than two stars is walked
through once for each letter of the path, with all places in the pattern that the path may have reached so far: never
more work than letters times places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

_MOST_STARS = 2
"""What a regular expression is given: it then goes back over a path twice at most."""

Kind = Literal["sign", "star", "folders", "rest"]


@dataclass(frozen=True, slots=True)
class Step:
    """One sign or set (``sign``), ``*`` (``star``), ``**/`` (``folders``, or nothing), ``**`` at the end (``rest``)."""

    kind: Kind
    regex: str


STAR = Step("star", "[^/]*")
FOLDERS = Step("folders", "(?:.*/)?")
REST = Step("rest", ".*")


def steps(text: str) -> list[Step]:
    """Return the steps of a pattern.

    Raises:
        ValueError: a set that is not complete or backwards, or a backslash at the end.
    """
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


def matcher(steps: Sequence[Step]) -> Callable[[str], object]:
    """Return a function that is true for the paths that fit, whole."""
    if sum(step.kind != "sign" for step in steps) <= _MOST_STARS:
        return re.compile("".join(step.regex for step in steps) + r"\Z", re.DOTALL).match
    return _Places(steps).fits


class _Places:
    """All places in a pattern that a path may have reached, as bits; bit ``n`` stands before step ``n``.

    ``folders`` takes two bits: before it, where it may also be nothing, and inside of it, where only ``/`` leads out.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        # Numbers of places and not their bits: a bit is as long as its number, so all bits together are its square.
        signs: dict[str, list[int]] = {}
        self._stars = self._rests = self._befores = self._insides = 0
        bit = 1
        for step in steps:
            if step.kind == "sign":
                signs.setdefault(step.regex, []).append(bit.bit_length() - 1)
            elif step.kind == "star":
                self._stars |= bit
            elif step.kind == "rest":
                self._rests |= bit
            else:
                self._befores |= bit
                bit <<= 1
                self._insides |= bit
            bit <<= 1
        self._signs = [(re.compile(regex, re.DOTALL), places) for regex, places in signs.items()]
        self._end = bit
        self._known: dict[str, int] = {}

    def fits(self, path: str) -> bool:
        """Tell whether the whole path fits."""
        places = self._skipping(1)
        for sign in path:
            places = self._after(places, sign)
            if not places:
                return False
        return bool(places & self._end)

    def _after(self, places: int, sign: str) -> int:
        """Return the places after one more letter."""
        inside = places & self._insides
        entered = (places & self._befores) << 1
        reached = (places & self._taking(sign)) << 1 | inside | entered | places & self._rests
        if sign == "/":
            reached |= (inside | entered) << 1
        else:
            reached |= places & self._stars
        return self._skipping(reached)

    def _skipping(self, places: int) -> int:
        """Add the places behind steps that may be nothing."""
        fresh = places
        while fresh:
            behind = (fresh & (self._stars | self._rests)) << 1 | (fresh & self._befores) << 2
            fresh = behind & ~places
            places |= fresh
        return places

    def _taking(self, sign: str) -> int:
        found = self._known.get(sign)
        if found is None:
            found = sum(1 << place for regex, places in self._signs if regex.match(sign) for place in places)
            self._known[sign] = found
        return found
