"""The best trials of a search with fresh seeds: how much of the best value was luck."""

from collections.abc import Sequence

import pandas as pd

from ablate.analysis import AblationFrames, confirmed_table, contenders
from ablate.analysis.families import FEWEST_SEEDS
from ablate.reports import numbers
from ablate.reports.blocks import Bullets, Code, Inline, Section, table, text


def verdicts(found: pd.DataFrame) -> list[str]:
    """Say in computed sentences what fresh seeds make of the best, the order and the winner."""
    known = found[found["n"] > 0]
    if known.empty:
        return ["No run with a fresh seed counts yet."]
    return [*_luck(found), *_order(known), *_winner(found)]


def _luck(found: pd.DataFrame) -> list[str]:
    best = found.iloc[0]
    if not best["n"]:
        return [f"Trial {best['trial']}, the best of the search, has no run that counts yet."]
    amount = numbers.number(abs(best["luck"]))
    if best["luck"] > 0:
        said = f"it was lucky by {amount}"
    else:
        said = f"it was not lucky, the mean is better by {amount}"
    spread = ""
    if best["n"] > 1:
        low, high = numbers.number(best["low"]), numbers.number(best["high"])
        spread = f" (95 % interval {low} to {high})"
    return [
        f"Trial {best['trial']} was the best of the search with {numbers.number(best['found'])}; "
        f"with {numbers.plural(int(best['n']), 'fresh seed')} its mean is "
        f"{numbers.number(best['mean'])}{spread}: {said}."
    ]


def _order(known: pd.DataFrame) -> list[str]:
    if len(known) < 2:
        return []
    before = known.sort_values("rank_found")["trial"].tolist()
    now = known.sort_values(["rank", "rank_found"])["trial"].tolist()
    if before == now:
        return [f"The order of the search holds by confirmed mean: {_listed(now)}."]
    return [
        f"The order of the search does not hold: by confirmed mean it is {_listed(now)}, "
        f"in the search it was {_listed(before)}."
    ]


def _winner(found: pd.DataFrame) -> list[str]:
    if len(found) < 2:
        return []
    open_ones = contenders(found)
    if len(open_ones) == 1:
        return [
            f"Trial {open_ones[0]} has the best mean, and its 95 % interval overlaps with that of "
            "no other trial."
        ]
    named = numbers.listing(open_ones)
    among = found[found["trial"].isin(open_ones)]
    if (among["n"] < FEWEST_SEEDS).any():
        return [
            f"Cannot tell which is the best of trials {named} yet: that takes at least three "
            "seeds of each."
        ]
    if (among["sd"] == 0).any():
        still = _listed(among.loc[among["sd"] == 0, "trial"].tolist())
        return [
            f"Cannot tell which is the best of trials {named}: equal values with every seed are "
            f"not certainty (trials {still})."
        ]
    return [f"Cannot tell which is the best: the 95 % intervals of trials {named} overlap."]


def _listed(trials: Sequence[int]) -> str:
    return ", ".join(map(str, trials))


def sections(frames: AblationFrames) -> tuple[Section, ...]:
    """Show what fresh seeds make of the best trials, if the study confirms some."""
    found = confirmed_table(frames)
    if found.empty:
        return ()
    definition = frames.definition
    objective = definition.objective
    rows: list[tuple[Inline, ...]] = [
        (
            str(row["trial"]),
            numbers.number(row["found"]),
            _listed(row["found_seeds"]),
            numbers.statistic(row["mean"]),
            f"{row['n']} of {row['runs']}",
            numbers.statistic(row["sd"]),
            numbers.statistic(row["low"]),
            numbers.statistic(row["high"]),
            numbers.statistic(row["luck"]),
            str(row["rank_found"]),
            numbers.NOTHING if pd.isna(row["rank"]) else str(row["rank"]),
        )
        for row in found.to_dict("records")
    ]
    heads = [
        *("trial", "found", "found with seeds", "mean", "n", "sd", "95 % from", "to", "luck"),
        *("rank in the search", "rank now"),
    ]
    said = text(
        "The best trials of the search ",
        Code(str(definition.provenance.study)),
        " run again in the study ",
        Code(frames.name),
        f" with seeds that the search never used, compared by {objective.metric} "
        f"({objective.direction}). The best of many trials is partly the luckiest: luck is how "
        "much better the value found is than the mean over fresh seeds. The intervals are "
        "Student's, of the mean.",
    )
    remarks = Bullets(tuple((line,) for line in verdicts(found)))
    return (Section("Confirmed", (remarks, table(heads, rows, set(heads)), said)),)
