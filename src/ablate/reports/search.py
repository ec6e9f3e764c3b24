"""The report of a search."""

from collections.abc import Mapping

import pandas as pd

from ablate.analysis import (
    AblationFrames,
    SearchFrames,
    best_so_far,
    best_trial,
    curves,
    trials_table,
)
from ablate.reports import audit, confirmed, figures, numbers, parts
from ablate.reports.audit import Audit
from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
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
from ablate.spec import Status
from ablate.spec.secrets import hidden
from ablate.store import TrialRecord

SHOWN = 100
"""The trials table shows all trials up to this many, else as many of the best."""
STATES = (Status.COMPLETE, Status.PRUNED, Status.FAILED, Status.RUNNING, Status.WAITING)


def document(
    frames: SearchFrames,
    directories: Mapping[int, str],
    seconds: float,
    audited: Audit,
    pictures: tuple[Section, ...] = (),
    *,
    confirmation: AblationFrames | None = None,
) -> Document:
    """Compose the report of a search; `directories` are what to show by run id.

    `seconds` is the time spent on the study by all sessions; `confirmation` is the study that
    confirms its best trials, if there is one.
    """
    trials = trials_table(frames)
    best = best_trial(frames)
    sections = [
        _best_section(best),
        *(confirmed.sections(confirmation) if confirmation else ()),
        *audit.sections(audited),
        *pictures,
        _history_section(frames, trials),
        _trials_section(frames, trials, best),
        parts.profile_section(frames),
        parts.runs_section(frames, directories),
        parts.failures_section(frames),
        parts.environment_section(frames),
        *added_sections(frames),
        _method_section(frames),
    ]
    lead = (_facts(frames, trials, seconds), _summary(frames, trials, best))
    return Document(f"Search: {frames.name}", lead, tuple(sections))


def _facts(frames: SearchFrames, trials: pd.DataFrame, seconds: float) -> Paragraph:
    definition = frames.definition
    budget, allowed = definition.budget, []
    if budget.trials:
        allowed.append(numbers.plural(budget.trials, "trial"))
    if budget.timeout:
        allowed.append(numbers.duration(budget.timeout))
    counts = trials["state"].value_counts()
    states = [f"{counts[state]} {state}" for state in STATES if state in counts]
    seeds = ", ".join(map(str, definition.seeds))
    return text(
        f"{numbers.plural(len(trials), 'trial')}{': ' if states else ''}{', '.join(states)}. ",
        f"Budget: {numbers.listing(allowed)}. ",
        f"Time spent: {numbers.duration(seconds)}. " if seconds else "",
        f"Seeds of a trial: {seeds}. ",
        "Profile ",
        Code(definition.profile),
        ".",
    )


def _summary(frames: SearchFrames, trials: pd.DataFrame, best: TrialRecord | None) -> Paragraph:
    objective = frames.definition.objective
    head: tuple[Inline, ...] = (Strong(objective.metric), f" ({objective.direction}): ")
    if best is None:
        return text(*head, "no trial is complete with a finite value yet.")
    done = len(best_so_far(trials, objective.direction))
    return text(
        *head,
        f"trial {best.number} has the {objective.direction.superlative} value, "
        f"{numbers.number(best.value)}, of {numbers.plural(done, 'complete trial')}.",
    )


def _best_section(best: TrialRecord | None) -> Section:
    if best is None:
        return Section("Best trial", (text("There is none yet."),))
    rows: list[tuple[Inline, ...]] = [
        (Code(name), Code(numbers.plain(hidden(name, value))))
        for name, value in best.params.items()
    ]
    value = text(f"Trial {best.number}: ", Code(repr(best.value)), ", its parameters in full:")
    return Section("Best trial", (value, table(["parameter", "value"], rows)))


def _history_section(frames: SearchFrames, trials: pd.DataFrame) -> Section:
    objective = frames.definition.objective
    metric = objective.metric
    history = best_so_far(trials, objective.direction)
    if history.empty:
        return Section("History", (text("No trial is complete with a finite value yet."),))
    numbered = history["number"].tolist()
    drawing = figures.draw_history(
        list(zip(numbered, history["value"].tolist(), strict=True)),
        [],
        list(zip(numbered, history["best"].tolist(), strict=True)),
        ("trial", metric),
        title=f"History of {metric}",
        log=objective.direction.lower_is_better,
    )
    blocks: list[Block] = [
        Figure(
            "history.svg", drawing.svg, f"{metric} of every complete trial, and the best so far."
        )
    ]
    if drawn := _curves_figure(frames, metric):
        blocks.append(drawn)
    return Section("History", tuple(blocks))


def _curves_figure(frames: SearchFrames, metric: str) -> Figure | None:
    found = curves(frames, metric).drop_duplicates(["run_id", "epoch"], keep="last")
    best = best_trial(frames)
    if found.empty or best is None:
        return None
    by_run = {
        run: list(zip(curve["epoch"].tolist(), curve["value"].tolist(), strict=True))
        for run, curve in found.groupby("run_id")
    }
    chosen = set(found.loc[found["trial"] == best.number, "run_id"])
    others = tuple(points for run, points in by_run.items() if run not in chosen)
    mean = found[found["trial"] == best.number].groupby("epoch")["value"].mean()
    lines = [
        figures.Curve(
            f"trial {best.number} (best)",
            list(zip(mean.index.tolist(), mean.tolist(), strict=True)),
        )
    ]
    drawing = figures.draw_curves(
        lines,
        [],
        ("epoch", metric),
        title=f"{metric} of the best trial",
        log=frames.definition.objective.direction.lower_is_better,
        behind=others,
    )
    caption = (
        f"{metric} on the {parts.data_read(frames, metric)}: "
        "the best trial (mean over its seeds) before all runs."
    )
    return Figure("curves.svg", drawing.svg, " ".join((caption, *drawing.notes)))


def _trials_section(
    frames: SearchFrames, trials: pd.DataFrame, best: TrialRecord | None
) -> Section:
    if trials.empty:
        return Section("Trials", (text("There are no trials yet."),))
    shown, blocks = trials, []
    if len(trials) > SHOWN:
        rising = frames.definition.objective.direction.lower_is_better
        done = trials[trials["state"] == Status.COMPLETE].sort_values("value", ascending=rising)
        shown = done.head(SHOWN)
        blocks.append(
            text(
                f"The best {len(shown)} of {len(trials)} trials; all are in ",
                Code("trials.csv"),
                ".",
            )
        )
    names = list(dict.fromkeys(name for params in shown["params"] for name in params))
    heads = short_names(names)
    numeric = {
        head
        for head, name in zip(heads, names, strict=True)
        if all(isinstance(params.get(name, 0), int | float) for params in shown["params"])
    }
    rows: list[tuple[Inline, ...]] = []
    for trial in shown.to_dict("records"):
        value = numbers.statistic(trial["value"])
        is_best = best is not None and trial["number"] == best.number
        rows.append(
            (
                Strong(str(trial["number"])) if is_best else str(trial["number"]),
                trial["state"],
                Strong(value) if is_best else value,
                numbers.duration(trial["seconds"]),
                *(
                    numbers.short(trial["params"][name])
                    if name in trial["params"]
                    else numbers.NOTHING
                    for name in names
                ),
            )
        )
    listed: Table = table(
        ["trial", "state", "value", "duration", *heads],
        rows,
        {"trial", "value", "duration", *numeric},
    )
    return Section("Trials", (*blocks, listed))


def short_names(names: list[str]) -> list[str]:
    """Shorten dotted paths to their last keys, as many as tell them apart."""
    short = []
    for name in names:
        keys = name.split(".")
        for length in range(1, len(keys) + 1):
            tail = ".".join(keys[-length:])
            if sum(other == tail or other.endswith("." + tail) for other in names) == 1:
                break
        short.append(tail)
    return short


def _method_section(frames: SearchFrames) -> Section:
    definition = frames.definition
    items: tuple[tuple[Inline, ...], ...] = (
        (
            "The value of a run is the ",
            definition.objective.at,
            " ",
            Code(definition.objective.metric),
            f" on the {parts.data_read(frames, definition.objective.metric)}; "
            "the value of a trial is the mean over its seeds.",
        ),
        (
            "Sampler ",
            Code(definition.sampler.class_path),
            ", pruner ",
            Code(definition.pruner.class_path),
            ".",
        ),
        ("The best trial is the first complete trial with the best finite value.",),
        ("The best of many trials is a lucky draw too: with fresh seeds expect a worse value.",),
    )
    return Section("How it was computed", (Bullets(items),))
