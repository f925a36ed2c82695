"""Text from registries on a terminal: what would move the cursor, or turn text round, is taken out."""

from __future__ import annotations

from kitops_orchestration.modelkit.markdown import CONTROLS

_KEPT = {"\n": "\n", "\t": " "}
_TABLE = CONTROLS | str.maketrans(_KEPT)


def printable(text: object) -> str:
    """Return text without control characters; line breaks stay."""
    return str(text).translate(_TABLE)
