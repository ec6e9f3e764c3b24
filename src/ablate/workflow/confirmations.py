"""Run the best trials of a search again with fresh seeds: how much of the best was luck?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ablate import analysis
from ablate import study as studies
from ablate.reports.confirmed import verdicts
from ablate.run import Launcher
from ablate.spec import Direction, Status
from ablate.store import Store
from ablate.workflow.request import requested
from ablate.workflow.result import Result
from ablate.workflow.words import counted


@dataclass(frozen=True)
class ConfirmResult(Result):
    """How the best trials of a search do with fresh seeds."""

    study: str
    """The ablation that ran them, `SEARCH-confirm`."""
    search: str
    storage: str
    metric: str
    direction: Direction
    seeds: tuple[int, ...]
    counts: Mapping[Status, int]
    """How many of its trials ended how."""
    may_be_best: tuple[int, ...]
    """The trials of the search that may be the best; more than one if nobody can tell."""
    verdicts: tuple[str, ...]
    """What follows, in sentences."""
    complete: bool
    """Whether every run is complete."""
    table: pd.DataFrame = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """Return a row per trial, as `ablate.analysis.confirmed_table` describes it."""
        return self.table.copy()

    def summary(self) -> str:
        """Say what fresh seeds make of the best, and how the runs ended."""
        return "\n".join([*self.verdicts, f"{self.study}: {counted(self.counts)}"])


def confirm(
    study: str,
    *,
    top: int = 5,
    seeds: int = 10,
    allow_import: Sequence[str] = (),
    storage: str | None = None,
    results: str | Path = "results",
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> ConfirmResult:
    """Run the `top` best trials of a search again, with as many `seeds` that it never used.

    The runs belong to an ablation called `STUDY-confirm`, and none is made twice. Raises
    RequestError, with nothing written, if the request is wrong, and Interrupted when stopped.
    """
    with requested(
        storage=storage,
        results=results,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
        launcher=launcher,
    ) as request:
        summary = studies.confirm(study, request, top, seeds, allow_import)
        with Store.open(request.storage, create=False) as store:
            frames = analysis.load_ablation(store, summary.study)
    definition, table = frames.definition, analysis.confirmed_table(frames)
    return ConfirmResult(
        study=summary.study,
        search=study,
        storage=summary.storage,
        metric=definition.objective.metric,
        direction=definition.objective.direction,
        seeds=definition.seeds,
        counts=summary.counts,
        may_be_best=tuple(analysis.contenders(table)),
        verdicts=tuple(verdicts(table)),
        complete=all(run.status is Status.COMPLETE for run in summary.runs),
        table=table,
    )
