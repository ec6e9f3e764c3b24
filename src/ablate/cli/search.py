"""`ablate search`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.errors import RequestError
from ablate.workflow.defaults import DEFAULT_STORAGE


def search(
    study: Annotated[
        str | None,
        typer.Argument(
            help="A study: a name in studies/, or a path.", autocompletion=completion.studies
        ),
    ] = None,
    *,
    named: Annotated[
        str | None,
        typer.Option("--study", help="The same.", autocompletion=completion.studies),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="How many trials, in place of the study's budget."),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="How long, such as 2h, in place of the study's budget."),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="First try the trials again that have failed."),
    ] = False,
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run a search, or continue it, until its budget is met."""
    asked = _one(study, named)
    result = workflow.search(
        asked,
        trials=trials,
        timeout=timeout,
        retry_failed=retry_failed,
        storage=storage,
        results=results,
        profile=profile,
        set=options.parse_overrides(overrides),
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
                "infeasible": result.infeasible,
                "best": result.best
                and {
                    "number": result.best.number,
                    "value": result.best.value,
                    "params": result.best.params,
                },
            }
        )
    else:
        typer.echo(result.summary())
    output.say_what_next(result.study, result.storage)
    if result.failed:
        reasons = output.hint("report", result.study, storage=result.storage)
        again = output.hint("search", asked, storage=result.storage, retry_failed=None)
        output.say(f"some trials failed; their reasons: {reasons}; to try them again: {again}")
        raise typer.Exit(1)


def _one(study: str | None, named: str | None) -> str:
    """Return the study that is named, once or twice; raise RequestError for none, or two."""
    name = study if named is None else named
    if name is None:
        raise RequestError("which study? ablate search NAME, where studies/NAME.yaml is a search")
    if study not in (None, name):
        raise RequestError(f"two studies are named, {study!r} and --study {named!r}: give one")
    return name
