"""Reports as Markdown (GitHub's dialect)."""

import re
from collections.abc import Collection, Iterable, Sequence

from ablate.reports.blocks import (
    Anchor,
    Badge,
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Figure,
    Folded,
    Inline,
    Link,
    Listing,
    Paragraph,
    Pictures,
    Section,
    Strong,
    Table,
    Value,
    parts_of,
)
from ablate.spec.secrets import mask

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_LINK = re.compile(r"(?<=http):(?=//)|(?<=https):(?=//)|(?<=ftp):(?=//)|(?<=www)\.", re.I)
"""Where GitHub would find an address in running text."""
_START = re.compile(r"^\s*(\d{0,9})(?=[#+=-]|[.)]\s)")
"""What a heading, a list or a line under a heading begins with."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def render(document: Document) -> str:
    """Write a report as Markdown; links lead to the anchors that it has."""
    writer = _Writer(document.anchors)
    contents = [Link(section.title, section.anchor) for section in document.sections]
    chunks = [
        f"# {inline(document.title)}",
        *(writer.block(block, 2) for block in document.lead),
        " · ".join(writer.inline(link) for link in contents),
        *(writer.block(section, 2) for section in document.sections),
    ]
    return "\n\n".join(chunk for chunk in chunks if chunk) + "\n"


def inline(part: Inline, anchors: Collection[str] = ()) -> str:
    """Write a piece of text so that nothing in it is read as Markdown or HTML."""
    written = _plain(part)
    match part:
        case Code():
            written = _code(part)
        case Strong() if written.strip():
            written = f"**{written}**"
        case Link():
            written = inline(part.shown)
            if part.target in anchors:
                written = f"[{written}](#{part.target})"
        case Anchor():
            written = f'<a id="{part.name}"></a>{inline(part.shown, anchors)}'
        case Badge():
            written = f"{part.symbol} {written}"
        case Value():
            written = inline(part.shown, anchors)
    return written


def _plain(part: str) -> str:
    # An address is masked while it still looks like one.
    return _LINK.sub(r"\\\g<0>", _SPECIAL.sub(r"\\\g<0>", mask(part))).translate(_ENTITIES)


def _code(name: str) -> str:
    flat = " ".join(name.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat.replace('|', chr(92) + '|')}{pad}{fence}"


def _verbatim(line: str) -> str:
    """Write a line as it is, its indentation too, on one line."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + " ".join(line.split())


class _Writer:
    """Writes blocks; links lead to `anchors`."""

    def __init__(self, anchors: Collection[str]) -> None:
        self._anchors = anchors

    def inline(self, part: Inline) -> str:
        return inline(part, self._anchors)

    def block(self, block: Block, level: int) -> str:
        match block:
            case Paragraph(parts):
                written = self._running(parts)
            case Bullets(items):
                written = "\n".join(f"- {self._running(item)}" for item in items)
            case Listing(lines):
                written = "\n".join(f"    {_verbatim(line)}" for line in lines)
            case Figure():
                written = f"![{inline(block.caption)}]({block.file})"
            case Pictures(items):
                pictures = (f"![{inline(item.caption)}]({item.file})" for item in items)
                written = "\n\n".join(pictures)
            case Folded(summary, blocks):
                head = "".join(map(self._html, summary))
                written = self._folded(head, self._all(blocks, level))
            case Section(title, blocks):
                written = self._all(blocks, level + 1, f"{'#' * level} {inline(title)}")
            case Table():
                written = self._table(block)
        return written

    def _all(self, blocks: Sequence[Block], level: int, *heads: str) -> str:
        written = (self.block(block, level) for block in blocks)
        return "\n\n".join(chunk for chunk in (*heads, *written) if chunk)

    def _folded(self, summary: str, body: str) -> str:
        return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"

    def _html(self, part: Inline) -> str:
        """Write a piece of a line that GitHub reads as HTML."""
        shown = mask(" ".join(part.split(" "))).translate(_ENTITIES)
        match part:
            case Code():
                return f"<code>{shown}</code>"
            case Strong():
                return f"<strong>{shown}</strong>"
            case Badge():
                return f"{part.symbol} {shown}"
        return shown

    def _running(self, parts: Iterable[Inline]) -> str:
        """Write running text whose beginning starts no heading and no list."""
        return _START.sub(r"\1\\", "".join(map(self.inline, parts)))

    def _table(self, block: Table) -> str:
        rows = [f"*{inline(block.caption)}*\n"] if block.caption.strip() else []
        rows.append("| " + " | ".join(inline(column.title) for column in block.columns) + " |")
        rows.append("| " + " | ".join("---:" if c.numeric else "---" for c in block.columns) + " |")
        for label, group in block.groups:
            if label and group:
                rows.append(f"| *{inline(label)}* |" + " |" * (len(block.columns) - 1))
            rows += ["| " + " | ".join(map(self._cell, row)) + " |" for row in group]
        return "\n".join(rows)

    def _cell(self, cell: Cell) -> str:
        return "".join(map(self.inline, parts_of(cell)))
