"""What value to expect of every tuned arm at a smaller budget of tuning."""

from collections.abc import Mapping

from ablate.analysis import SearchFrames, arm_curves, leaders_by_budget
from ablate.reports import figures, numbers
from ablate.reports.anchors import arm_links
from ablate.reports.blocks import Bullets, Figure, Inline, Section, text


def sections(searches: Mapping[str, SearchFrames]) -> tuple[Section, ...]:
    """Show the expected best value of each arm's search by budget; no section without a value.

    `searches` are those of the arms, by arm.
    """
    table = arm_curves(searches)
    if table.empty:
        return ()
    objective = next(iter(searches.values())).definition.objective
    lines = [
        figures.Curve(
            str(arm),
            [(float(n), float(v)) for n, v in zip(rows["trials"], rows["expected"], strict=True)],
        )
        for arm, rows in table.groupby("arm", sort=False)
    ]
    metric = objective.metric
    drawing = figures.draw_curves(
        lines,
        [],
        ("trials of tuning", metric),
        title=f"Expected best {metric} by budget of tuning",
        stairs=True,
    )
    caption = f"Expected best {metric} of so many trials of each arm's own search."
    items: list[tuple[Inline, ...]] = [
        (
            f"{_span(first, last)}: the {objective.direction.superlative} expected {metric} has ",
            *arm_links(arms, " and "),
            ".",
        )
        for first, last, arms in leaders_by_budget(table, objective.direction)
    ]
    said = text(
        "The expected best of n trials drawn at random from those of an arm's search (Dodge et al. "
        "2019); pruned ones count with their last value. Values are those that the searches saw, "
        "not those of the arms run with their seeds."
    )
    figure = Figure("budget.svg", drawing, caption)
    leaders = (Bullets(tuple(items)),) if items else ()
    return (Section("Value by budget of tuning", (*leaders, figure, said)),)


def _span(first: int, last: int) -> str:
    if first == last:
        return numbers.plural(first, "trial")
    return f"{numbers.count(first)} to {numbers.plural(last, 'trial')}"
