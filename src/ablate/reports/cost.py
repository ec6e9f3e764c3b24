"""What the arms cost beside how good they are."""

from collections.abc import Collection, Mapping, Sequence

from ablate.analysis import Conclusions, Estimate
from ablate.reports import numbers
from ablate.reports.anchors import arm_link
from ablate.reports.blocks import Block, Inline, Row, Section, Table, Value, table, text
from ablate.reports.figures import Offer, draw_pareto, front
from ablate.reports.listed import listed_arms, of_all
from ablate.reports.parts import drawn
from ablate.reports.verdicts import estimate

COSTS = {"parameters": "parameters", "seconds": "seconds of a run"}
ALL = "arms.csv and runs.csv"


def sections(concluded: Conclusions) -> tuple[Section, ...]:
    """Set the quality of the arms against their parameters and the time of their runs."""
    metric = concluded.primary
    rows = [
        row
        for row in concluded.estimates.values()
        if row.metric == metric and row.kind != "floor" and row.n
    ]
    arms = listed_arms(concluded)
    able = [row for row in rows if row.arm not in concluded.disqualified]
    costs = {name: _costs(concluded, name) for name in COSTS}
    if not rows:
        return ()
    minimize = concluded.frames.definition.metrics[metric].lower_is_better
    blocks: list[Block] = []
    fronts: dict[str, set[str]] = {}
    for name, axis in COSTS.items():
        offers = _offers(able, costs[name])
        if len({offer.cost for offer in offers}) < 2:
            continue
        best = fronts[name] = {offer.label for offer in front(offers, minimize=minimize)}
        drawn_offers = [offer for offer in offers if offer.label in arms or offer.label in best]
        drawing = draw_pareto(
            drawn_offers, (axis, metric), title=f"{metric} against {axis}", minimize=minimize
        )
        caption = f"{metric} against {axis}, means over the seeds that count"
        caption += f"{of_all(len(drawn_offers), len(offers), ALL)}."
        blocks.append(drawn(f"cost-{name}", metric, drawing, caption))
    if concluded.disqualified:
        blocks.append(text("Arms that are not comparable are on no front."))
    return (Section("Cost", (*blocks, _table(rows, arms, costs, fronts, metric))),)


def _costs(concluded: Conclusions, name: str) -> dict[str, float]:
    """Return the median cost of the complete runs of each arm."""
    runs = concluded.frames.current
    runs = runs[runs["status"] == "complete"].dropna(subset=name)
    return {str(arm): float(cost) for arm, cost in runs.groupby("arm")[name].median().items()}


def _offers(rows: Sequence[Estimate], costs: Mapping[str, float]) -> list[Offer]:
    return [
        Offer(row.arm, costs[row.arm], row.mean, row.low, row.high)
        for row in rows
        if row.arm in costs
    ]


def _table(
    rows: Sequence[Estimate],
    arms: Collection[str],
    costs: Mapping[str, Mapping[str, float]],
    fronts: Mapping[str, set[str]],
    metric: str,
) -> Table:
    lines: list[Row] = []
    for row in rows:
        if row.arm not in arms and not any(row.arm in front for front in fronts.values()):
            continue
        parameters = costs["parameters"].get(row.arm)
        seconds = costs["seconds"].get(row.arm)
        marks: list[Inline] = [name for name, arms in fronts.items() if row.arm in arms]
        lines.append(
            (
                arm_link(row.arm),
                numbers.NOTHING if parameters is None else numbers.count(round(parameters)),
                numbers.NOTHING if seconds is None else Value(numbers.duration(seconds), seconds),
                Value(estimate(row), row.mean),
                " and ".join(marks) or numbers.NOTHING,
            )
        )
    heads = ["arm", "parameters", "duration (median)", metric, "on the Pareto front of"]
    return table(
        heads, lines, {*heads[1:4]}, f"Cost and quality{of_all(len(lines), len(rows), ALL)}"
    )
