"""`ablate dashboard`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli import options, output
from ablate.workflow.defaults import DEFAULT_STORAGE


def dashboard(
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")] = 8080,
) -> None:
    """Serve optuna-dashboard on the same storage, on this machine only."""
    from optuna_dashboard import wsgi  # noqa: PLC0415 - loaded only when used

    from ablate.cli.serving import serve  # noqa: PLC0415
    from ablate.store import Store  # noqa: PLC0415
    from ablate.store.artifacts import FOLDER, open_artifacts  # noqa: PLC0415

    with Store.open(storage, create=False) as store:
        application = wsgi(store.optuna, artifact_store=open_artifacts(results / FOLDER))
        output.say(f"optuna-dashboard on {store.url_shown}: http://127.0.0.1:{port}/ (Ctrl-C ends)")
        serve(application, port)
