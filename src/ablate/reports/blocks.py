"""The parts a report is made of, apart from how they are written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from ablate.reports.figures import Drawing


class Strong(str):
    """A text that stands out."""

    __slots__ = ()


class Code(str):
    """A name as it is typed."""

    __slots__ = ()


class Link(str):
    """A text that leads to an anchor of the same report, if the report has it."""

    __slots__ = ("shown", "target")
    shown: str
    target: str

    def __new__(cls, shown: str, target: str) -> Self:
        """Let `shown`, a text of any kind, lead to the anchor `target`."""
        made = super().__new__(cls, shown)
        made.shown, made.target = shown, target
        return made


class Anchor(str):
    """A text that links lead to."""

    __slots__ = ("name", "shown")
    shown: str
    name: str

    def __new__(cls, shown: str, name: str) -> Self:
        """Let links to `name` lead to `shown`, a text of any kind."""
        made = super().__new__(cls, shown)
        made.shown, made.name = shown, name
        return made


class Badge(str):
    """A word of a small vocabulary with the symbol that stands for it."""

    __slots__ = ("symbol", "tone")
    symbol: str
    tone: str

    def __new__(cls, word: str, symbol: str, tone: str) -> Self:
        """Set `symbol` before `word`; `tone` is "good", "bad" or "plain"."""
        made = super().__new__(cls, word)
        made.symbol, made.tone = symbol, tone
        return made


class Value(str):
    """A text that stands for a number, by which a reader may sort."""

    __slots__ = ("number", "shown")
    shown: str
    number: float

    def __new__(cls, shown: str, number: float) -> Self:
        """Let `shown`, a text of any kind, be sorted as `number`."""
        made = super().__new__(cls, shown)
        made.shown, made.number = shown, number
        return made


Inline: TypeAlias = str
"""Plain text, or one of the kinds of text above: what a writer must escape."""

Cell: TypeAlias = Inline | tuple[Inline, ...]
"""What stands in one cell of a table."""

Row: TypeAlias = tuple[Cell, ...]


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    parts: tuple[Inline, ...]


@dataclass(frozen=True)
class Bullets:
    """A list of remarks."""

    items: tuple[tuple[Inline, ...], ...]


@dataclass(frozen=True)
class Column:
    """The head of a table's column; numbers are set flush right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under a head, in groups; the first group may have no label.

    The first cell of a row names the row, unless it is empty: then the row continues the one
    above it.
    """

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]
    caption: str = ""

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(len(rows) for _, rows in self.groups)

    @property
    def sortable(self) -> bool:
        """Whether there are rows to be sorted, each of which stands for itself."""
        return self.size > 1 and all(row[0] for _, rows in self.groups for row in rows)


@dataclass(frozen=True)
class Figure:
    """A drawing with what is said under it, and the file it is also stored in."""

    file: str
    drawing: Drawing
    said: str

    @property
    def caption(self) -> str:
        """What is said under it, and what the drawing has to add."""
        return " ".join((self.said, *self.drawing.notes))


@dataclass(frozen=True)
class Picture:
    """A picture of pixels, with the file it is also stored in."""

    file: str
    mimetype: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side."""

    items: tuple[Picture, ...]


@dataclass(frozen=True)
class Listing:
    """Lines to be copied as they are, such as commands."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """Blocks that a reader unfolds, under a line that says what they are."""

    summary: tuple[Inline, ...]
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it; sections in it are its parts."""

    title: str
    blocks: "tuple[Block, ...]"

    @property
    def anchor(self) -> str:
        """What links to the section name: its title as GitHub makes an anchor of it."""
        kept = re.sub(r"[^\w\- ]", "", self.title.lower())
        return kept.replace(" ", "-")


Block: TypeAlias = Paragraph | Bullets | Table | Figure | Pictures | Listing | Folded | Section


@dataclass(frozen=True)
class Document:
    """A whole report; the lead stands above the first heading."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]

    def walk(self) -> Iterator[Block]:
        """Yield every block in the order of reading, those inside of others after them."""
        yield from _walk((*self.lead, *self.sections))

    def inlines(self) -> Iterator[Inline]:
        """Yield every piece of text but titles and captions, and the pieces inside of pieces."""
        for block in self.walk():
            match block:
                case Paragraph(parts) | Folded(parts):
                    yield from _nested(parts)
                case Bullets(items):
                    for item in items:
                        yield from _nested(item)
                case Table():
                    for _, rows in block.groups:
                        for row in rows:
                            for cell in row:
                                yield from _nested(parts_of(cell))

    @property
    def anchors(self) -> frozenset[str]:
        """What links of the report may lead to."""
        names = {block.anchor for block in self.walk() if isinstance(block, Section)}
        return frozenset(names | {part.name for part in self.inlines() if isinstance(part, Anchor)})


def _walk(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Folded | Section):
            yield from _walk(block.blocks)


def _nested(parts: Sequence[Inline]) -> Iterator[Inline]:
    for part in parts:
        yield part
        if isinstance(part, Anchor | Link | Value):
            yield from _nested((part.shown,))


def parts_of(cell: Cell) -> tuple[Inline, ...]:
    """Return the pieces of text in a cell."""
    return cell if isinstance(cell, tuple) else (cell,)


def text(*parts: Inline) -> Paragraph:
    """Make a paragraph of its parts."""
    return Paragraph(parts)


def table(
    columns: Sequence[str],
    rows: Sequence[Row],
    numeric: set[str] | None = None,
    caption: str = "",
) -> Table:
    """Make a table of one group; `numeric` names the columns set flush right."""
    heads = tuple(Column(title, title in (numeric or set())) for title in columns)
    return Table(heads, (("", tuple(rows)),), caption)
