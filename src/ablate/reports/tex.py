"""Tables for a paper, in LaTeX with booktabs and columns of siunitx."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ablate.analysis import (
    Comparison,
    Conclusions,
    Relation,
    SearchConclusions,
    importances_table,
)
from ablate.reports import numbers
from ablate.reports.search_names import short_names
from ablate.spec import Status
from ablate.spec.secrets import hidden

BEST = 10
"""So many trials of a search stand in its table."""
PREAMBLE = "% \\usepackage{booktabs} and \\usepackage{siunitx} in the preamble"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?")


@dataclass(frozen=True)
class _Column:
    """A column with its head and its cells; None is a number that there is not."""

    head: str
    cells: Sequence[str | None]
    numeric: bool = True


def tables(conclusions: Conclusions | SearchConclusions) -> dict[str, str]:
    """Return the tables of a study by file name.

    Of an ablation, `arms.tex` has the arms by metrics, mean with the half width of its 95 %
    interval, and n; `comparisons.tex` every comparison with its difference, interval, p after Holm
    and verdict. Of a search, `trials.tex` has the best complete trials, `importances.tex` the
    parameters.
    """
    if isinstance(conclusions, SearchConclusions):
        return _searched(conclusions)
    found = {"arms.tex": _arms(conclusions)}
    rows = [row for row in conclusions.comparisons if row.relation is not Relation.FLOOR]
    if rows:
        found["comparisons.tex"] = _comparisons(rows)
    return found


def text(words: str) -> str:
    """Write a text so that nothing in it is read as a command."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(words.split()))


def _arms(conclusions: Conclusions) -> str:
    definition = conclusions.frames.definition
    arms = [arm.name for arm in (*definition.trained, *definition.floors)]
    columns = [_Column("arm", [text(arm) for arm in arms], numeric=False)]
    for metric in definition.metrics:
        found = [conclusions.estimates[metric, arm] for arm in arms]
        half = [(row.high - row.low) / 2 for row in found]
        columns += [
            _Column(metric, _written(row.mean for row in found)),
            _Column(r"$\pm$", _written(half)),
            _Column("$n$", [str(row.n) for row in found]),
        ]
    return _table(columns, groups={len(definition.trained)})


def _comparisons(rows: Sequence[Comparison]) -> str:
    breaks = {
        place
        for place, (before, row) in enumerate(pairwise(rows), start=1)
        if before.metric != row.metric
    }
    columns = [
        _Column("metric", [text(row.metric) for row in rows], numeric=False),
        _Column("arm", [text(row.arm) for row in rows], numeric=False),
        _Column("beside", [text(row.comparator) for row in rows], numeric=False),
        _Column("difference", _written(row.difference for row in rows)),
        _Column("low", _written(row.low for row in rows)),
        _Column("high", _written(row.high for row in rows)),
        _Column("$n$", [str(row.n) for row in rows]),
        _Column(r"$p_\mathrm{Holm}$", _written(row.p_holm for row in rows)),
        _Column("verdict", [text(row.verdict) for row in rows], numeric=False),
    ]
    return _table(columns, breaks)


def _searched(conclusions: SearchConclusions) -> dict[str, str]:
    objective = conclusions.frames.definition.objective
    told = conclusions.trials
    done = told[(told["state"] == Status.COMPLETE) & (told["infeasible"] == "")]
    best = done.sort_values("value", ascending=objective.direction.lower_is_better, kind="stable")
    best = best.head(BEST)
    params = [*conclusions.frames.definition.space]
    values = [[hidden(name, trial.get(name)) for trial in best["params"]] for name in params]
    trials = [
        _Column("trial", [str(number) for number in best["number"]]),
        _Column(objective.metric, _written(best["value"])),
        *(
            _Column(head, [numbers.NOTHING if v is None else _value(v) for v in column], False)
            for head, column in zip(short_names(params), values, strict=True)
        ),
    ]
    found = importances_table(conclusions)
    importances = [
        _Column("parameter", [text(name) for name in found["parameter"]], numeric=False),
        *(
            _Column(name, _written(found[name].astype(float)))
            for name in ("importance", "low", "high")
        ),
    ]
    return {"trials.tex": _table(trials), "importances.tex": _table(importances)}


def _value(value: Any) -> str:
    return rf"\num{{{value:.4g}}}" if isinstance(value, float) else text(numbers.short(value))


def _written(values: Iterable[float]) -> list[str | None]:
    return [numbers.number(value) if math.isfinite(value) else None for value in values]


def _table(columns: Sequence[_Column], groups: Iterable[int] = ()) -> str:
    """Write columns as a tabular; a rule stands before each row that `groups` names."""
    heads = [text(c.head) if not c.numeric else f"{{{_head(c.head)}}}" for c in columns]
    lines = [
        PREAMBLE,
        rf"\begin{{tabular}}{{{' '.join(map(_kind, columns))}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    rules = set(groups)
    for place, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        if place in rules:
            lines.append(r"\midrule")
        lines.append(" & ".join("{--}" if cell is None else cell for cell in row) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _head(words: str) -> str:
    return words if words.startswith("$") else text(words)


def _kind(column: _Column) -> str:
    """Return the column's type: left-aligned words, or numbers under each other by their point."""
    if not column.numeric:
        return "l"
    parts = [found for cell in column.cells if cell and (found := _NUMBER.fullmatch(cell))]
    if not parts:
        return "S"
    sign = "-" if any(part[1] == "-" for part in parts) else ""
    whole = max(len(part[2]) for part in parts)
    decimals = max(len(part[3] or "") for part in parts)
    exponents = [part[4].lstrip("+") for part in parts if part[4]]
    longest = max((len(digits.lstrip("-")) for digits in exponents), default=0)
    minus = "-" if any(digits.startswith("-") for digits in exponents) else ""
    suffix = f"e{minus}{longest}" if longest else ""
    shown = f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
    return f"S[table-format={shown}{suffix}]"
