"""The report of an ablation: its sections in the order in which they are read."""

from collections.abc import Mapping

import pandas as pd

from ablate.analysis import AblationFrames, Conclusions, SearchFrames
from ablate.reports import (
    audit,
    configuration,
    confirmed,
    cost,
    differences,
    effects,
    episodes,
    goals,
    groups,
    matrix,
    method,
    numbers,
    parts,
    published,
    training,
    trust,
    tuned,
    tuning,
    verdicts,
)
from ablate.reports.audit import Audit
from ablate.reports.blocks import Code, Document, Link, Paragraph, Section, text
from ablate.reports.listed import listed_arms
from ablate.reports.sections import added_sections


def document(
    concluded: Conclusions,
    directories: Mapping[int, str],
    audited: Audit,
    pictures: tuple[Section, ...] = (),
    *,
    searches: Mapping[str, SearchFrames],
    told: pd.DataFrame,
    goals_told: pd.DataFrame,
) -> Document:
    """Compose the report of an ablation; `directories` are what to show by run id.

    `searches` are those that tuned arms, by arm, `told` the means by group, if there are some,
    `goals_told` what the runs reached of what was expected.
    """
    frames = concluded.frames
    sections = (
        verdicts.section(concluded),
        trust.section(concluded, audited),
        *differences.sections(concluded),
        matrix.section(concluded),
        *_by_design(concluded),
        *goals.sections(goals_told),
        *tuning.sections(searches),
        *differences.paired_sections(concluded),
        configuration.section(frames, listed_arms(concluded)),
        *training.sections(concluded),
        *cost.sections(concluded),
        *_by_group(concluded, told),
        *audit.sections(audited),
        *pictures,
        *added_sections(frames),
    )
    lead = (_facts(frames),)
    inlines = Document("", lead, sections).inlines()
    wanted = {part.target for part in inlines if isinstance(part, Link)}
    reproduction = Section(
        "Reproduction",
        (
            parts.runs_section(frames, directories, wanted),
            parts.failures_section(frames),
            parts.environment_section(frames),
            method.section(concluded),
        ),
    )
    return Document(f"Ablation: {frames.name}", lead, (*sections, reproduction))


def _by_design(concluded: Conclusions) -> tuple[Section, ...]:
    """Show what the design asks beside differences: effects, own hyper-parameters, luck."""
    frames = concluded.frames
    return (
        *effects.sections(concluded.effects),
        *tuned.sections(concluded),
        *confirmed.sections(frames),
        *published.sections(frames),
    )


def _by_group(concluded: Conclusions, told: pd.DataFrame) -> tuple[Section, ...]:
    """Show the values by task, category or episode, where a study records them."""
    if told.empty:
        return episodes.sections(concluded)
    return (
        *groups.sections(concluded.frames, concluded.comparisons, told),
        *episodes.sections(concluded),
    )


def _facts(frames: AblationFrames) -> Paragraph:
    definition = frames.definition
    arms, floors, seeds = len(definition.trained), len(definition.floors), definition.seeds
    words = [numbers.plural(arms, "arm")]
    if floors:
        words.append(numbers.plural(floors, "trivial predictor"))
    words.append(numbers.plural(len(seeds), "seed"))
    return text(
        f"{numbers.listing(words)}, design ",
        Code(", ".join(definition.designs)),
        ", profile ",
        Code(definition.profile),
        f". {parts.run_counts(frames)}.",
    )
