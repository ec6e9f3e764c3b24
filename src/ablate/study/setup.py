"""What a search and a replay have in common before their first run."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from ablate.errors import RequestError, quoted
from ablate.run import Launcher, LocalLauncher, code_version
from ablate.run.devices import visible_devices
from ablate.run.environment import WorkerSettings
from ablate.run.resolving import taken_arguments
from ablate.spec import (
    SearchDefinition,
    SearchStudy,
    Study,
    WrittenStudy,
    configs,
)
from ablate.spec.scripts import notice
from ablate.spec.secrets import hidden
from ablate.store import Store, StudyRecord
from ablate.store.database import holds_optuna_study
from ablate.store.engines import look_into, refuse_writing
from ablate.store.urls import parse_url, show_url
from ablate.study.coordinator import Context
from ablate.study.failed_run import FailedRun
from ablate.study.folders import RunFolders
from ablate.study.goal_news import GoalNews
from ablate.study.imports import importing_from
from ablate.study.record import Recorder
from ablate.study.snapshot import Snapshot
from ablate.study.threads import chosen_threads, say_threads, study_threads

_SHOWN = 8


def _silent(_: Any) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Request:
    """How a command was asked to run a study."""

    storage: str
    results: Path = Path("results")
    profile: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    threads: int | None = None
    say: Callable[[str], None] = _silent
    on_tick: Callable[[Snapshot], None] = _silent
    on_failure: Callable[[FailedRun], None] = _silent
    on_goal: Callable[[GoalNews], None] = _silent
    launcher: Callable[[int], Launcher] | None = None
    """Makes a launcher of a number of workers; None stands for processes on this machine."""

    @contextmanager
    def launched(
        self, folders: Sequence[Path] = (), recorded: int | None = None
    ) -> Iterator[Launcher]:
        """Start the workers and end them in any case.

        Modules are imported from `folders` too. Runs that are `recorded` computed on so many
        threads.
        """
        if self.workers < 1:
            raise RequestError(f"--workers must be at least 1, not {self.workers}")
        threads = chosen_threads(self.threads, recorded, self.workers)
        settings = WorkerSettings(threads, tuple(folders), visible_devices())
        with importing_from(folders):
            if self.launcher is None:
                launcher: Launcher = LocalLauncher(self.workers, settings)
            else:
                launcher = self.launcher(self.workers)
            try:
                say_threads(launcher, self.threads, recorded, self.say)
                yield launcher
            finally:
                launcher.close()

    def require_writable(self) -> None:
        """Raise RequestError unless runs can be written, to the database and below the folder.

        Nothing is written.
        """
        refuse_writing(parse_url(self.storage))
        folder = self.results.absolute()
        try:
            folder.exists()
        except OSError as error:
            shown = quoted(str(self.results))
            raise RequestError(f"--results {shown}: {error.strerror}") from None
        there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        if not there.is_dir():
            raise RequestError(f"--results {self.results}: {there} is no folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise RequestError(f"--results {self.results}: {there} can't be written to")

    def prepare(self, written: WrittenStudy[Any], launcher: Launcher) -> Study:
        """Apply the profile that was asked for, else the hardware's, and say which."""
        if self.profile is not None and self.profile not in written.spec.profiles:
            known = ", ".join(written.spec.profiles) or "none"
            raise RequestError(
                f"{written.where} declares no profile {self.profile!r}; its profiles: {known}"
            )
        facts = launcher.facts()
        study = written.prepare(
            self.profile or facts.profile, self.overrides, partial(taken_arguments, launcher)
        )
        chosen = "asked for" if self.profile else f"chosen by hardware: {facts.device}"
        self.say(f"profile {study.profile} ({chosen})")
        for section in written.left_out():
            self.say(f"left out: {section}; a run fits")
        if written.spec.cli is None and (said := notice(written.folder)) is not None:
            self.say(said)
        for change in study.definition.profile_changes:
            self.say(
                f"  {change.path}: {hidden(change.path, change.before)!r} -> "
                f"{hidden(change.path, change.after)!r}"
            )
        return study

    def context(self, study: Study, definition_id: int, launcher: Launcher) -> Context:
        """Gather what every run of this command shares."""
        folders = RunFolders(self.results, study.name)
        return Context(study, definition_id, folders, code_version(), launcher.facts())


@contextmanager
def recording(store: Store, study: Study, say: Callable[[str], None]) -> Iterator[Recorder]:
    """Record a study; whatever happens, what was noted is written before this ends."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective = study.objective
    recorder = Recorder(store, study.name, objective.direction, objective.metric, say)
    try:
        yield recorder
        recorder.flush()
    finally:
        recorder.close()


def stored_threads(url: str, name: str) -> int | None:
    """Return how many threads the runs of a stored study computed on; None if there are none."""
    if look_into(parse_url(url)).version is None:
        return None
    with Store.open(url, create=False) as store:
        return study_threads(store, name)


def stored_study(url: str, name: str) -> StudyRecord | None:
    """Read a study's record if the database is there; raise StorageError if it can't be used."""
    if look_into(parse_url(url)).version is None:
        return None
    with Store.open(url, create=False) as store:
        return store.study(name)


def study_to_run(url: str, name: str) -> StudyRecord | None:
    """Read the record of a study that is to be run, None if there is none.

    Raises RequestError if another program has an Optuna study of this name in the database, and
    StorageError if the database can't be used.
    """
    if Path(name).name != name or name == "..":
        raise RequestError(f"{name!r} can't be the name of a folder of runs; rename the study")
    record = stored_study(url, name)
    if record is None and holds_optuna_study(url, name):
        raise RequestError(
            f"{show_url(parse_url(url))} holds an Optuna study {name!r} that ablate did not make, "
            "and its trials can't be told from those of this one; "
            "give this study another name, or use another --storage"
        )
    return record


def refuse_foreign_trials(store: Store, name: str) -> None:
    """Raise RequestError if another program added trials to a search of ablate."""
    if numbers := store.foreign_trials(name):
        shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if numbers[_SHOWN:] else "")
        raise RequestError(
            f"trials of the Optuna study {name!r} in {store.url_shown} were added by another "
            f"program (number {shown}), so the search can't be continued; save it under another "
            "study name, or use another --storage"
        )


def refuse_changed(record: StudyRecord, study: SearchStudy) -> None:
    """Raise RequestError if the stored study of this name is defined differently."""
    stored = record.definition
    if not isinstance(stored, SearchDefinition):
        raise RequestError(
            f"{study.name!r} is already a study of kind {record.kind} in this storage; "
            "give this one another name, or use another --storage"
        )
    changed = list(configs.differing(stored.identity(), study.definition.identity()))
    if changed:
        lines = "".join(
            f"\n  {path}: {hidden(path, before)!r} there, {hidden(path, now)!r} now"
            for path, before, now in changed[:_SHOWN]
        )
        raise RequestError(
            f"the study {study.name!r} in this storage was started with another definition, so its "
            f"trials can't be continued; it differs at{lines}\n"
            "save the new definition under another study name, or use another --storage"
        )
