"""`ablate status`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE
from ablate.workflow.words import counted

if TYPE_CHECKING:
    from ablate.workflow.standings import StudyStatus


def status(
    study: Annotated[
        str | None,
        typer.Argument(help="A study; by default all.", autocompletion=completion.stored),
    ] = None,
    storage: options.Storage = DEFAULT_STORAGE,
    as_json: options.Json = False,
) -> None:
    """Show how studies stand: trials by state, the best, what runs now."""
    result = workflow.status(study, storage=storage)
    if as_json:
        output.print_json([_as_json(status) for status in result.studies])
        return
    output.print_table(
        ["study", "kind", "profile", "trials", "best", "active"],
        [
            [
                status.study,
                status.kind,
                status.profile,
                counted(status.counts),
                "-"
                if status.best is None
                else f"{output.number(status.best.value)} (trial {status.best.number})",
                f"{status.active_seconds:.0f} s",
            ]
            for status in result.studies
        ],
    )
    for status in result.studies:
        for (trial, seed), reasons in status.inexact.items():
            run = f"{status.study}/{trial} (seed {seed})"
            typer.echo(f"{run} was not resumed exactly: {'; '.join(reasons)}")
        for remark in status.remarks():
            typer.echo(f"{status.study}: {remark}")


def _as_json(status: "StudyStatus") -> dict[str, Any]:
    best = status.best
    return {
        "study": status.study,
        "kind": status.kind,
        "profile": status.profile,
        "counts": status.counts,
        "best": best and {"number": best.number, "value": best.value, **best.user_attrs},
        "infeasible": status.infeasible,
        "active_seconds": status.active_seconds,
        "successes": {
            "kept": status.successes.kept,
            "lost": [
                {
                    "trial": run.trial,
                    "arm": run.arm,
                    "seed": run.seed,
                    "reached": run.reached,
                    "lost": run.lost,
                }
                for run in status.successes.lost
            ],
            "unrecorded": status.successes.unrecorded,
        },
        "inexact": [
            {"trial": trial, "seed": seed, "reasons": list(reasons)}
            for (trial, seed), reasons in status.inexact.items()
        ],
        "edited": [str(edit) for edit in status.seals.edits],
        "unsealed": status.seals.unsealed,
    }
