"""Arms as declared beside the same arms with their own best hyper-parameters."""

import math
from collections.abc import Collection

import pandas as pd

from ablate.analysis import AblationFrames, Conclusions, tuned_table
from ablate.reports import numbers
from ablate.reports.blocks import Block, Bullets, Code, Inline, Section, Table, table, text
from ablate.spec import Tuning
from ablate.spec.secrets import hidden


def sections(conclusions: Conclusions) -> tuple[Section, ...]:
    """Set inherited and tuned arms side by side, if the study tunes them."""
    frames = conclusions.frames
    compared, tune = tuned_table(conclusions), frames.definition.tune
    if compared.empty or tune is None:
        return ()
    rows: list[tuple[Inline, ...]] = [
        (
            Code(row["arm"]),
            Code(row["metric"]),
            numbers.statistic(row["inherited"]),
            str(row["inherited_n"]),
            numbers.statistic(row["tuned"]),
            str(row["tuned_n"]),
            _signed(row["gain"]),
            numbers.between(row["low"], row["high"]),
            row["verdict"] or numbers.NOTHING,
            str(row["trials"]),
        )
        for row in compared.to_dict("records")
    ]
    means = ["arm", "metric", "inherited", "n", "tuned", "n"]
    heads = [*means, "gain", "95 % interval", "verdict", "trials spent"]
    blocks: list[Block] = [
        text(
            "Inherited: the arm as it is declared. Tuned: the arm with the best values of a search "
            f"of its own, {_budget(tune)}. A gain above 0 is an improvement; the verdict is that "
            "of the tuned arm beside the inherited one. Tuned arms are compared with tuned ones, "
            "inherited arms with inherited ones."
        ),
        table(heads, rows, {*heads[2:]} - {"verdict"}),
        text("What the searches found:"),
        _values_table(frames),
    ]
    if remarks := _remarks(tune, frames.definition.seeds, compared):
        blocks.append(Bullets(tuple(remarks)))
    return (Section("Inherited and tuned", tuple(blocks)),)


def _budget(tune: Tuning) -> str:
    """Word what every search was given."""
    seeds = numbers.listing(tune.seeds)
    trials, timeout = tune.budget.trials, tune.budget.timeout
    words = [numbers.plural(trials, "trial")] if trials else []
    words += [numbers.duration(timeout)] if timeout else []
    noun = "seed" if len(tune.seeds) == 1 else "seeds"
    return f"with {numbers.listing(words)} each and {noun} {seeds}"


def _values_table(frames: AblationFrames) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for arm, search in frames.definition.tuned.items():
        trial = search.trial
        found = numbers.NOTHING if trial is None else Code(f"{search.study}/{trial}")
        named: tuple[Inline, Inline] = (Code(arm), found)
        for path, value in search.values.items():
            rows.append((*named, Code(path), Code(numbers.plain(hidden(path, value)))))
            named = ("", "")
        for path, reason in search.left_out.items():
            rows.append((*named, Code(path), f"not tuned: {reason}"))
            named = ("", "")
    return table(["arm", "trial", "parameter", "value"], rows)


def _remarks(
    tune: Tuning, seeds: Collection[int], compared: pd.DataFrame
) -> list[tuple[Inline, ...]]:
    """Say where the chances were not equal, or the comparison is not clean."""
    searches = compared.drop_duplicates("arm").to_dict("records")
    most = max(row["complete"] for row in searches)
    remarks: list[tuple[Inline, ...]] = []
    for row in searches:
        if pd.isna(row["study"]):
            remarks.append(
                (Code(row["arm"]), ": nothing of the space was left to tune; as declared only.")
            )
        elif pd.isna(row["trial"]):
            remarks.append((Code(row["arm"]), ": no trial of its search is complete."))
        elif row["complete"] < most:
            said = f": {row['complete']} complete trials in its search, another arm has {most}."
            remarks.append((Code(row["arm"]), said))
    used = {*tune.seeds} & {*seeds}
    if used:
        noun = "Seed" if len(used) == 1 else "Seeds"
        said = f"{noun} {numbers.listing(sorted(used))} served to tune and to compare: a tuned "
        remarks.append((said, "mean over them is partly the luck that made its trial the best."))
    return remarks


def _signed(gain: float) -> str:
    shown = numbers.statistic(gain)
    return f"+{shown}" if gain > 0 and math.isfinite(gain) else shown
