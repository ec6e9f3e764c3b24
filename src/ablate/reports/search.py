"""The report of a search: its sections in the order in which they are read."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ablate.analysis import AblationFrames, SearchConclusions
from ablate.reports import audit, confirmed, goals, numbers, parts, search_analysis, search_lead
from ablate.reports.anchors import trial_link
from ablate.reports.audit import Audit
from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
    Document,
    Inline,
    Link,
    Paragraph,
    Row,
    Section,
    Strong,
    Value,
    table,
    text,
)
from ablate.reports.search_names import short_names
from ablate.reports.sections import added_sections
from ablate.spec import Choice, FloatRange, IntRange, Status
from ablate.spec.secrets import hidden

SHOWN = 100
"""The trials table shows all trials up to this many, else as many of the best."""


def document(
    concluded: SearchConclusions,
    directories: Mapping[int, str],
    seconds: float,
    audited: Audit,
    pictures: tuple[Section, ...] = (),
    *,
    confirmation: AblationFrames | None = None,
    goals_told: pd.DataFrame,
) -> Document:
    """Compose the report of a search; `directories` are what to show by run id.

    `seconds` is the time spent on the study by all sessions; `confirmation` is the study that
    confirms its best trials, if there is one, `goals_told` what the runs reached of what was
    expected.
    """
    frames = concluded.frames
    sections = (
        search_lead.verdict_section(concluded, confirmation),
        search_lead.trust_section(concluded, audited),
        *search_analysis.sections(concluded),
        *(confirmed.sections(confirmation) if confirmation else ()),
        *goals.sections(goals_told),
        search_analysis.next_section(concluded),
        *search_analysis.budget_sections(concluded),
        _trials_section(concluded),
        _configuration_section(concluded),
        *audit.sections(audited),
        *pictures,
        *added_sections(frames),
    )
    lead = (_facts(concluded, seconds),)
    inlines = Document("", lead, sections).inlines()
    wanted = {part.target for part in inlines if isinstance(part, Link)}
    reproduction = Section(
        "Reproduction",
        (
            parts.runs_section(frames, directories, wanted),
            parts.failures_section(frames),
            parts.environment_section(frames),
            _method_section(concluded),
        ),
    )
    return Document(f"Search: {frames.name}", lead, (*sections, reproduction))


def _facts(concluded: SearchConclusions, seconds: float) -> Paragraph:
    definition = concluded.frames.definition
    budget, allowed = definition.budget, []
    if budget.trials:
        allowed.append(numbers.plural(budget.trials, "trial"))
    if budget.timeout:
        allowed.append(numbers.duration(budget.timeout))
    return text(
        f"{search_lead.counted(concluded.counts)}. ",
        f"Budget: {numbers.listing(allowed)}. ",
        f"Time spent: {numbers.duration(seconds)}. " if seconds else "",
        f"Seeds of a trial: {', '.join(map(str, definition.seeds))}. ",
        "Profile ",
        Code(definition.profile),
        ".",
    )


def _trials_section(concluded: SearchConclusions) -> Section:
    trials, best = concluded.trials, concluded.best
    if trials.empty:
        return Section("Trials", (text("There are no trials yet."),))
    shown, blocks = trials, []
    if len(trials) > SHOWN:
        rising = concluded.frames.definition.objective.direction.lower_is_better
        feasible = (trials["state"] == Status.COMPLETE) & (trials["infeasible"] == "")
        done = trials[feasible].sort_values("value", ascending=rising)
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
    records = shown.to_dict("records")
    has_last = bool((shown["value"].isna() & shown["last"].notna()).any())
    notes = [_note(row) for row in records]
    rows: list[Row] = []
    for trial, note in zip(records, notes, strict=True):
        value = numbers.statistic(trial["value"])
        is_best = best is not None and trial["number"] == best.number
        rows.append(
            (
                Value(trial_link(trial["number"]), trial["number"]),
                trial["state"],
                Value(Strong(value) if is_best else value, trial["value"]),
                *((_last(trial),) if has_last else ()),
                Value(numbers.duration(trial["seconds"]), trial["seconds"]),
                *(_setting(name, trial["params"]) for name in names),
                *((note,) if any(notes) else ()),
            )
        )
    columns = ["trial", "state", "value", *(["last value"] if has_last else []), "duration"]
    columns += [*heads, *(["remark"] if any(notes) else [])]
    flush = {"trial", "value", "last value", "duration", *numeric}
    return Section("Trials", (*blocks, table(columns, rows, flush, "Trials")))


def _last(row: Mapping[Any, Any]) -> Value:
    """Write the last value of a trial that has no other."""
    last = row["last"] if pd.isna(row["value"]) else math.nan
    return Value(numbers.statistic(last), last)


def _setting(name: str, params: Mapping[str, object]) -> str:
    if name not in params:
        return numbers.NOTHING
    return numbers.short(hidden(name, params[name]))


def _note(row: Mapping[Any, Any]) -> str:
    """Say what a trial has to do with another one, and which constraints it breaks."""
    said = [
        f"{word} #{row[key]}"
        for key, word in (
            ("reused_from", "took over the run of"),
            ("repeats", "takes the place of"),
            ("replicates", "the point of"),
        )
        if isinstance(row[key], int)
    ]
    if row["infeasible"]:
        said.append(f"infeasible: {row['infeasible']}")
    return "; ".join(said)


def _configuration_section(concluded: SearchConclusions) -> Section:
    """Show the space with the values of the best trial, and what the profile changes."""
    frames, best = concluded.frames, concluded.best
    rows: list[Row] = []
    params = dict(best.params) if best else {}
    for path, parameter in frames.definition.space.items():
        value = Code(numbers.plain(hidden(path, params.pop(path)))) if path in params else ""
        rows.append((Code(path), value or numbers.NOTHING, _range(path, parameter)))
    rows += [
        (Code(path), Code(numbers.plain(hidden(path, value))), "not in the space")
        for path, value in params.items()
    ]
    head: tuple[Inline, ...] = ("The space.",)
    if best is not None:
        head = (
            "The values of the best trial, ",
            trial_link(best.number),
            ", in full: its value is ",
        )
        head = (*head, Code(repr(best.value)), ".")
    blocks: tuple[Block, ...] = (
        text(*head),
        table(["parameter", "best trial", "space"], rows, caption="Parameters"),
    )
    return Section("Configuration", (*blocks, parts.profile_section(frames)))


def _range(path: str, parameter: FloatRange | IntRange | Choice) -> Inline:
    """Word the range of a parameter."""
    if isinstance(parameter, Choice):
        labels = ", ".join(numbers.plain(hidden(path, label)) for label in parameter.labels)
        return f"one of {labels}"
    low, high = parameter.bounds
    kind = "integer" if isinstance(parameter, IntRange) else "float"
    step = f", step {numbers.short(parameter.step)}" if parameter.step else ""
    scale = ", log scale" if parameter.log else ""
    return f"{kind}, {numbers.short(low)} to {numbers.short(high)}{scale}{step}"


def _constraints(concluded: SearchConclusions) -> Iterator[str]:
    """Say what a trial has to keep."""
    constraints = concluded.frames.definition.constraints
    if constraints:
        texts = numbers.listing([constraint.text for constraint in constraints])
        yield (
            f"A trial is feasible where the mean over its seeds keeps {texts}. The sampler is told "
            "how far each is off; a pruned trial counts as infeasible."
        )


def _method_section(concluded: SearchConclusions) -> Section:
    definition = concluded.frames.definition
    metric = definition.objective.metric
    items: list[tuple[Inline, ...]] = [
        (
            "The value of a run is the ",
            definition.objective.at,
            " ",
            Code(metric),
            f" on the {parts.data_read(concluded.frames, metric)}; "
            "the value of a trial is the mean over its seeds.",
        ),
        (
            "Sampler ",
            Code(definition.sampler.class_path),
            ", pruner ",
            Code(definition.pruner.class_path),
            ".",
        ),
        (f"The best trial is the first {definition.counting} trial with the best finite value.",),
        *((said,) for said in _constraints(concluded)),
        *((said,) for said in search_analysis.methods(concluded)),
    ]
    return Section("How it was computed", (Bullets(tuple(items)),))
