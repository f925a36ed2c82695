"""A long name in a table is broken where a reader would break it: a hook of MkDocs, which ``mkdocs.yml`` names.

The style sheet keeps names in tables whole, as ``kitops_conn_id`` cannot be read in two halves.  An address that is
longer than a column has to be broken all the same: behind a slash, a colon or an underscore, and not inside a word.
"""

from __future__ import annotations

import re
from typing import Any

LONG = 28
"""What is shorter fits into a column as it is."""
_CELL = re.compile(r"<td.*?</td>", re.DOTALL)
_CODE = re.compile(r"<code>([^<]+)</code>")
_BEHIND = re.compile(r"(?<=[/_=])(?=\w)|(?<=::)|(?<=\w)(?=\.\w)")


def on_page_content(html: str, **_: Any) -> str:
    """Return the page with places where long names may be broken."""
    return _CELL.sub(lambda cell: _CODE.sub(_breakable, cell[0]), html)


def _breakable(code: re.Match[str]) -> str:
    words = [word if len(word) < LONG else _BEHIND.sub("<wbr>", word) for word in code[1].split(" ")]
    return f"<code>{' '.join(words)}</code>"
