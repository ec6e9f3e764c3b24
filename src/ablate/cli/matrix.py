"""What `ablate replay --dry-run` prints."""

import json
from typing import TYPE_CHECKING, Any

import typer

from ablate.cli import output
from ablate.spec.secrets import hidden
from ablate.workflow.words import expected

if TYPE_CHECKING:
    from ablate.workflow import MatrixResult
    from ablate.workflow.matrices import PlannedArm

_WIDEST = 60


def show_matrix(matrix: "MatrixResult", as_json: bool) -> None:
    """Print the arms and seeds of a replay, what is done and how long the rest may take."""
    if as_json:
        output.print_json(_rows(matrix))
        return
    for search in matrix.searches:
        for path, reason in search.left_out.items():
            typer.echo(f"{search.arm}: {path} is not tuned: {reason}")
    if searches := [search for search in matrix.searches if search.study is not None]:
        columns = ["search", "arm", "trials", "done", "to run", "expected"]
        rows = [
            [
                str(search.study),
                search.arm,
                "-" if search.trials is None else str(search.trials),
                str(search.done),
                str(search.to_run),
                _expected(search.to_run * search.seeds, search.seconds_per_run),
            ]
            for search in searches
        ]
        output.print_table(columns, rows)
    seeds = ", ".join(map(str, matrix.seeds))
    columns = ["arm", "design", "what it changes", "seeds", "done", "to run", "expected"]
    output.print_table(columns, [_arm(arm, seeds) for arm in matrix.arms])
    time = expected(matrix.seconds) if matrix.to_run or searches else "none"
    done = matrix.runs - matrix.to_run
    workers = f"{matrix.workers} worker{'' if matrix.workers == 1 else 's'}"
    typer.echo(
        f"{matrix.study}: {len(matrix.arms)} arms x {len(matrix.seeds)} seeds, {matrix.runs} runs: "
        f"{done} done, {matrix.to_run} to run; expected time with {workers}: {time}"
    )


def _arm(planned: "PlannedArm", seeds: str) -> list[str]:
    arm = planned.arm
    changes = ", ".join(
        f"{path}={json.dumps(hidden(path, value))}" for path, value in arm.changes.items()
    )
    said = " + ".join(arm.components) if arm.components and arm.design != "tuned" else changes
    done = len(planned.runs) - planned.to_run
    return [
        arm.name,
        "floor" if arm.floor else arm.design or "-",
        (said if len(said) <= _WIDEST else said[: _WIDEST - 3] + "...") or "-",
        seeds,
        f"{done} ({planned.failed} failed)" if planned.failed else str(done),
        str(planned.to_run),
        _expected(planned.to_run, planned.seconds_per_run),
    ]


def _expected(amount: int, seconds: float | None) -> str:
    if not amount:
        return "-"
    return expected(None if seconds is None else amount * seconds)


def _rows(matrix: "MatrixResult") -> dict[str, Any]:
    return {
        "study": matrix.study,
        "profile": matrix.profile,
        "seeds": matrix.seeds,
        "workers": matrix.workers,
        "runs": matrix.runs,
        "done": matrix.runs - matrix.to_run,
        "to_run": matrix.to_run,
        "expected_seconds": matrix.seconds,
        "searches": [
            {
                "arm": search.arm,
                "study": search.study,
                "trials": search.trials,
                "done": search.done,
                "to_run": search.to_run,
                "left_out": search.left_out,
                "seconds_per_run": search.seconds_per_run,
            }
            for search in matrix.searches
        ],
        "arms": [
            {
                "arm": planned.arm.name,
                "design": planned.arm.design,
                "components": planned.arm.components,
                "changes": hidden("", dict(planned.arm.changes)),
                "floor": planned.arm.floor,
                "to_run": planned.to_run,
                "seconds_per_run": planned.seconds_per_run,
                "runs": [
                    {
                        "seed": run.seed,
                        "state": run.status or "to run",
                        "trial": run.trial,
                        "config_hash": run.config_hash,
                    }
                    for run in planned.runs
                ],
            }
            for planned in matrix.arms
        ],
    }
