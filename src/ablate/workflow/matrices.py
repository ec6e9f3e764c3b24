"""Lay out what a replay would run, without running it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.audits.codes import check_codes
from ablate.run import Launcher
from ablate.spec import Ablation
from ablate.study import Matrix
from ablate.study import matrix as lay_out
from ablate.study.cells import Cells
from ablate.study.matrix import PlannedArm
from ablate.workflow.request import requested, subject_of
from ablate.workflow.result import Result

__all__ = ["MatrixResult", "PlannedArm", "matrix"]


@dataclass(frozen=True)
class MatrixResult(Result, Matrix):
    """The matrix of a replay: all runs by arm and seed, and the searches that come first."""

    def frame(self) -> pd.DataFrame:
        """Return the runs: arm, design, floor, seed, state, trial, config_hash, seconds."""
        rows = [
            {
                "arm": planned.arm.name,
                "design": planned.arm.design,
                "floor": planned.arm.floor,
                "seed": run.seed,
                "state": run.status or "to run",
                "trial": run.trial,
                "config_hash": run.config_hash,
                "seconds": planned.seconds_per_run,
            }
            for planned in self.arms
            for run in planned.runs
        ]
        return pd.DataFrame(rows).astype({"trial": "Int64"})

    def summary(self) -> str:
        """Say how many runs there are, and how many are left."""
        return (
            f"{self.study}: {len(self.arms)} arms x {len(self.seeds)} seeds, {self.runs} runs: "
            f"{self.runs - self.to_run} done, {self.to_run} to run"
        )


def matrix(
    study: str | Path | Ablation,
    *,
    arms: Sequence[str] = (),
    seeds: Sequence[int] = (),
    allow: Sequence[str] = (),
    allow_import: Sequence[str] = (),
    storage: str | None = None,
    profile: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> MatrixResult:
    """Lay out what `replay` with the same arguments would run; nothing is trained or written.

    Raises RequestError if the request is wrong, as far as that shows without running a batch.
    """
    check_codes(allow)
    with requested(
        storage=storage,
        profile=profile,
        overrides=set,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
        launcher=launcher,
    ) as request:
        laid_out = lay_out(subject_of(study, request, Cells(arms, seeds), allow_import), request)
    return MatrixResult(**vars(laid_out))
