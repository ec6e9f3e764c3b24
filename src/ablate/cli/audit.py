"""`ablate audit`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli import findings, options, output
from ablate.cli.progress import Live
from ablate.cli.requests import make_request


def audit(
    study: Annotated[str, typer.Argument(help="A study: a name in studies/, or a path.")],
    *,
    storage: options.Storage = options.DEFAULT_STORAGE,
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    allow: options.Allow = None,
    static: Annotated[
        bool, typer.Option("--static", help="Read the configurations only; build nothing.")
    ] = False,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say whether the arms of a study may be compared; write nothing."""
    changes = options.parse_overrides(overrides)
    from ablate.audit import check  # noqa: PLC0415
    from ablate.audit.codes import as_rows, check_codes  # noqa: PLC0415
    from ablate.audit.findings import allow as allowing  # noqa: PLC0415
    from ablate.audit.findings import blocking, ordered  # noqa: PLC0415
    from ablate.spec import read_study  # noqa: PLC0415

    check_codes(allow or ())
    file = read_study(study)
    with Live(quiet) as live:
        request = make_request(
            live,
            storage=storage,
            results=Path("results"),
            profile=profile,
            changes=changes,
            workers=workers,
        )
        with request.launched() as launcher:
            prepared = request.prepare(file, launcher)
            declared = findings.declared_allowances(prepared)
            recorded = findings.origins(storage, prepared)
            found = check.audit(prepared, launcher, live.say, recorded=recorded, probes=not static)
    found = ordered([*found, *findings.of_stored(storage, prepared)])
    found = allowing(found, allow or (), declared)
    if as_json:
        rows = [row._asdict() for row in as_rows(found)]
        output.print_json({"study": file.name, "profile": prepared.profile, "findings": rows})
    else:
        findings.show(found)
        typer.echo(f"{file.name}: {findings.counted(found)}")
    if blocking(found):
        raise typer.Exit(1)
