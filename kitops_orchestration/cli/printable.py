"""Text from registries on a terminal: what would move the cursor, or turn text round, is taken out."""

from __future__ import annotations

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(8232, 8239), *range(8294, 8298)))
_KEPT = {"\n": "\n", "\t": " "}
_TABLE = _CONTROLS | str.maketrans(_KEPT)


def printable(text: object) -> str:
    """Return text without control characters; line breaks stay."""
    return str(text).translate(_TABLE)
