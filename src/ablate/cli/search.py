"""`ablate search`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli import options, output
from ablate.cli.progress import Live
from ablate.cli.requests import make_request


def search(
    study: Annotated[str, typer.Option("--study", help="A study: a name in studies/, or a path.")],
    *,
    storage: options.Storage = options.DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a search, or continue it, until its budget is met."""
    changes = options.parse_overrides(overrides)
    from ablate import study as studies  # noqa: PLC0415 - optuna is loaded only when used

    with Live(quiet) as live:
        request = make_request(
            live,
            storage=storage,
            results=results,
            profile=profile,
            changes=changes,
            workers=workers,
        )
        result = studies.search(study, request)
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
        done = "is done: its budget was met before" if result.already_done else "is done"
        typer.echo(f"{result.study} {done}: {output.counted(result.counts)}")
        if result.best is not None:
            typer.echo(f"best trial {result.best.number}: {result.best.value!r}")
            for path, value in result.best.params.items():
                typer.echo(f"  {path}: {value!r}")
    hint = output.dashboard_hint(result.storage, options.DEFAULT_STORAGE)
    output.say(f"report: ablate report {result.study}    dashboard: {hint}")
    if result.counts.get("failed"):
        output.say("some trials failed; their reasons: ablate report " + result.study)
        raise typer.Exit(1)
