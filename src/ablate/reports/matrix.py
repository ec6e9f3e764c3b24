"""All arms on all metrics, and the values of every seed."""

from collections.abc import Sequence

from ablate.analysis import Cell as Reading
from ablate.analysis import Conclusions, Estimate, Relation
from ablate.reports import numbers
from ablate.reports.anchors import arm_link, trial_link
from ablate.reports.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Folded,
    Inline,
    Row,
    Section,
    Table,
    Value,
    text,
)
from ablate.reports.listed import listed_arms, of_all
from ablate.reports.verdicts import best, cell, summary, verdict_table

GROUPS = {"arm": "", "undeclared": "No longer declared", "floor": "Trivial predictors"}
MOST_CELLS = 1000
"""A table of the values by seed shows no more values than this."""


def section(concluded: Conclusions) -> Section:
    """Show every arm on every metric, and what is in no mean."""
    blocks: list[Block] = [_matrix(concluded)]
    metrics = dict.fromkeys([concluded.primary, *concluded.frames.definition.metrics])
    secondary = [metric for metric in metrics if metric != concluded.primary]
    if secondary:
        blocks.append(_secondary(concluded, secondary))
    blocks += [_by_seed(concluded, metric) for metric in metrics]
    blocks += _not_counted(concluded)
    return Section("Arms and metrics", tuple(blocks))


def _rows(concluded: Conclusions, metric: str, kind: str) -> list[Estimate]:
    rows = concluded.estimates.values()
    return [row for row in rows if row.metric == metric and row.kind == kind]


def _named(concluded: Conclusions, arm: str) -> Cell:
    reference = arm == concluded.frames.definition.reference
    return (arm_link(arm), " (reference)") if reference else arm_link(arm)


def _matrix(concluded: Conclusions) -> Table:
    definition = concluded.frames.definition
    metrics = {concluded.primary: None, **dict.fromkeys(definition.metrics)}
    made = {arm.name: arm.design for arm in definition.trained} if definition.components else {}
    heads = [Column("arm"), *([Column("design")] if made else [])]
    heads += [Column("n", numeric=True)]
    heads += [Column(f"{metric} ({definition.metrics[metric]})") for metric in metrics]
    groups, arms, total = [], listed_arms(concluded), 0
    for kind, label in GROUPS.items():
        rows: list[Row] = []
        firsts = _rows(concluded, concluded.primary, kind)
        total += len(firsts)
        for first in (row for row in firsts if row.arm in arms):
            found = [concluded.estimates[metric, first.arm] for metric in metrics]
            rows.append(
                (
                    _named(concluded, first.arm),
                    *((made.get(first.arm, numbers.NOTHING),) if made else ()),
                    numbers.span(row.n for row in found),
                    *(cell(concluded, row) for row in found),
                )
            )
        groups.append((label, tuple(rows)))
    caption = "Mean with its 95 % interval and the verdict beside the arm's comparator"
    caption += of_all(len(arms), total, "arms.csv")
    return Table(tuple(heads), tuple(groups), caption)


def _secondary(concluded: Conclusions, metrics: Sequence[str]) -> Folded:
    blocks: list[Block] = []
    for metric in metrics:
        blocks.append(text(Code(metric), ": ", *summary(concluded, metric)))
        blocks.append(Bullets((best(concluded, metric),)))
        rows = [
            row
            for row in concluded.comparisons
            if row.metric == metric and row.relation is not Relation.FLOOR
        ]
        if rows:
            blocks.append(verdict_table(concluded, rows, f"Verdicts on {metric}"))
    said = f"Verdicts on {numbers.plural(len(metrics), 'secondary metric')}: "
    return Folded((said, ", ".join(metrics)), tuple(blocks))


def _by_seed(concluded: Conclusions, metric: str) -> Block:
    """Show the value of every arm with every seed, its trial beside it."""
    rows = [row for row in concluded.estimates.values() if row.metric == metric]
    seeds = sorted({cell.seed for row in rows for cell in row.cells})
    said = f"Values of {metric} by seed"
    if len(rows) * len(seeds) > MOST_CELLS:
        return text(f"{said}: {len(rows)} arms with {len(seeds)} seeds, in ", Code("arms.csv"), ".")
    of_arm = {
        row["arm"]: row
        for row in concluded.table[concluded.table["metric"] == metric].to_dict("records")
    }
    names = ["n", "mean", "sd", "median", "IQM", *(f"seed {seed}" for seed in seeds)]
    names += ["read at epoch", "last epoch"]
    heads = [Column("arm"), *(Column(name, numeric=True) for name in names)]
    groups = []
    for kind, label in GROUPS.items():
        lines: list[Row] = []
        for row in rows:
            if row.kind != kind:
                continue
            by_seed = {cell.seed: cell for cell in row.cells}
            facts = of_arm[row.arm]
            lines.append(
                (
                    _named(concluded, row.arm),
                    _amount(row),
                    Value(numbers.statistic(row.mean), row.mean),
                    *map(numbers.statistic, (row.sd, row.median, row.iqm)),
                    *(_value(by_seed.get(seed)) for seed in seeds),
                    numbers.span(facts["best_epochs"]),
                    numbers.span(facts["last_epochs"]),
                )
            )
        groups.append((label, tuple(lines)))
    return Folded((said,), (Table(tuple(heads), tuple(groups), said),))


def _amount(row: Estimate) -> str:
    """Write how many values count, of how many cells; equal values of a floor are one."""
    if row.interval == "deterministic":
        return "1 (deterministic)"
    return f"{row.n} of {len(row.cells)}"


def _value(found: Reading | None) -> Cell:
    """Write a value with its trial, or the first word of why there is none."""
    if found is None:
        return numbers.NOTHING
    if found.trial is None:
        return str(found.reading)
    shown = numbers.number(found.value) if found.counted else str(found.reading)
    return (Value(shown, found.value), " (", trial_link(found.trial), ")")


def _not_counted(concluded: Conclusions) -> list[Block]:
    """List what is in no mean, with reasons; equal reasons of an arm are said once."""
    found: dict[tuple[str, str], dict[int, int | None]] = {}
    for row in concluded.estimates.values():
        for read in row.cells:
            if not read.counted:
                found.setdefault((row.arm, read.why), {})[read.seed] = read.trial
    items: list[tuple[Inline, ...]] = []
    for (arm, why), seeds in found.items():
        noun, verb = ("seed", "is") if len(seeds) == 1 else ("seeds", "are")
        shown: list[Inline] = []
        for seed, trial in seeds.items():
            shown += [", ", str(seed)]
            shown += [] if trial is None else [" (", trial_link(trial), ")"]
        items.append(
            ("Arm ", arm_link(arm), f", {noun} ", *shown[1:], f", {verb} not counted: {why}.")
        )
    outdated = concluded.table.drop_duplicates("arm").set_index("arm")["outdated"]
    for name, amount in outdated[outdated > 0].items():
        verb = "is" if amount == 1 else "are"
        runs = numbers.plural(int(amount), "run")
        said = f": {runs} made under an earlier definition {verb} not counted."
        items.append(("Arm ", arm_link(str(name)), said))
    return [Bullets(tuple(items))] if items else []
