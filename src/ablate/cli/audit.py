"""`ablate audit`."""

from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE
from ablate.workflow.words import headline, parted


def audit(
    study: Annotated[
        str,
        typer.Argument(
            help="A study: a name in studies/, or a path.", autocompletion=completion.studies
        ),
    ],
    *,
    storage: options.Storage = DEFAULT_STORAGE,
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    allow: options.Allow = None,
    static: Annotated[
        bool, typer.Option("--static", help="Read the configurations only; build nothing.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Probe every arm, also those that have not changed.")
    ] = False,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say whether the arms of a study may be compared; write nothing into the project."""
    result = workflow.audit(
        study,
        allow=allow or (),
        static=static,
        fresh=fresh,
        storage=storage,
        profile=profile,
        set=options.parse_overrides(overrides),
        workers=workers,
        quiet=quiet,
        verbose=verbose,
    )
    if as_json:
        rows = [finding._asdict() for finding in result.findings]
        output.print_json({"study": result.study, "profile": result.profile, "findings": rows})
    else:
        _, findings = parted(result.findings)
        for finding in findings:
            typer.echo(f"{headline(finding)}\n    at {finding.where}\n    do: {finding.advice}")
        typer.echo(result.summary())
    if not result.comparable:
        raise typer.Exit(1)
