"""`ablate dashboard`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import options, output
from ablate.workflow.defaults import DEFAULT_STORAGE


def dashboard(
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")] = 8080,
    token: Annotated[
        bool | None,
        typer.Option(
            "--token/--no-token",
            help="Ask for a token, which the printed address has; by default where others have "
            "accounts on this machine.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve optuna-dashboard and the reports on this machine only, for reading."""
    workflow.dashboard(port=port, storage=storage, results=results, token=token, say=output.say)
