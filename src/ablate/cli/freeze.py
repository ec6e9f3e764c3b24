"""`ablate freeze`."""

from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import options, output
from ablate.workflow.defaults import DEFAULT_STORAGE


def freeze(
    trial: Annotated[str, typer.Argument(help="A recorded trial: STUDY/NUMBER.")],
    name: Annotated[str, typer.Option("--as", help="The config's name: writes configs/NAME.yaml.")],
    storage: options.Storage = DEFAULT_STORAGE,
    as_json: options.Json = False,
) -> None:
    """Pin a trial's resolved configuration as a config file, with its provenance."""
    result = workflow.freeze(trial, name, storage=storage)
    if as_json:
        output.print_json({"trial": trial, "file": str(result.path)})
    else:
        typer.echo(result.summary())
