"""What the trials of a search show: figures and tables with their computed reasons."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ablate.analysis import (
    SearchConclusions,
    best_so_far,
    curves,
    drawn_values,
    expected_best,
    importances_table,
)
from ablate.reports import figures, numbers, parts
from ablate.reports.blocks import Block, Code, Figure, Listing, Row, Section, Value, table, text
from ablate.reports.search_names import short_names
from ablate.spec import Choice, FloatRange, IntRange, Status
from ablate.spec.secrets import hidden

_INFEASIBLE = " One that breaks a constraint counts as the worst that breaks none."
BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def sections(concluded: SearchConclusions) -> tuple[Section, ...]:
    """Show how the value came down, what mattered, and where the trials lie."""
    return (
        _history_section(concluded),
        _importance_section(concluded),
        *_parameters_sections(concluded),
    )


# --- history -----------------------------------------------------------------------------


def _history_section(concluded: SearchConclusions) -> Section:
    frames, trials = concluded.frames, concluded.trials
    objective = frames.definition.objective
    metric = objective.metric
    history = best_so_far(trials, objective.direction)
    pruned = trials[(trials["state"] == Status.PRUNED) & trials["last"].map(math.isfinite)]
    broken = trials[(trials["infeasible"] != "") & trials["value"].map(math.isfinite)]
    if history.empty and pruned.empty and broken.empty:
        return Section("History", (text("No trial has a finite value yet."),))
    drawing = figures.draw_history(
        _pairs(history["number"], history["value"]),
        _pairs(pruned["number"], pruned["last"]),
        _pairs(history["number"], history["best"]),
        ("trial", metric),
        title=f"History of {metric}",
        failed=trials.loc[trials["state"] == Status.FAILED, "number"].tolist(),
        infeasible=_pairs(broken["number"], broken["value"]),
        log=objective.direction.lower_is_better,
    )
    caption = f"{metric} of every complete trial, of pruned ones where they ended, and the best."
    blocks: list[Block] = [Figure("history.svg", drawing, caption)]
    if drawn := _curves_figure(concluded):
        blocks.append(drawn)
    return Section("History", tuple(blocks))


def _curves_figure(concluded: SearchConclusions) -> Figure | None:
    frames, best = concluded.frames, concluded.best
    metric = frames.definition.objective.metric
    if best is None:
        return None
    values = frames.values_of(metric)
    told = frames.current.iloc[values.run[values.starts]]
    if told.empty:
        return None
    own = told.loc[told["trial"] == best.number, "run_id"].tolist()
    runs = sorted(told.loc[told["trial"] != best.number, "run_id"].tolist())
    some = figures.every(runs, figures.MOST_BEHIND)
    found = curves(frames, metric, {*own, *some}).drop_duplicates(["run_id", "epoch"], keep="last")
    mean = found[found["run_id"].isin(own)].groupby("epoch")["value"].mean()
    others = found[found["run_id"].isin(some)]
    behind = [_pairs(curve["epoch"], curve["value"]) for _, curve in others.groupby("run_id")]
    drawing = figures.draw_curves(
        [figures.Curve(f"trial {best.number} (best)", _pairs(mean.index, mean))],
        [],
        ("epoch", metric),
        title=f"{metric} of the best trial",
        log=frames.definition.objective.direction.lower_is_better,
        behind=behind,
        more_behind=len(runs) - len(behind),
    )
    caption = (
        f"{metric} on the {parts.data_read(frames, metric)}: "
        "the best trial (mean over its seeds) before all runs."
    )
    return Figure("curves.svg", drawing, caption)


# --- importances -------------------------------------------------------------------------


def _importance_section(concluded: SearchConclusions) -> Section:
    found, kind = concluded.importances, concluded.frames.definition.counting
    rows = importances_table(concluded)
    short = dict(zip(rows["parameter"], short_names(rows["parameter"].tolist()), strict=True))
    blocks: list[Block] = []
    if found.why_not:
        blocks.append(text(f"Importances are not computed: {found.why_not}."))
    else:
        drawing = figures.draw_bars(
            [figures.Bar(short[row.parameter], row.share, row.low, row.high) for row in found.rows],
            "share of the importance",
            title="Importance of the parameters",
        )
        used = "" if found.used == found.trials else f" (of which {found.used} were used)"
        caption = (
            f"How much each parameter mattered for being among the best quarter of {found.trials} "
            f"{kind} trials{used}; whiskers: 95 of 100 bootstrap resamples."
        )
        blocks.append(Figure("importances.svg", drawing, caption))
    if good := concluded.next.good:
        blocks.append(
            text(
                f"Good trials are the best quarter of the {kind} ones: {good} of "
                f"{concluded.next.trials}."
            )
        )
    blocks.append(_importance_table(rows, short))
    return Section("Importance", tuple(blocks))


def _importance_table(rows: pd.DataFrame, short: dict[str, str]) -> Block:
    """Show importance, direction and edges of every parameter."""
    shown: list[Row] = []
    for row in rows.to_dict("records"):
        told = row["importance"] == row["importance"]
        share = numbers.percent(row["importance"]) if told else numbers.NOTHING
        spread = f"{numbers.percent(row['low'])} to {numbers.percent(row['high'])}"
        direction = f"{row['rho']:+.2f} ({row['rho_low']:+.2f} to {row['rho_high']:+.2f})"
        shown.append(
            (
                Code(short[row["parameter"]]),
                Value(share, row["importance"]),
                spread if told else numbers.NOTHING,
                numbers.statistic(row["p_shuffled"]),
                direction if row["rho"] == row["rho"] else numbers.NOTHING,
                f"{row['at_low']} and {row['at_high']} of {row['good']}",
                str(row["trials"]),
            )
        )
    columns = ["parameter", "importance", "95 % spread", "p of shuffles", "larger is better"]
    columns += ["good trials at the edges", "trials"]
    return table(columns, shown, {*columns[1:]}, "Importance, direction and edges")


# --- parameters --------------------------------------------------------------------------


def _parameters_sections(concluded: SearchConclusions) -> tuple[Section, ...]:
    """Show the value against the parameters: all at once, one by one, and the first two."""
    dimensions, samples = _samples(concluded)
    metric = concluded.frames.definition.objective.metric
    minimize = concluded.frames.definition.objective.direction.lower_is_better
    if all(sample.aside for sample in samples) or not dimensions:
        return ()
    parallel = figures.draw_parallel(
        dimensions, samples, metric, title=f"{metric} by all parameters", minimize=minimize
    )
    slices = figures.draw_slices(
        dimensions, samples, metric, title=f"{metric} by each parameter", minimize=minimize
    )
    blocks: list[Block] = [
        Figure("parallel.svg", parallel, "A line for every trial, through its parameters."),
        Figure("slices.svg", slices, f"{metric} of every trial against each parameter."),
    ]
    if len(dimensions) > 1 and not concluded.importances.why_not:
        first, second = dimensions[:2]
        contour = figures.draw_contour(
            (first, second),
            [replace(one, settings=one.settings[:2]) for one in samples],
            metric,
            title=f"{metric} by {first.name} and {second.name}",
            minimize=minimize,
        )
        if contour is not None:
            caption = f"{metric} over the two most important parameters."
            blocks.append(Figure("contour.svg", contour, caption))
    return (Section("Parameters", tuple(blocks)),)


def _samples(
    concluded: SearchConclusions,
) -> tuple[list[figures.Dimension], list[figures.Sample]]:
    """Return the parameters, the most important first, and the trials that have a value."""
    space = concluded.frames.definition.space
    paths = importances_table(concluded)["parameter"].tolist()
    dimensions = [
        _dimension(name, path, space[path])
        for path, name in zip(paths, short_names(paths), strict=True)
    ]
    samples = []
    for trial in concluded.trials.to_dict("records"):
        if trial["state"] not in {Status.COMPLETE, Status.PRUNED}:
            continue
        settings: list[figures.Setting] = []
        for path in paths:
            value = trial["params"].get(path)
            known = path in trial["params"] and space[path].admits(value)
            choice = isinstance(space[path], Choice)
            settings.append(None if not known else _label(path, value) if choice else value)
        pruned = trial["state"] == Status.PRUNED
        last, infeasible = float(trial["last"]), bool(trial["infeasible"])
        samples.append(figures.Sample(trial["number"], tuple(settings), last, pruned, infeasible))
    return dimensions, samples


def _dimension(
    name: str, path: str, parameter: FloatRange | IntRange | Choice
) -> figures.Dimension:
    if isinstance(parameter, Choice):
        choices = dict.fromkeys(_label(path, label) for label in parameter.labels)
        return figures.Dimension(name, choices=tuple(choices))
    return figures.Dimension(name, log=parameter.log)


def _label(path: str, label: object) -> str:
    return numbers.plain(hidden(path, label))


# --- what next ---------------------------------------------------------------------------


def next_section(concluded: SearchConclusions) -> Section:
    """Show the proposed space as a study writes it, with the reasons."""
    proposed = concluded.next
    if proposed.why_not:
        return Section("Next space", (text(f"No space is proposed: {proposed.why_not}."),))
    said = text(
        "A proposal from where the good trials lie, also in ",
        Code("next_space.yaml"),
        ", to be copied into a study.",
    )
    return Section("Next space", (said, Listing(tuple(proposed.as_yaml().splitlines()))))


def budget_sections(concluded: SearchConclusions) -> tuple[Section, ...]:
    """Show what value to expect of a smaller budget; no section without a complete trial."""
    frames, curve = concluded.frames, concluded.curve
    if len(curve) < 2:
        return ()
    metric = frames.definition.objective.metric
    sampler = frames.definition.sampler.class_path.rpartition(".")[2]
    points = _pairs(curve["trials"], curve["expected"])
    values = drawn_values(frames, concluded.trials)
    lowest, highest = min(values), max(values)
    band = [
        (float(n), max(lowest, mean - sd), min(highest, mean + sd))
        for n, mean, sd in curve.itertuples(index=False, name=None)
    ]
    drawing = figures.draw_curves(
        [figures.Curve("expected best", points, band=band)],
        [],
        ("trials", metric),
        title=f"Expected best {metric} by budget",
        stairs=True,
    )
    caption = f"Expected best {metric} of so many trials; shaded: one standard deviation around it."
    said = text(
        f"The best of so many trials drawn at random from the {len(values)} that ended with a "
        "value, pruned ones at their last; drawn in any order, not in that in which ",
        Code(sampler),
        " proposed them.",
    )
    budgets = [n for n in BUDGETS if n < len(values)] + [len(values)]
    rows: list[Row] = []
    for budget in budgets:
        mean, sd = expected_best(values, frames.definition.objective.direction, budget)
        shown = Value(numbers.number(mean), mean), Value(numbers.number(sd), sd)
        rows.append((Value(numbers.count(budget), budget), *shown))
    columns = ["trials", f"expected best {metric}", "sd"]
    listed = table(columns, rows, set(columns), "Expected best value by budget")
    return (Section("Value by budget", (said, Figure("budget.svg", drawing, caption), listed)),)


def methods(concluded: SearchConclusions) -> Sequence[str]:
    """Say how the numbers of these sections were computed, as far as they are there."""
    found, said = concluded.importances, []
    if not found.why_not:
        kind = concluded.frames.definition.counting
        said.append(
            "Importance: PED-ANOVA (Watanabe, Bansal and Hutter 2023; conditional parameters: "
            "arXiv 2601.20800) as Optuna computes it, the divergence of the density of the best "
            f"quarter of the {kind} trials from that of all of them, as a share of the sum. "
            f"The spread is that over {found.resamples} bootstrap resamples of the trials; the p "
            f"of shuffles is the share of {found.resamples} shuffles of the values among the "
            "trials that give as much importance."
        )
    if not concluded.next.why_not:
        said.append(
            "Larger is better: Spearman's rank correlation of the parameter with how good the "
            "value is, with the interval of Bonett and Wright (2000). A good trial is at an edge "
            "in the outer tenth of the range."
        )
        said.append(
            "Next space: a range is narrowed to the middle of the good trials where even draws lie "
            "so close together at most once in 100 times (Beta distribution of order statistics), "
            "and widened by half where so many lie at an edge at most once in 100 times (binomial; "
            "at most 5 times where the rank correlation points there too); a choice loses a label "
            "that no good trial has where that is as rare (hypergeometric)."
        )
    if len(concluded.curve) > 1:
        said.append(
            "Expected best of n trials (Dodge et al. 2019): the sum over the values v of "
            "v (P(V ≤ v)^n - P(V < v)^n), P by the values themselves; where lower is better, the "
            "other way round. No pruned trial counts as better than the best complete one."
            + _INFEASIBLE
            * bool(concluded.counts.infeasible)
        )
    return said


def _pairs(xs: Iterable[Any], ys: Iterable[Any]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
