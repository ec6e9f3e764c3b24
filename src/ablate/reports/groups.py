"""What arms reach on every task, category or other group of the validation examples."""

from collections.abc import Sequence

import pandas as pd

from ablate.analysis import AblationFrames
from ablate.analysis.groups import OverGroups, group_differences, over_groups, telling_groups
from ablate.analysis.verdicts import Comparison
from ablate.reports import numbers
from ablate.reports.blocks import Block, Code, Column, Inline, Section, Strong, Table, table, text
from ablate.reports.effects import interval

FILE = "groups.csv"
"""The table of all groups, beside a report that shows the most telling ones."""

SHOWN = 10
"""How many groups are columns of the table of arms and groups."""

_ROWS = 24
"""How many differences to comparators are shown in all, those of an arm one below the other."""

_OVER = ["arm", "mean", "95 % interval", "n", "comparator", "difference", "its 95 % interval"]
_DIFFERENCES = ["group", "examples", "n", "mean", "comparator", "difference", "95 % interval"]


def sections(
    frames: AblationFrames, comparisons: Sequence[Comparison], groups: pd.DataFrame
) -> tuple[Section, ...]:
    """Show every grouping; none where no module told of groups.

    `groups` are those of `load_groups`. One metric is shown: that of the objective if it is told by
    group, or else the first of the study's that is. All of them are in `groups.csv`.
    """
    found = group_differences(frames, groups, comparisons)
    return tuple(
        _section(frames, comparisons, groups, found[found["grouping"] == grouping], str(grouping))
        for grouping in groups["grouping"].unique()
    )


def _section(
    frames: AblationFrames,
    comparisons: Sequence[Comparison],
    groups: pd.DataFrame,
    found: pd.DataFrame,
    grouping: str,
) -> Section:
    told = [str(metric) for metric in found["metric"].unique()]
    shown = [
        *(m for m in (frames.definition.objective.metric, *frames.definition.metrics) if m in told)
    ]
    title = f"Per {grouping}"
    if not shown:
        names = numbers.listing(told)
        said = f"The metrics that are told by {grouping} ({names}) are none of the study's: see "
        return Section(title, (text(said, Code(FILE), "."),))
    metric = shown[0]
    of_metric = found[found["metric"] == metric]
    blocks: list[Block] = [
        text(*_facts(frames, of_metric, grouping, metric, [m for m in told if m != metric])),
    ]
    over = over_groups(frames, groups, comparisons, grouping, metric)
    if any(row.mean.groups > 1 for row in over):
        blocks += [
            text(
                "Over all of them, with intervals that hold for other groups of this kind and "
                "other seeds (both are drawn anew, 2,000 times):"
            ),
            table(_OVER, [_over_row(row) for row in over], {*_OVER} - {"arm", "comparator"}),
        ]
    chosen = telling_groups(of_metric, SHOWN) or [*of_metric["group"].unique()[:SHOWN]]
    blocks += [text(_which(of_metric, chosen)), _matrix(of_metric, chosen)]
    if bool(of_metric["gain"].notna().any()):
        shown_differences, left = _differences(of_metric)
        blocks += [
            text(
                "Each arm beside its comparator, its worst groups first. "
                f"{_by_chance(int(of_metric['low'].notna().sum()))}"
            ),
            shown_differences,
        ]
        if left:
            blocks.append(text(f"{numbers.plural(left, 'more row')} in ", Code(FILE), "."))
    return Section(title, tuple(blocks))


def _by_chance(count: int) -> str:
    """Say how many of some intervals, each by itself, miss 0 by chance alone."""
    return (
        f"No interval is corrected for their number: if no arm differed in any group, about "
        f"{0.05 * count:.2g} of these {count} would miss 0 by chance alone."
    )


def _facts(
    frames: AblationFrames,
    of_metric: pd.DataFrame,
    grouping: str,
    metric: str,
    others: Sequence[str],
) -> tuple[Inline, ...]:
    """Say what is read, of how many groups of which size, and where the rest is."""
    count = of_metric["group"].nunique()
    objective = frames.definition.objective
    where = "at the last epoch" if objective.at == "last" else "at the best epoch"
    sizes = numbers.span(of_metric["examples"].tolist())
    way = frames.definition.metrics[metric]
    also: tuple[Inline, ...] = ()
    if others:
        also = (f"; also told by {grouping}: {numbers.listing(others)}",)
    return (
        Strong(metric),
        f" ({way}) by {grouping}: {numbers.plural(count, 'group')} of {sizes} examples, {where} of "
        f"{objective.metric}",
        *also,
        ". All numbers are in ",
        Code(FILE),
        ".",
    )


def _which(of_metric: pd.DataFrame, chosen: Sequence[str]) -> str:
    """Say which groups are the columns of the matrix."""
    total = of_metric["group"].nunique()
    if len(chosen) == total:
        return "Means over the seeds:"
    if bool(of_metric["gain"].notna().any()):
        return (
            f"Means over the seeds in the {len(chosen)} of {total} groups in which arms differ "
            "most from their comparators:"
        )
    return f"Means over the seeds in {len(chosen)} of {total} groups:"


def _over_row(row: OverGroups) -> tuple[Inline, ...]:
    difference = row.difference
    return (
        Code(row.arm),
        numbers.statistic(row.mean.estimate),
        interval(row.mean.low, row.mean.high),
        str(row.mean.n),
        Code(row.comparator) if row.comparator else numbers.NOTHING,
        numbers.NOTHING if difference is None else numbers.statistic(difference.estimate),
        numbers.NOTHING if difference is None else interval(difference.low, difference.high),
    )


def _matrix(of_metric: pd.DataFrame, chosen: Sequence[str]) -> Table:
    means = {
        (arm, group): mean
        for arm, group, mean in zip(
            *(of_metric[name].tolist() for name in ("arm", "group", "mean")), strict=True
        )
    }
    rows: list[tuple[Inline, ...]] = [
        (
            Code(arm),
            *(numbers.statistic(means.get((arm, group), float("nan"))) for group in chosen),
        )
        for arm in of_metric["arm"].unique()
    ]
    return table(["arm", *chosen], rows, {*chosen})


def _differences(of_metric: pd.DataFrame) -> tuple[Table, int]:
    """Return the differences of every arm, the worst first, and how many are left out."""
    known = of_metric.dropna(subset="gain")
    arms = list(known["arm"].unique())
    each = max(_ROWS // len(arms), 1)
    shown = known.groupby("arm", sort=False).head(each)
    heads = tuple(Column(name, name not in {"group", "comparator"}) for name in _DIFFERENCES)
    by_arm = [
        (
            str(arm),
            tuple(
                (
                    Code(row["group"]),
                    str(row["examples"]),
                    str(row["n"]),
                    numbers.statistic(row["mean"]),
                    f"{row['comparator']}: {numbers.statistic(row['comparator_mean'])}",
                    numbers.statistic(row["difference"]),
                    interval(row["low"], row["high"]),
                )
                for row in rows.to_dict("records")
            ),
        )
        for arm, rows in shown.groupby("arm", sort=False)
    ]
    return Table(heads, tuple(by_arm)), len(known) - len(shown)
