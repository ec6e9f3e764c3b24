"""What a search and a replay have in common before their first run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from ablate.errors import RequestError
from ablate.run import Launcher, LocalLauncher, code_version
from ablate.spec import Study, StudyFile, identity, paths
from ablate.store import FindingRow, Store, StudyRecord
from ablate.store.engines import look_into
from ablate.store.urls import parse_url
from ablate.study.coordinator import Context, Snapshot
from ablate.study.record import Recorder

DEFAULT_STORAGE = "sqlite:///results/ablate.db"


Inspect = Callable[[Study, Mapping[str, dict[str, Any]], Launcher], Sequence[FindingRow]]
"""Looks at an ablation and its resolved configurations by arm before anything is written.

What it returns is recorded with the study; an AblateError that it raises stops the command.
"""


def _silent(_: Any) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Request:
    """How a command was asked to run a study."""

    storage: str = DEFAULT_STORAGE
    results: Path = Path("results")
    profile: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    say: Callable[[str], None] = _silent
    on_tick: Callable[[Snapshot], None] = _silent
    launcher: Callable[[int], Launcher] = LocalLauncher
    inspect: Inspect | None = None

    @contextmanager
    def launched(self) -> Iterator[Launcher]:
        """Start the workers and end them in any case."""
        if self.workers < 1:
            raise RequestError(f"--workers must be at least 1, not {self.workers}")
        launcher = self.launcher(self.workers)
        try:
            yield launcher
        finally:
            launcher.close()

    def prepare(self, file: StudyFile, launcher: Launcher) -> Study:
        """Apply the profile that was asked for, else the hardware's, and say which."""
        if self.profile is not None and self.profile not in file.spec.profiles:
            known = ", ".join(file.spec.profiles) or "none"
            raise RequestError(
                f"{file.path} declares no profile {self.profile!r}; its profiles: {known}"
            )
        facts = launcher.facts()
        study = file.prepare(self.profile or facts.profile, self.overrides)
        chosen = "asked for" if self.profile else f"chosen by hardware: {facts.device}"
        self.say(f"profile {study.profile} ({chosen})")
        for change in study.changes:
            self.say(f"  {change.path}: {change.before!r} -> {change.after!r}")
        return study

    def context(self, study: Study, definition_id: int, launcher: Launcher) -> Context:
        """Gather what every run of this command shares."""
        return Context(study, definition_id, self.results, code_version(), launcher.facts())


@contextmanager
def recording(store: Store, study: Study, say: Callable[[str], None]) -> Iterator[Recorder]:
    """Record a study; whatever happens, what was noted is written before this ends."""
    # Optuna's own account of every trial would stand between the lines of the progress display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recorder = Recorder(store, study.name, study.objective.direction, say)
    try:
        yield recorder
        recorder.flush()
    finally:
        recorder.close()


def stored_study(url: str, name: str) -> StudyRecord | None:
    """Read a study's record if the database is there; raise StorageError if it can't be used."""
    if look_into(parse_url(url)).version is None:
        return None
    with Store.open(url, create=False) as store:
        return store.study(name)


def refuse_changed(record: StudyRecord, study: Study) -> None:
    """Raise RequestError if the stored study of this name is defined differently."""
    if record.kind != study.spec.kind:
        raise RequestError(
            f"{study.name!r} is already a study of kind {record.kind} in this storage; "
            "give this one another name, or use another --storage"
        )
    before = paths.flatten(identity(record.definition))
    now = paths.flatten(identity(study.definition()))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        lines = "".join(
            f"\n  {key}: {before.get(key)!r} there, {now.get(key)!r} now" for key in changed[:8]
        )
        raise RequestError(
            f"the study {study.name!r} in this storage was started with another definition, so its "
            f"trials can't be continued; it differs at{lines}\n"
            "save the new definition under another study name, or use another --storage"
        )
