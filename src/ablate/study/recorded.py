"""Find a recorded trial by STUDY/NUMBER."""

import re
from dataclasses import dataclass
from typing import Any

from ablate.errors import NotFoundError, quoted
from ablate.store import RunRecord, Store, StudyRecord
from ablate.study.threads import recorded_threads


@dataclass(frozen=True)
class RecordedTrial:
    """A recorded trial with its runs, the latest attempt of each seed, and its first config.

    `threads` is how many its runs computed on, None if that is not recorded.
    """

    study: StudyRecord
    number: int
    runs: tuple[RunRecord, ...]
    config: dict[str, Any]
    threads: int | None


def trial_named(name: str) -> tuple[str, int] | None:
    """Split STUDY/NUMBER into its parts; None for any other text."""
    study, _, number = name.rpartition("/")
    return (study, int(number)) if study and re.fullmatch("[0-9]{1,9}", number) else None


def recorded_trial(store: Store, name: str) -> RecordedTrial:
    """Read the trial `STUDY/NUMBER`; raise NotFoundError saying what there is instead."""
    if (named := trial_named(name)) is None:
        raise NotFoundError(
            f"{quoted(name)} names no trial: write STUDY/NUMBER, such as champion/12"
        )
    study_name, number = named
    record = store.require_study(study_name)
    runs = {
        run.seed: run for run in store.runs(study_name, with_config=True) if run.trial == number
    }
    first = next(iter(runs.values()), None)
    if first is None or first.config is None:
        raise NotFoundError(f"trial {number} of {study_name!r} has no recorded run")
    threads = recorded_threads(runs.values(), store.environments(study_name))
    return RecordedTrial(record, number, tuple(runs.values()), first.config, threads)
