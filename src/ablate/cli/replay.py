"""`ablate replay`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.cli.matrix import show_matrix
from ablate.errors import RequestError
from ablate.workflow.defaults import DEFAULT_STORAGE

if TYPE_CHECKING:
    from ablate.workflow import ReplayResult, VerifyResult


def replay(
    study: Annotated[
        str,
        typer.Argument(
            help="A study in studies/, a path, or a recorded trial: STUDY/NUMBER.",
            autocompletion=completion.studies,
        ),
    ],
    *,
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms", help="Run only these arms, such as a,b.", autocompletion=completion.arms
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", help="Run only these seeds, such as 1,2; any seeds for a recorded trial."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--verify", help="Run STUDY/NUMBER again and compare: MATCH or DRIFT."),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", min=0, help="With --verify: the relative difference allowed."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be run and for how long; run nothing."),
    ] = False,
    allow: options.Allow = None,
    allow_import: options.AllowImport = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run every arm with every seed, as far as that has not been done."""
    if check and dry_run:
        raise RequestError("--verify runs the trial, --dry-run runs nothing: give one of them")
    changes = options.parse_overrides(overrides)
    chosen_arms, chosen_seeds = options.parse_arms(arms), options.parse_seeds(seeds)
    if check and (chosen_arms or chosen_seeds):
        raise RequestError("--verify runs a trial as it is recorded: leave out --arms and --seeds")
    if check:
        _print_verdict(
            workflow.verify(
                study,
                tolerance=tolerance,
                allow_import=allow_import or (),
                storage=storage,
                results=results,
                workers=workers,
                threads=threads,
                quiet=quiet,
                verbose=verbose,
            ),
            as_json,
        )
        return
    if dry_run:
        laid_out = workflow.matrix(
            study,
            arms=chosen_arms,
            seeds=chosen_seeds,
            allow=allow or (),
            allow_import=allow_import or (),
            storage=storage,
            profile=profile,
            set=changes,
            workers=workers,
            threads=threads,
            quiet=quiet,
            verbose=verbose,
        )
        show_matrix(laid_out, as_json)
        return
    result = workflow.replay(
        study,
        arms=chosen_arms,
        seeds=chosen_seeds,
        allow=allow or (),
        allow_import=allow_import or (),
        storage=storage,
        results=results,
        profile=profile,
        set=changes,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
    )
    if as_json:
        output.print_json(
            {
                "study": result.study,
                "storage": result.storage,
                "profile": result.profile,
                "counts": result.counts,
                "runs": [vars(run) for run in result.runs],
            }
        )
    else:
        output.print_table(*_table(result, result.metrics))
        typer.echo(result.summary())
    output.say_what_next(result.study, result.storage)
    if not result.complete:
        raise typer.Exit(1)


def _print_verdict(verdict: "VerifyResult", as_json: bool) -> None:
    if as_json:
        output.print_json(
            {
                "trial": verdict.trial,
                "replayed": verdict.replayed,
                "verdict": verdict.verdict,
                "exact": verdict.exact,
                "tolerance": verdict.tolerance,
                "compared": verdict.compared,
                "deviations": verdict.frame().to_dict("records"),
                "differences": [vars(difference) for difference in verdict.differences],
                "endings": [
                    {
                        "seed": ending.seed,
                        "recorded": vars(ending.recorded),
                        "now": vars(ending.now),
                    }
                    for ending in verdict.endings
                ],
                "edits": [str(edit) for edit in verdict.edits],
                "repeated": verdict.repeated,
                "inexact": {str(seed): list(why) for seed, why in verdict.inexact.items()},
            }
        )
    else:
        typer.echo(verdict.summary())
    if not verdict.matches:
        raise typer.Exit(1)


def _table(result: "ReplayResult", metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    columns = ["trial", "arm", "seed", "state", "parameters", *metrics]
    return columns, [
        [
            str(run.trial),
            run.arm,
            str(run.seed),
            run.state,
            "-" if run.parameters is None else f"{run.parameters:,}",
            *(output.number(run.best.get(name)) for name in metrics),
        ]
        for run in result.runs
    ]
