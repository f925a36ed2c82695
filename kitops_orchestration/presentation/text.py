"""Text that somebody else wrote, made fit to be shown: it stays on its line and says nothing to a terminal."""

from __future__ import annotations

_INVISIBLE = (
    *range(32),
    *range(127, 160),
    0x061C,  # Arabic letter mark
    0x200B,  # zero width space
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),  # line separators; what turns text round
    *range(0x2060, 0x2070),  # word joiner, invisible operators, isolates
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),  # tags: letters that nobody sees
)
CONTROLS: dict[int, str | None] = dict.fromkeys(_INVISIBLE)
"""What moves a terminal's cursor, turns text round, or hides in it, is never part of what somebody says."""
# Half a pair of UTF-16 is no letter, and no encoding can write it.
_TABLE = CONTROLS | dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_LINES = _TABLE | {ord("\n"): "\n", ord("\t"): " "}
_LINE = _TABLE | {ord("\n"): " ", ord("\r"): " ", ord("\t"): " "}


def printable(text: object) -> str:
    """Return text without control characters; line breaks stay."""
    return str(text).translate(_LINES)


def one_line(text: object) -> str:
    """Return text without control characters, on one line; nothing for ``None``."""
    return "" if text is None else str(text).translate(_LINE)


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide letters take two, accents none."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
