"""Which arms a page lists where a study has very many; tables as CSV have them all."""

import math

from ablate.analysis import Conclusions, Estimate, Verdict
from ablate.reports import numbers

MOST_ARMS = 250
"""A table lists no more arms: 2,000 of them would be several megabytes."""
BEST = 20
"""So many arms with the best means are listed whatever their verdict."""
_FIRST = (
    *(Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.FLOOR_NOT_BEATEN),
    *(Verdict.CANNOT_TELL, Verdict.NOT_COMPARABLE),
)
"""Which arms come first."""


def rank(concluded: Conclusions, row: Estimate) -> tuple[bool, int]:
    """Put the reference first, then arms of which something can be said."""
    verdict = concluded.verdicts.get((row.metric, row.arm))
    place = _FIRST.index(verdict[0]) if verdict else len(_FIRST)
    return row.arm != concluded.frames.definition.reference, place


def listed_arms(concluded: Conclusions) -> frozenset[str]:
    """Return the arms that tables list: all, or the reference, the floors, the best and others.

    The others are first those of which the primary metric says something, in declared order.
    """
    rows = [row for row in concluded.estimates.values() if row.metric == concluded.primary]
    if len(rows) <= MOST_ARMS:
        return frozenset(row.arm for row in rows)
    direction = concluded.frames.definition.metrics[concluded.primary]
    known = [row for row in rows if not math.isnan(row.mean)]
    known.sort(key=lambda row: -direction.gain(row.mean, over=0.0))
    best = {row.arm for row in known[:BEST]}
    rows.sort(key=lambda row: (row.kind != "floor", row.arm not in best, rank(concluded, row)))
    return frozenset(row.arm for row in rows[:MOST_ARMS])


def of_all(shown: int, total: int, where: str) -> str:
    """Say in a caption how many arms or comparisons are listed, nothing if all are."""
    if shown == total:
        return ""
    return f"; {numbers.count(shown)} of {numbers.count(total)}, all are in {where}"
