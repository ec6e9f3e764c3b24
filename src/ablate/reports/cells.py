"""Lines of CSV in which a spreadsheet finds no formula."""

import csv
import io
from collections.abc import Iterable
from numbers import Real
from typing import Any

_LIKE_A_FORMULA = tuple("=+-@\t\r\n＝＋－＠'")  # noqa: RUF001 - full width, as spreadsheets read them

_PLAIN = {int, float}
"""What most numbers are: `Real` is slow to ask."""


def line(values: Iterable[Any]) -> str:
    """Write a line of CSV; a cell that holds either sign of a line's end is quoted."""
    return lines([values])


def lines(rows: Iterable[Iterable[Any]]) -> str:
    """Write lines of CSV, each as `line` does."""
    return "".join(each_line(rows))


def each_line(rows: Iterable[Iterable[Any]]) -> list[str]:
    """Write lines of CSV one by one."""
    written = _Lines()
    csv.writer(written).writerows(map(_cell, values) for values in rows)
    return written.found


class _Lines:
    """What a CSV writer writes, line by line."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def write(self, line: str) -> None:
        self.found.append(line.removesuffix("\r\n") + "\n")


def without_formulas(table: str) -> str:
    """Write the lines of a CSV text again, so that a spreadsheet finds no formula in them."""
    return lines(csv.reader(io.StringIO(table, newline="")))


def _cell(value: Any) -> Any:
    """Return a value as its cell: a number, or a text that no spreadsheet takes for a formula.

    A text that begins like a formula, or with an apostrophe, gets one more apostrophe in front, so
    that taking away one gives every text back.
    """
    if type(value) in _PLAIN or (not isinstance(value, str) and isinstance(value, Real)):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_LIKE_A_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isprintable()
