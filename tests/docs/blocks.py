"""What a page of documentation holds: fenced blocks, and commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(ablate [^`]+)`")
_TABLE_ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The lines behind a prompt, as words, without their comments."""
        lines = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [shlex.split(line, comments=True) for line in lines]


def blocks(text: str, language: str) -> list[Block]:
    """Return the fenced blocks of a language, in order."""
    return [Block(*found) for found in _FENCED.findall(text) if found[0] == language]


def commands_named(text: str) -> Iterator[list[str]]:
    """Yield every command of ablate in a page, in blocks and within sentences, as words."""
    for block in blocks(text, "console"):
        yield from (words for words in block.commands if words[0] == "ablate")
    yield from (shlex.split(found) for found in _INLINE.findall(text))


def table_below(text: str, heading: str) -> dict[str, list[str]]:
    """Read the first table below a heading: the name in a row's first cell -> the other cells."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if _TABLE_ROW.match(line)]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first.strip("`"): rest for first, *rest in cells}
