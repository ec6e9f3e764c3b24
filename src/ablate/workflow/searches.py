"""Run a search, or continue it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ablate import analysis
from ablate import study as studies
from ablate.run import Launcher
from ablate.spec import Budget, Search, Status
from ablate.spec.constraints import counted_infeasible, none_feasible
from ablate.spec.strict import validate
from ablate.store import Store, TrialRecord
from ablate.workflow.defaults import storage_url
from ablate.workflow.request import requested, written
from ablate.workflow.result import Result
from ablate.workflow.words import counted


@dataclass(frozen=True)
class SearchResult(Result):
    """How a search stands: its trials by state, and the best one."""

    study: str
    storage: str
    profile: str
    counts: Mapping[Status, int]
    """How many trials ended how."""
    best: TrialRecord | None
    """The complete trial with the best value that keeps every constraint, if there is one."""
    failed: int
    """How many failed trials no other one has replaced."""
    infeasible: int
    """How many complete trials break a constraint."""
    already_done: bool
    """Whether the budget was met before."""
    _url: str = field(repr=False, default="")

    def frame(self) -> pd.DataFrame:
        """Return the trials: number, state, value, seeds, seconds, reason, every parameter."""
        with Store.open(self._url, create=False) as store:
            return trials_frame(analysis.trials_table(analysis.load_search(store, self.study)))

    def summary(self) -> str:
        """Say how many trials ended how, and which is the best."""
        done = "is done: its budget was met before" if self.already_done else "is done"
        lines = [f"{self.study} {done}: {counted(self.counts)}"]
        if self.best is not None:
            lines.append(f"best trial {self.best.number}: {self.best.value!r}")
            lines += [f"  {path}: {value!r}" for path, value in self.best.params.items()]
            if self.infeasible:
                lines.append(f"{counted_infeasible(self.infeasible)} and can't be the best")
        elif self.infeasible:
            lines.append(f"no feasible trial: {none_feasible(self.infeasible)}")
        return "\n".join(lines)


def search(
    study: str | Path | Search,
    *,
    trials: int | None = None,
    timeout: float | str | None = None,
    retry_failed: bool = False,
    storage: str | None = None,
    results: str | Path = "results",
    profile: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> SearchResult:
    """Run a search, or continue it, until its budget is met.

    `study` is a name in `studies/`, a path, or an `ablate.Search`. `trials`, `timeout` (seconds, or
    a text such as `2h`) or both take the place of the study's budget. With `retry_failed`, trials
    that have failed are first tried again. Raises RequestError, with
    nothing written, if the request is wrong, RunError if the study can't go on, and Interrupted
    when stopped by a signal.
    """
    budget = None
    if trials is not None or timeout is not None:
        given = {"trials": trials, "timeout": timeout}
        budget = validate(Budget, given, "the budget asked for")
    with requested(
        storage=storage,
        results=results,
        profile=profile,
        overrides=set,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
        launcher=launcher,
    ) as request:
        summary = studies.search(written(study), request, budget, retry_failed=retry_failed)
    return SearchResult(**vars(summary), _url=storage_url(storage))


def trials_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return a table of trials with a column per parameter, named by its dotted path."""
    params = pd.DataFrame(trials["params"].tolist(), index=trials.index)
    return pd.concat([trials.drop(columns="params"), params], axis=1)
