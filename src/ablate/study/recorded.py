"""Find a recorded trial by STUDY/NUMBER."""

from dataclasses import dataclass
from typing import Any

from ablate.errors import NotFoundError
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


def recorded_trial(store: Store, name: str) -> RecordedTrial:
    """Read the trial `STUDY/NUMBER`; raise NotFoundError saying what there is instead."""
    study_name, _, number = name.rpartition("/")
    if not study_name or not number.isdigit():
        raise NotFoundError(f"{name!r} names no trial: write STUDY/NUMBER, such as champion/12")
    record = store.require_study(study_name)
    runs = {
        run.seed: run
        for run in store.runs(study_name, with_config=True)
        if run.trial == int(number)
    }
    first = next(iter(runs.values()), None)
    if first is None or first.config is None:
        raise NotFoundError(f"trial {number} of {study_name!r} has no recorded run")
    threads = recorded_threads(runs.values(), store.environments(study_name))
    return RecordedTrial(record, int(number), tuple(runs.values()), first.config, threads)
