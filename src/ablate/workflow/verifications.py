"""Run a recorded trial again and say whether it gives what was recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablate import study as studies
from ablate.run import Launcher
from ablate.spec import Outcome, Status
from ablate.study import Verification
from ablate.workflow.request import requested
from ablate.workflow.result import Result

_SHOWN = 8


@dataclass(frozen=True)
class VerifyResult(Result, Verification):
    """The verdict on a replayed trial, MATCH or DRIFT, and what it rests on."""

    @property
    def verdict(self) -> str:
        """MATCH or DRIFT."""
        return "MATCH" if self.matches else "DRIFT"

    def frame(self) -> pd.DataFrame:
        """Return the deviations: seed, phase, metric, step, recorded, now, relative."""
        columns = ["seed", "phase", "metric", "step", "recorded", "now", "relative"]
        rows = [
            (item.seed, *item.row, item.recorded, item.now, item.relative)
            for item in self.deviations
        ]
        return pd.DataFrame(rows, columns=columns)

    def summary(self) -> str:
        """Say the verdict, the first deviations, and what is different now."""
        edited = [f"the record was changed after it was made: {edit}" for edit in self.edits]
        return "\n".join([*self._verdict(), *edited, *self._reasons()])

    def _verdict(self) -> list[str]:
        if self.matches:
            how = "bit for bit" if self.exact else f"within {self.tolerance:g} (relative)"
            return [
                f"MATCH {how}: {self.compared} recorded values of {self.trial}",
                *(
                    f"  seed {item.seed} failed again: {item.now.cause}"
                    for item in self.endings
                    if item.recorded.status is Status.FAILED
                ),
            ]
        if self.comes_out_again:
            return [f"DRIFT: the {self.compared} values of {self.trial} came out again, but"]
        lines = [
            f"DRIFT: {len(self.deviations)} of {self.compared} recorded values of "
            f"{self.trial} did not come out again; tolerance {self.tolerance:g}",
            *(
                f"  seed {item.seed}: {_in_words(item.recorded)} recorded, "
                f"{_in_words(item.now)} now"
                for item in self.endings
                if not item.same
            ),
        ]
        for item in self.deviations[:_SHOWN]:
            phase, metric, step = item.row
            lines.append(
                f"  seed {item.seed} {phase} {metric} at step {step}: "
                f"{item.recorded!r} recorded, {item.now!r} now"
            )
        return lines

    def _reasons(self) -> list[str]:
        if not self.deviations and self.ends_as_before:
            return []
        ended = [item for item in self.endings if not item.same]
        inexact = [
            f"seed {seed} was not resumed exactly, so that its values may differ: "
            + "; ".join(reasons)
            for seed, reasons in self.inexact.items()
        ]
        if inexact and not self.differences:
            return inexact
        if not self.differences and not self.deviations and all(e.from_outside for e in ended):
            return ["nothing that is recorded differs: the recorded run was ended from outside"]
        if not self.differences:
            return [*inexact, *self._unexplained()]
        return [
            *inexact,
            "what is different now:",
            *(
                f"  {change.what}: {change.recorded!r} recorded, {change.now!r} now"
                for change in self.differences
            ),
        ]

    def _unexplained(self) -> list[str]:
        """Say what is known where nothing that is recorded differs."""
        if self.edits:
            return []
        if self.repeated is None:
            return ["nothing that is recorded differs"]
        if self.repeated:
            return [
                "nothing that is recorded differs, and two runs made now agree with each other: "
                "the cause is something that is not recorded, such as a driver, a file outside "
                "this folder or an answer of a server"
            ]
        return [
            "nothing that is recorded differs, and two runs made now differ from each other: "
            "the run itself is not deterministic"
        ]


def _in_words(outcome: Outcome) -> str:
    """Write how a run ended: the status, the cause and the reason, as far as there are any."""
    return ": ".join([str(part) for part in vars(outcome).values() if part is not None])


def verify(
    trial: str,
    *,
    tolerance: float | None = None,
    allow_import: Sequence[str] = (),
    storage: str | None = None,
    results: str | Path = "results",
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> VerifyResult:
    """Run the recorded trial `STUDY/NUMBER` again with its seeds and compare every metric value.

    Values must agree bit for bit, on other hardware to 1 %, unless a relative `tolerance` is given.
    Raises RequestError, with nothing written, if the request is wrong.
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
        return VerifyResult(**vars(studies.verify(trial, request, tolerance, allow_import)))
