"""Serve optuna-dashboard on a storage, for reading."""

from collections.abc import Callable
from pathlib import Path

from optuna_dashboard import wsgi

from ablate.store import Store
from ablate.store.artifacts import FOLDER, open_artifacts
from ablate.workflow.defaults import storage_url
from ablate.workflow.serving import serve


def dashboard(
    *,
    port: int = 8080,
    storage: str | None = None,
    results: str | Path = "results",
    say: Callable[[str], None] = print,
) -> None:
    """Serve optuna-dashboard on this machine only, for reading, until interrupted.

    Raises RequestError if the port is taken, and StorageError if there is no such storage.
    """
    with Store.open(storage_url(storage), create=False) as store:
        artifacts = open_artifacts(Path(results) / FOLDER)
        application = wsgi(store.optuna, artifact_store=artifacts)
        say(f"optuna-dashboard on {store.url_shown}: http://127.0.0.1:{port}/ (Ctrl-C ends)")
        serve(application, port)
