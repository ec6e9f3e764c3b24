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
) -> None:
    """Serve optuna-dashboard on the same storage, on this machine only."""
    workflow.dashboard(port=port, storage=storage, results=results, say=output.say)
