"""Page: an answer for people, as a value. What it looks like is the renderers' business.

A page has a title and blocks.  A block is a paragraph, facts (name and value), a table, a list, text in the letters of
code, verdicts, or a section that holds blocks.  What stands in a cell is plain text, or text that says what it is: a
:class:`Code` is never broken or cut where that can be avoided, a :class:`Chip` is a verdict with a colour.

All text is kept as it came.  Each renderer makes it harmless for its own medium: that is done there, and only there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from kitops_orchestration.presentation.markup import Markup

Mood = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Strong:
    """Text that stands out: the name of a thing."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A reference, a digest, a command: what may be copied, so it is kept in one piece."""

    text: str
    short: str = ""
    """Shown instead where there is a tip for the whole."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A verdict in a word or a few."""

    text: str
    mood: Mood = ""


@dataclass(frozen=True, slots=True)
class Soft:
    """Text of less weight: ``not stated``."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads to an address; renderers show the text alone where the address is no page."""

    text: str
    address: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """Several texts in one cell, one below the other."""

    items: tuple[Inline, ...]


Inline: TypeAlias = "str | int | float | Strong | Code | Chip | Soft | Link | None"
Cell: TypeAlias = "Inline | Lines"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or a few; the parts follow each other without a space."""

    parts: tuple[Inline, ...]
    is_note: bool = False

    @classmethod
    def of(cls, *parts: Inline, is_note: bool = False) -> Paragraph:
        """Make one of its parts."""
        return cls(parts, is_note)


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values; a value that is ``None`` or empty is left out."""

    rows: tuple[tuple[str, Cell], ...]

    @classmethod
    def of(cls, *rows: tuple[str, Cell]) -> Facts:
        """Make them of the rows that have a value."""
        return cls(tuple((name, value) for name, value in rows if value not in (None, "", Lines(()))))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column heads; with no rows the text ``empty`` stands there instead."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = ""

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str = "") -> Table:
        """Make one of any sequences."""
        return cls(tuple(columns), tuple(tuple(row) for row in rows), empty)


@dataclass(frozen=True, slots=True)
class Items:
    """A list with a mark before each item."""

    items: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines in the letters of code, as they are."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict at a glance: what it is about, the verdict, a few words about it."""

    label: str
    verdict: str
    detail: str
    mood: Mood


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts side by side: the page in one look."""

    items: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that our own code drew; it is left out where there are no pictures, so it says nothing alone."""

    markup: Markup


@dataclass(frozen=True, slots=True)
class Measure:
    """One number: its name, as many digits as people read, the change, and its course."""

    name: str
    value: Code
    change: str = ""
    course: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers with their courses; where there are no pictures, ``table`` says the same."""

    items: tuple[Measure, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the blocks below it; a section without content is left out of the page."""

    title: str
    blocks: tuple[Block, ...]
    is_half: bool = False
    """Where there is room, two of these stand side by side."""

    @classmethod
    def of(cls, title: str, *blocks: Block, is_half: bool = False) -> Section:
        """Make one of its blocks."""
        return cls(title, blocks, is_half)


Block: TypeAlias = "Paragraph | Facts | Table | Items | CodeBlock | Verdicts | Drawing | Measures | Section"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    title: str
    blocks: tuple[Block, ...]
    kind: str = ""
    """What sort of page it is: ``Model passport``."""
    version: str = ""
    """Stands behind the title."""
    subject: str = ""
    """The reference that the page is about, where the title is not that."""
    footer: tuple[Inline, ...] = ()
    """How the page came about; only on pages that stand alone."""

    @classmethod
    def of(
        cls,
        title: str,
        *blocks: Block,
        kind: str = "",
        version: str = "",
        subject: str = "",
        footer: Sequence[Inline] = (),
    ) -> Page:
        """Make one of its blocks; those that hold nothing are left out."""
        return cls(
            title, tuple(block for block in blocks if not is_empty(block)), kind, version, subject, tuple(footer)
        )

    @property
    def heading(self) -> str:
        """Title and version, as one text."""
        return f"{self.title} {self.version}" if self.version else self.title

    def sections(self) -> Iterator[Section]:
        """Yield the sections, those inside of others too."""
        waiting = [block for block in self.blocks if isinstance(block, Section)]
        while waiting:
            section = waiting.pop(0)
            yield section
            waiting = [block for block in section.blocks if isinstance(block, Section)] + waiting


def is_empty(block: Block) -> bool:
    """Tell whether a block would show nothing."""
    match block:
        case Section():
            return all(is_empty(part) for part in block.blocks)
        case Table():
            return not block.rows and not block.empty
        case Facts():
            return not block.rows
        case Items() | Verdicts():
            return not block.items
        case Measures():
            return not block.items and is_empty(block.table)
        case Paragraph():
            return all(part in (None, "") for part in block.parts)
        case CodeBlock():
            return not block.text
        case _:
            return False


def has_words(block: Block) -> bool:
    """Tell whether a block says anything where there are no pictures."""
    if isinstance(block, Section):
        return any(has_words(part) for part in block.blocks)
    return not isinstance(block, Drawing) and not is_empty(block)


def plain(cell: Cell) -> str:
    """Return the words of a cell, without what they are; nothing for ``None``."""
    match cell:
        case None:
            return ""
        case Lines():
            return "; ".join(plain(item) for item in cell.items)
        case Strong() | Code() | Chip() | Soft() | Link():
            return cell.text
        case _:
            return str(cell)
