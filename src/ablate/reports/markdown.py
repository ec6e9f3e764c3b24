"""Reports as Markdown (GitHub's dialect)."""

import re
from collections.abc import Iterable

from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Inline,
    Paragraph,
    Pictures,
    Strong,
    Table,
)
from ablate.spec.secrets import mask

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_LINK = re.compile(r"(?<=http):(?=//)|(?<=https):(?=//)|(?<=ftp):(?=//)|(?<=www)\.", re.I)
"""Where GitHub would find an address in running text."""
_START = re.compile(r"^\s*(\d{0,9})(?=[#+=-]|[.)]\s)")
"""What a heading, a list or a line under a heading begins with."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def render(document: Document) -> str:
    """Write a report as Markdown."""
    chunks = [f"# {inline(document.title)}", *map(_block, document.lead)]
    for section in document.sections:
        chunks += [f"## {inline(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(chunk for chunk in chunks if chunk) + "\n"


def inline(part: Inline) -> str:
    """Write a piece of text so that nothing in it is read as Markdown or HTML."""
    if isinstance(part, Code):
        return _code(part)
    # An address is masked while it still looks like one.
    escaped = _LINK.sub(r"\\\g<0>", _SPECIAL.sub(r"\\\g<0>", mask(part))).translate(_ENTITIES)
    return f"**{escaped}**" if isinstance(part, Strong) and escaped.strip() else escaped


def _code(name: str) -> str:
    flat = " ".join(name.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat.replace('|', chr(92) + '|')}{pad}{fence}"


def _block(block: Block) -> str:
    match block:
        case Paragraph(parts):
            return _running(parts)
        case Bullets(items):
            return "\n".join(f"- {_running(item)}" for item in items)
        case Figure(file, _, caption):
            return f"![{inline(caption)}]({file})"
        case Pictures(items):
            return "\n\n".join(f"![{inline(item.caption)}]({item.file})" for item in items)
        case Table():
            return _table(block)


def _running(parts: Iterable[Inline]) -> str:
    """Write running text whose beginning starts no heading and no list."""
    return _START.sub(r"\1\\", "".join(map(inline, parts)))


def _table(block: Table) -> str:
    rows = ["| " + " | ".join(inline(column.title) for column in block.columns) + " |"]
    rows.append("| " + " | ".join("---:" if c.numeric else "---" for c in block.columns) + " |")
    for label, group in block.groups:
        if label and group:
            rows.append(f"| *{inline(label)}* |" + " |" * (len(block.columns) - 1))
        rows += ["| " + " | ".join(map(inline, row)) + " |" for row in group]
    return "\n".join(rows)
