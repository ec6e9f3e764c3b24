"""`ablate freeze`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli import options, output


def freeze(
    trial: Annotated[str, typer.Argument(help="A recorded trial: STUDY/NUMBER.")],
    name: Annotated[str, typer.Option("--as", help="The config's name: writes configs/NAME.yaml.")],
    storage: options.Storage = options.DEFAULT_STORAGE,
    as_json: options.Json = False,
) -> None:
    """Pin a trial's resolved configuration as a config file, with its provenance."""
    from ablate.study import freeze_trial  # noqa: PLC0415 - optuna is loaded only when used

    path = freeze_trial(trial, Path("configs") / f"{name}.yaml", storage)
    if as_json:
        output.print_json({"trial": trial, "file": str(path)})
    else:
        typer.echo(str(path))
