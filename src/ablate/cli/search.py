"""`ablate search`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import options, output
from ablate.workflow.defaults import DEFAULT_STORAGE


def search(
    study: Annotated[str, typer.Option("--study", help="A study: a name in studies/, or a path.")],
    *,
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a search, or continue it, until its budget is met."""
    result = workflow.search(
        study,
        storage=storage,
        results=results,
        profile=profile,
        set=options.parse_overrides(overrides),
        workers=workers,
        quiet=quiet,
    )
    if as_json:
        output.print_json(
            {
                "study": result.study,
                "storage": result.storage,
                "profile": result.profile,
                "counts": result.counts,
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
        output.say("some trials failed; their reasons: ablate report " + result.study)
        raise typer.Exit(1)
