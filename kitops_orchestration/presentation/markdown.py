"""A page as Markdown (GitHub's): text from a registry is text, whatever it holds.

Escaped are all marks that begin something: emphasis, code, links, pictures, tags, entities, cells, and headings and
lists where a line begins.  Readers of GitHub's kind also make a link of a bare address and call the people whom a name
behind ``@`` means; such words are shown as code, in which nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kitops_orchestration.presentation.page import (
    Block,
    Cell,
    Chip,
    Code,
    CodeBlock,
    Facts,
    Items,
    Lines,
    Link,
    Measures,
    Page,
    Paragraph,
    Section,
    Soft,
    Strong,
    Table,
    Verdicts,
    has_words,
)
from kitops_orchestration.presentation.text import one_line, printable

_DEEPEST = 6
# An underline between letters is none of Markdown's marks: names like roc_auc stay as they are.
_MARK = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])|[<>]|&(?=#?\w+;)")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_LINE_START = re.compile(r"(#{1,6}(?=\s|$)|[-+](?=\s|$)|[-=]+$|\d{1,9}(?=[.)](?:\s|$)))")
_NO_CODE = re.compile(r"[`|\\<>&]|^\s|\s$|^$")
# What becomes a link by itself: addresses, those of e-mail, and a name that is called. In code nothing ends but by a
# backtick; the other signs left out here end a cell, or begin markup where a reader knows no code.
_BY_ITSELF = re.compile(
    r"(?<![a-z])(?:[a-z][a-z0-9+.-]{1,30}://|www\.|mailto:|xmpp:)[^\s`|\\<>]*[^\s`|\\<>.,;:!?'\")]"
    r"|(?<![:/])//[^\s`|\\<>/][^\s`|\\<>]*[^\s`|\\<>.,;:!?'\")]"
    r"|(?<![\w.+-])[\w.+-]++(?:@[\w-]++(?:\.[\w-]++)+)+"
    r"|(?<![^\W_])@\w[\w/-]{0,80}",
    re.IGNORECASE,
)
_PAGE_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def render(page: Page, *, level: int = 1, most_characters: int | None = None) -> str:
    """Return the page as Markdown.

    ``level`` is that of the page's own heading.  With ``most_characters`` what is longer ends after a whole row or
    block, with a mark that there was more.
    """
    pieces = list(_pieces(page, level))
    if most_characters is not None:
        pieces = _cut(pieces, most_characters)
    return "\n\n".join(pieces) + "\n"


def cell(value: Cell) -> str:
    """Return text that stays in one cell of a table, and on one line anywhere else; nothing for ``None``."""
    match value:
        case Lines():
            return "; ".join(cell(item) for item in value.items)
        case Strong():
            text = cell(value.text).strip()
            return f"**{text}**" if text else ""
        case Code():
            return _code(one_line(value.text))
        case Link():
            text = _code(one_line(value.text)) if value.is_code else cell(value.text)
            return f"[{text}]({_address(value.address)})" if _PAGE_ADDRESS.match(value.address) else text
        case Chip() | Soft():
            return cell(value.text)
        case _:
            return _text(one_line(value))


def _text(text: str) -> str:
    """Return text in which nothing begins anything; what would be a link by itself is code."""
    shown, end = "", 0
    for found in _BY_ITSELF.finditer(text):
        before = _escaped(text[end : found.start()])
        if before.endswith("`"):  # two of them beside each other are another mark
            before = before.removesuffix("\\`") + "&#96;"
        if shown and not before:  # two codes beside each other are one
            shown = f"{shown[:-1]}{found[0]}`"
        else:
            shown += f"{before}`{found[0]}`"
        end = found.end()
    return shown + _escaped(text[end:])


def _escaped(text: str) -> str:
    return _MARK.sub(lambda mark: _ENTITIES.get(mark[0], f"\\{mark[0]}"), text)


def table(columns: Iterable[str], rows: Iterable[Iterable[Cell]]) -> str:
    """Return a table, or nothing when there are no rows; heads and cells are escaped."""
    head = [cell(name) for name in columns]
    body = [[cell(item) for item in row] for row in rows]
    if not body:
        return ""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def block(text: str, language: str = "") -> str:
    """Return text as a block of code, whose fence is longer than any in the text (CommonMark, fenced code blocks)."""
    text = printable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def _pieces(page: Page, level: int) -> Iterator[str]:
    if page.heading:
        yield _heading(page.heading, level)
    if page.subject:
        yield _line(cell(Code(page.subject)))
    yield from _blocks(page.blocks, level + 1)


def _blocks(blocks: Iterable[Block], level: int) -> Iterator[str]:
    for part in blocks:
        if not has_words(part):
            continue
        if isinstance(part, Section):
            yield _heading(part.title, level)
            yield from _blocks(part.blocks, level + 1)
        elif text := _block(part):
            yield text


def _heading(text: str, level: int) -> str:
    shown = re.sub(r"(#+)$", r"\\\1", cell(text).strip())  # else marks at the end would close the heading
    return f"{'#' * min(level, _DEEPEST)} {shown}"


def _block(part: Block) -> str:
    match part:
        case Paragraph():
            return _line("".join(cell(piece) for piece in part.parts))
        case Facts():
            return table(("", ""), part.rows)
        case Table():
            return table(part.columns, part.rows) or _line(cell(part.empty))
        case Items():
            return "\n".join(f"- {_line(cell(item))}" for item in part.items)
        case Measures():
            return _block(part.table)
        case Verdicts():
            return table(("", "verdict", ""), [(item.label, item.verdict, item.detail) for item in part.items])
        case CodeBlock():
            return block(part.text, part.language)
        case _:
            return ""


def _line(text: str) -> str:
    """Return a line that begins no heading, list, rule or block of code."""
    text = text.strip()
    start = _LINE_START.match(text)
    if start is None:
        return text
    return f"{start[0]}\\{text[start.end() :]}" if start[0].isdigit() else f"\\{text}"


def _code(text: str) -> str:
    return cell(text) if _NO_CODE.search(text) else f"`{text}`"


def _address(text: str) -> str:
    return re.sub(
        r"[^\w:/?#@!$&'*+,;=.~%-]",
        lambda letter: "".join(f"%{byte:02X}" for byte in letter[0].encode()),
        one_line(text),
    )


def _cut(pieces: list[str], most: int) -> list[str]:
    kept: list[str] = []
    room = most
    for piece in pieces:
        if len(piece) > room:
            rows = piece.split("\n") if piece.startswith("|") else []
            while rows and len("\n".join(rows)) > room:
                rows.pop()
            return [*kept, *(["\n".join(rows)] if len(rows) > 2 else []), "…"]
        kept.append(piece)
        room -= len(piece) + 2
    return kept
