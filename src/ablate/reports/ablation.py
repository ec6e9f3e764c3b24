"""The report of an ablation."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from ablate.analysis import (
    AblationFrames,
    Cell,
    Conclusions,
    Relation,
    confirmed_table,
    curves,
    leaders,
)
from ablate.reports import audit, confirmed, figures, numbers, parts, published, tuned
from ablate.reports.audit import Audit
from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
    Column,
    Document,
    Figure,
    Inline,
    Paragraph,
    Section,
    Strong,
    Table,
    table,
    text,
)
from ablate.reports.sections import added_sections
from ablate.spec import AblationDefinition, Arm, Changes, designs
from ablate.spec.secrets import hidden

ARMS = ("arm", "undeclared")
FLOORS = ("floor",)
GROUPS = {"arm": "", "undeclared": "No longer declared", "floor": "Floor: trivial predictors"}


def document(
    conclusions: Conclusions,
    directories: Mapping[int, str],
    audited: Audit,
    pictures: tuple[Section, ...] = (),
) -> Document:
    """Compose the report of an ablation; `directories` are what to show by run id."""
    frames, compared = conclusions.frames, conclusions.table
    metrics = frames.definition.metrics
    sections = [
        *confirmed.sections(frames),
        *(_metric_section(conclusions, metric) for metric in metrics),
        *tuned.sections(conclusions),
        *published.sections(frames),
        *audit.sections(audited),
        *pictures,
        _changes_section(frames),
        parts.profile_section(frames),
        parts.runs_section(frames, directories),
        parts.failures_section(frames),
        parts.environment_section(frames),
        *added_sections(frames),
        _method_section(conclusions),
    ]
    lead: list[Block] = [_facts(frames), *(_summary(compared, metric) for metric in metrics)]
    if audited.made or not confirmed_table(frames).size:  # trials are no arms to be audited
        lead.append(audit.summary(audited, frames.name))
    if remark := _not_counted(compared):
        lead.append(remark)
    return Document(f"Ablation: {frames.name}", tuple(lead), tuple(sections))


def _facts(frames: AblationFrames) -> Paragraph:
    definition = frames.definition
    arms, floors, seeds = len(definition.trained), len(definition.floors), definition.seeds
    words = [numbers.plural(arms, "arm")]
    if floors:
        words.append(numbers.plural(floors, "floor"))
    words.append(f"{numbers.plural(len(seeds), 'seed')} ({', '.join(map(str, seeds))})")
    return text(
        f"{numbers.listing(words)}, design ",
        Code(", ".join(definition.designs)),
        ", profile ",
        Code(definition.profile),
        f". {parts.run_counts(frames)}.",
    )


def _summary(compared: pd.DataFrame, metric: str) -> Paragraph:
    """Say in computed words which arm leads on a metric and how it stands to the floor."""
    rows = compared[compared["metric"] == metric]
    direction = rows["direction"].iloc[0]
    highest = direction.superlative
    head: tuple[Inline, ...] = (Strong(metric), f" ({direction}): ")
    first = leaders(compared, metric, ARMS)
    if first.empty:
        return text(*head, "no run of any arm counts yet.")
    floor = leaders(compared, metric, FLOORS)
    with_value = rows[rows["kind"].isin(ARMS) & (rows["n"] > 0)]
    if len(with_value) == 1:
        said: tuple[Inline, ...] = (
            *_named(first),
            f", the only arm with a value, has the mean {_mean(first)}, ",
        )
    else:
        verb = "has" if len(first) == 1 else "share"
        said = (*_named(first), f" {verb} the {highest} mean, {_mean(first)}, ")
    said = (*said, _basis(first))
    if floor.empty:
        has_floor = bool((rows["kind"] == "floor").any())
        return text(*head, *said, "; no run of a floor counts yet." if has_floor else ".")
    gap = float(first["mean"].iloc[0]) - float(floor["mean"].iloc[0])
    side = "equal to" if gap == 0 else f"{numbers.number(abs(gap))} {_side(gap)}"
    return text(
        *head,
        *said,
        f"; {side} the {highest} floor, ",
        *_named(floor),
        f" ({_mean(floor)}, {_basis(floor)}).",
    )


def _side(gap: float) -> str:
    return "above" if gap > 0 else "below"


def _mean(rows: pd.DataFrame) -> str:
    return numbers.number(float(rows["mean"].iloc[0]))


def _named(rows: pd.DataFrame) -> tuple[Inline, ...]:
    names: list[Inline] = []
    for arm in rows["arm"]:
        names += [" and ", Code(arm)]
    return tuple(names[1:])


def _basis(rows: pd.DataFrame) -> str:
    """Word on how many runs a mean stands, with the trials."""
    cells = [cell for of_arm in rows["cells"] for cell in of_arm if cell.counted]
    total = int(rows["runs"].sum())
    trials = numbers.listing(sorted({cell.trial for cell in cells}))
    noun = "trial" if len(cells) == 1 else "trials"
    return f"over {len(cells)} of {numbers.plural(total, 'run')} ({noun} {trials})"


def _not_counted(compared: pd.DataFrame) -> Bullets | None:
    """List what is in no mean, with reasons; equal reasons of an arm are said once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    items: list[tuple[Inline, ...]] = []
    outdated: dict[str, int] = {}
    for row in compared.to_dict("records"):
        for cell in row["cells"]:
            if not cell.counted:
                where = "" if cell.trial is None else f" (trial {cell.trial})"
                found.setdefault((row["arm"], cell.why), {})[f"{cell.seed}{where}"] = None
        if row["outdated"]:
            outdated[row["arm"]] = row["outdated"]
    for (arm, why), seeds in found.items():
        noun, verb = ("seed", "is") if len(seeds) == 1 else ("seeds", "are")
        said = f", {noun} {numbers.listing(seeds)}, {verb} not counted: {why}."
        items.append(("Arm ", Code(arm), said))
    for arm, amount in outdated.items():
        said = f": {numbers.plural(amount, 'run')} made under an earlier definition not counted."
        items.append(("Arm ", Code(arm), said))
    return Bullets(tuple(items)) if items else None


def _metric_section(conclusions: Conclusions, metric: str) -> Section:
    frames, compared = conclusions.frames, conclusions.table
    rows = compared[compared["metric"] == metric]
    best = leaders(compared, metric, ARMS)["arm"].tolist()
    blocks: list[Block] = [_arms(rows, best, frames.definition)]
    if beside := _comparisons(conclusions, metric):
        blocks.append(beside)
    figure = _curves_figure(frames, rows, metric)
    if figure is not None:
        blocks.append(figure)
    return Section(f"{metric} ({rows['direction'].iloc[0]})", tuple(blocks))


def _arms(rows: pd.DataFrame, best: list[str], definition: AblationDefinition) -> Table:
    made = {arm.name: arm.design for arm in definition.trained} if definition.components else {}
    seeds = sorted({cell.seed for cells in rows["cells"] for cell in cells})
    names: tuple[str, ...] = ("n", "mean", "sd")
    names = (*names, *(f"seed {seed}" for seed in seeds))
    names = (*names, "best epoch", "last epoch", "parameters")
    labels = [Column("arm"), Column("design")] if made else [Column("arm")]
    heads = [*labels, *(Column(name, numeric=True) for name in names)]
    groups = []
    records = rows.to_dict("records")
    for kind, label in GROUPS.items():
        lines: list[tuple[Inline, ...]] = []
        for row in records:
            if row["kind"] != kind:
                continue
            name = f"{row['arm']} (reference)" if row["reference"] else row["arm"]
            mean = numbers.statistic(row["mean"])
            by_seed = {cell.seed: cell for cell in row["cells"]}
            lines.append(
                (
                    Code(name) if not row["reference"] else Strong(name),
                    *((made.get(row["arm"], ""),) if made else ()),
                    f"{row['n']} of {row['runs']}",
                    Strong(mean) if row["arm"] in best else mean,
                    numbers.statistic(row["sd"]),
                    *(_cell(by_seed.get(seed)) for seed in seeds),
                    numbers.span(row["best_epochs"]),
                    numbers.span(row["last_epochs"]),
                    numbers.span(row["parameters"]),
                )
            )
        groups.append((label, tuple(lines)))
    return Table(tuple(heads), tuple(groups))


def _comparisons(conclusions: Conclusions, metric: str) -> Table | None:
    """Set every arm beside its comparators, with verdict and reason."""
    rows: list[tuple[Inline, ...]] = [
        (
            Code(row.arm),
            Code(row.comparator),
            str(row.n),
            ("+" if row.difference > 0 else "") + numbers.statistic(row.difference),
            numbers.between(row.low, row.high),
            str(row.verdict),
            row.reason,
        )
        for row in conclusions.comparisons
        if row.metric == metric and row.relation is not Relation.FLOOR
    ]
    heads = ["arm", "compared with", "n", "difference", "95 % interval", "verdict", "reason"]
    return table(heads, rows, set(heads[2:5])) if rows else None


def _cell(cell: Cell | None) -> str:
    """Write a value with its trial, or the first word of why there is none."""
    if cell is None:
        return numbers.NOTHING
    if cell.trial is None:
        return cell.reading
    shown = numbers.number(cell.value) if cell.counted else cell.reading
    return f"{shown} (#{cell.trial})"


def _curves_figure(frames: AblationFrames, rows: pd.DataFrame, metric: str) -> Figure | None:
    found = curves(frames, metric).drop_duplicates(["run_id", "epoch"], keep="last")
    if found.empty:
        return None
    lines = []
    levels = []
    for row in rows.to_dict("records"):
        arm_curves = found[found["arm"] == row["arm"]]
        if row["kind"] != "floor" and not arm_curves.empty:
            lines.append(
                _line(row["arm"], arm_curves, [c.trial for c in row["cells"] if c.counted])
            )
        if row["kind"] == "floor" and row["n"]:
            levels.append(figures.Level(row["arm"], float(row["mean"])))
    falls = all(direction.lower_is_better for direction in rows["direction"])
    svg = figures.draw_lines(lines, levels, ("epoch", metric), log=falls)
    data = parts.data_read(frames, metric)
    caption = f"{metric} on the {data}: mean over the seeds that count, every seed thin"
    caption += "; floors dashed." if levels else "."
    return Figure(f"curves-{figures.file_part(metric)}.svg", svg, caption)


def _line(label: str, arm_curves: pd.DataFrame, counted: list[int]) -> figures.Line:
    """Draw every seed, and the mean of those that count where all of them have a value.

    A mean over fewer and fewer seeds would jump where one of them ends.
    """
    wide = arm_curves.pivot(index="epoch", columns="trial", values="value").astype(float)
    averaged = wide[counted]
    complete = averaged[averaged.map(math.isfinite).all(axis=1)]
    mean = _pairs(complete.mean(axis=1)) if counted else []
    return figures.Line(label, mean, tuple(_pairs(wide[trial]) for trial in wide.columns))


def _pairs(series: "pd.Series[float]") -> list[tuple[float, float]]:
    return list(zip(series.index.tolist(), series.tolist(), strict=True))


def _changes_section(frames: AblationFrames) -> Section:
    definition = frames.definition
    floors = _changes_of(definition.floors)
    if definition.components:
        blocks: tuple[Block, ...] = (
            text("Arms are sets of components; each changes the base configuration alone."),
            _layout_table(definition.trained),
            text("What each component changes:"),
            _changes_table({"component": definition.components, "floor": floors}),
        )
        return Section("What each arm changes", blocks)
    said, arms = "Each arm changes the base configuration alone.", _changes_of(definition.trained)
    if "ladder" in definition.designs and not definition.tuned:
        said, arms = "Each arm keeps the changes of the arms above it.", _changes_added(arms)
    changes = _changes_table({"arm": arms, "floor": floors})
    return Section("What each arm changes", (text(said), changes))


def _changes_added(arms: Mapping[str, Changes]) -> dict[str, Changes]:
    """Return what each arm of a ladder adds to the changes of the arm before it."""
    before = ({}, *arms.values())
    return {
        name: designs.added(earlier, changes)
        for earlier, (name, changes) in zip(before, arms.items(), strict=False)
    }


def _changes_of(arms: Iterable[Arm]) -> dict[str, Changes]:
    return {arm.name: arm.changes for arm in arms}


def _layout_table(arms: Iterable[Arm]) -> Table:
    """Show how each arm came about and which components it has."""
    rows: list[tuple[Inline, ...]] = [
        (Code(arm.name), arm.design, ", ".join(arm.components) or numbers.NOTHING) for arm in arms
    ]
    return table(["arm", "design", "components"], rows)


def _changes_table(groups: Mapping[str, Mapping[str, Changes]]) -> Table:
    """List the changes by role and name."""
    rows: list[tuple[Inline, ...]] = []
    for role, members in groups.items():
        for name, changes in members.items():
            named: tuple[Inline, Inline] = (Code(name), role)
            for path, value in changes.items():
                rows.append((*named, Code(path), Code(numbers.plain(hidden(path, value)))))
                named = ("", "")
            if not changes:
                rows.append((*named, "no changes", ""))
    return table(["name", "role", "path", "value"], rows)


def _method_section(conclusions: Conclusions) -> Section:
    frames = conclusions.frames
    definition = frames.definition
    objective = definition.objective
    name, best = Code(objective.metric), objective.at == "best"
    where = (
        " has its best value in the run (the earliest, if several)" if best else " is recorded last"
    )
    trained = set(frames.training_metrics)
    data = "validation" if not trained or set(definition.metrics) - trained else "training"
    items: tuple[tuple[Inline, ...], ...] = (
        (
            f"All metrics of a run are read on the {data} data at the step where ",
            name,
            f"{where}.",
        ),
        *_training_item(frames),
        (
            "A value counts if its run is complete, the value is finite and ",
            name,
            " was finite to the end of the run; n says how many values count, of how many runs.",
        ),
        ("Epochs count from 0, as in the logs of Lightning.",),
        ("For each arm and seed the newest run under the current definition of the arm is read.",),
        ("Mean and standard deviation (sd, with n-1) are taken over the values that count.",),
        *_comparison_items(conclusions),
    )
    return Section("How it was computed", (Bullets(items),))


def _training_item(frames: AblationFrames) -> tuple[tuple[Inline, ...], ...]:
    """Name the metrics that are read on the training data, if there are some."""
    names = frames.training_metrics
    if not names:
        return ()
    first, *others = names
    listed: list[Inline] = [Code(first)]
    for name in others:
        listed += [", ", Code(name)]
    return ((*listed, ": read on the training data, as nothing logs this in validation."),)


def _comparison_items(conclusions: Conclusions) -> tuple[tuple[Inline, ...], ...]:
    """Say how arms are compared, if some are."""
    rows = [row for row in conclusions.comparisons if row.relation is not Relation.FLOOR]
    if not rows:
        return ()
    family = sum(row.primary and math.isfinite(row.p_holm) for row in rows)
    corrected: tuple[Inline, ...] = (
        f"p-values of {conclusions.primary} are corrected after Holm for "
        f"{numbers.plural(family, 'comparison')}; an arm is better or worse if p is at most "
        "0.05 and the interval does not include 0.",
    )
    return (
        (
            "A difference is the mean of the arm less that of the arm it is compared with, by seed "
            "over the seeds that count for both, with Student's 95 % interval.",
        ),
        *((corrected,) if family else ()),
    )
