"""The parts a report is made of, apart from how they are written."""

from dataclasses import dataclass
from typing import TypeAlias


class Strong(str):
    """A text that stands out."""

    __slots__ = ()


class Code(str):
    """A name as it is typed."""

    __slots__ = ()


Inline: TypeAlias = str
"""Plain text, `Strong` or `Code`: what a writer must escape."""


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
    """Rows under a head, in groups; the first group may have no label."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[tuple[Inline, ...], ...]], ...]

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(len(rows) for _, rows in self.groups)


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG text, with the file it is also stored in."""

    file: str
    svg: str
    caption: str


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


Block: TypeAlias = Paragraph | Bullets | Table | Figure | Pictures


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report; the lead stands above the first heading."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]


def text(*parts: Inline) -> Paragraph:
    """Make a paragraph of its parts."""
    return Paragraph(parts)


def table(
    columns: list[str], rows: list[tuple[Inline, ...]], numeric: set[str] | None = None
) -> Table:
    """Make a table of one group; `numeric` names the columns set flush right."""
    heads = tuple(Column(title, title in (numeric or set())) for title in columns)
    return Table(heads, (("", tuple(rows)),))
