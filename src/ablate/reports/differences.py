"""Differences to the comparators as a forest plot, and seed by seed."""

import math
from collections.abc import Sequence

from ablate.analysis import Comparison, Conclusions, Relation
from ablate.reports import numbers
from ablate.reports.anchors import arm_link, arm_links, code_link
from ablate.reports.blocks import Block, Bullets, Code, Folded, Inline, Section, text
from ablate.reports.figures import Contrast, Pairing, draw_forest, draw_slopes
from ablate.reports.parts import drawn

MOST_SEEDS = 30
"""A figure shows single seeds up to so many."""


def sections(concluded: Conclusions) -> tuple[Section, ...]:
    """Draw the differences on every metric, if there is something to compare."""
    metrics = concluded.frames.definition.metrics
    by_metric = {metric: _designed(concluded, metric) for metric in metrics}
    rows = by_metric.pop(concluded.primary)
    if not rows:
        return ()
    blocks: list[Block] = [_forest(concluded, concluded.primary, rows)]
    others = [_forest(concluded, metric, found) for metric, found in by_metric.items() if found]
    if others:
        said = f"The same on {numbers.plural(len(others), 'secondary metric')}"
        blocks.append(Folded((said,), tuple(others)))
    return (Section("Differences", tuple(blocks)),)


def _designed(concluded: Conclusions, metric: str) -> list[Comparison]:
    """Return the comparisons of a metric that its design makes and that have a difference."""
    return [
        row
        for row in concluded.comparisons
        if row.metric == metric and row.relation is not Relation.FLOOR and row.n
    ]


def _forest(concluded: Conclusions, metric: str, rows: Sequence[Comparison]) -> Block:
    definition = concluded.frames.definition
    comparators = dict.fromkeys(row.comparator for row in rows)
    alone = next(iter(comparators)) if len(comparators) == 1 else None
    contrasts = [
        Contrast(
            label=row.arm,
            difference=row.difference,
            low=row.low,
            high=row.high,
            seeds=tuple((f"seed {seed}", gap) for seed, gap in _drawn_seeds(row)),
            against="" if alone else row.comparator,
            verdict=row.verdict,
        )
        for row in rows
    ]
    contrasts += _floors(concluded, metric, alone)
    axis = f"difference of {metric}" + (f" to {alone}" if alone else " to the comparator")
    drawing = draw_forest(
        contrasts,
        axis,
        title=f"Differences of {metric}",
        minimize=definition.metrics[metric].lower_is_better,
        margin=definition.margin.get(metric),
    )
    known = any(math.isfinite(row.low) for row in contrasts)
    interval = " with its 95 % interval" if known else ""
    caption = f"{axis[0].upper()}{axis[1:]}{interval}, better to the right"
    dots = "; dots are seeds." if any(map(_drawn_seeds, rows)) else "."
    return drawn("differences", metric, drawing, caption + dots)


def _drawn_seeds(row: Comparison) -> tuple[tuple[int, float], ...]:
    return row.differences if len(row.differences) <= MOST_SEEDS else ()


def _floors(concluded: Conclusions, metric: str, comparator: str | None) -> list[Contrast]:
    """Set the trivial predictors beside the arms, where all have one comparator."""
    if comparator is None or not concluded.estimates[metric, comparator].n:
        return []
    mean = concluded.estimates[metric, comparator].mean
    beside = next(
        (
            row
            for row in concluded.of(metric, comparator)
            if row.relation is Relation.FLOOR and row.n
        ),
        None,
    )
    found = []
    for row in concluded.estimates.values():
        if row.metric != metric or row.kind != "floor" or not row.n:
            continue
        low = high = math.nan
        if beside is not None and beside.comparator == row.arm:
            low, high = -beside.high, -beside.low
        found.append(Contrast(row.arm, row.mean - mean, low, high, floor=True))
    return found


def paired_sections(concluded: Conclusions) -> tuple[Section, ...]:
    """Draw every seed from comparator to arm on the primary metric, or say why none is paired."""
    metric = concluded.primary
    rows = _designed(concluded, metric)
    if not rows:
        return ()
    blocks: list[Block] = []
    paired = [row for row in rows if len(_drawn_seeds(row)) > 1]
    if paired:
        drawing = draw_slopes(
            [_pairing(concluded, row) for row in paired],
            metric,
            title=f"{metric} seed by seed",
            minimize=concluded.frames.definition.metrics[metric].lower_is_better,
        )
        caption = f"{metric} of every seed, from the comparator (left) to the arm (right)."
        blocks.append(drawn("seeds", metric, drawing, caption))
    if many := [row.arm for row in rows if row.paired and row.n > MOST_SEEDS]:
        said = f"More than {MOST_SEEDS} seeds are too many lines; their values are in "
        blocks.append(text(said, Code("arms.csv"), ": ", *arm_links(many), "."))
    blocks += _unpaired([row for row in rows if not row.paired])
    if not blocks:
        blocks.append(text("No arm has two seeds in common with its comparator yet."))
    return (Section("Paired seeds", tuple(blocks)),)


def _pairing(concluded: Conclusions, row: Comparison) -> Pairing:
    arm = concluded.estimates[row.metric, row.arm].values
    other = concluded.estimates[row.metric, row.comparator].values
    seeds = [seed for seed, _ in row.differences]
    return Pairing(
        row.arm,
        row.comparator,
        tuple((f"seed {seed}", other[seed], arm[seed]) for seed in seeds),
    )


def _unpaired(rows: Sequence[Comparison]) -> list[Block]:
    """Say which comparisons are not paired, by the finding that breaks the pairs."""
    items: list[tuple[Inline, ...]] = []
    for code in dict.fromkeys(row.unpaired_because for row in rows):
        found = [row for row in rows if row.unpaired_because == code]
        arms = list(dict.fromkeys(row.arm for row in found))
        others = list(dict.fromkeys(row.comparator for row in found))
        beside: tuple[Inline, ...] = ("its comparator" if len(arms) == 1 else "their comparators",)
        if len(others) == 1:
            beside = (arm_link(others[0]),)
        verb = "is" if len(arms) == 1 else "are"
        items.append(
            (
                *arm_links(arms),
                f" {verb} not paired by seed with ",
                *beside,
                ": ",
                code_link(code),
                ".",
            )
        )
    return [Bullets(tuple(items))] if items else []
