"""Serve optuna-dashboard and the reports of a storage, for reading."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bottle import HTTPError
from optuna_dashboard import wsgi

from ablate.store import Store
from ablate.store.artifacts import FOLDER, read_artifact
from ablate.store.shared_reading import SharedReading
from ablate.workflow.answers import SharedAnswers
from ablate.workflow.defaults import storage_url
from ablate.workflow.mended import for_reading, mended
from ablate.workflow.pages import Pages
from ablate.workflow.people import other_people
from ablate.workflow.serving import serve
from ablate.workflow.shown import ShownStudies
from ablate.workflow.tokens import new_token, with_token


def dashboard(
    *,
    port: int = 8080,
    storage: str | None = None,
    results: str | Path = "results",
    token: bool | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve optuna-dashboard and the reports on this machine only, for reading, until interrupted.

    `/` leads to both, `/dashboard` to optuna-dashboard, `/reports/STUDY` to the report of a study.
    With `token`, by default where other people use the machine, it opens only to who has the
    address that is said once. Raises RequestError if the port is taken, and StorageError if there
    is no such storage.
    """
    others = token is None and other_people()
    with Store.open(storage_url(storage), create=False) as store:
        storage_shown = SharedReading(store.optuna, ShownStudies(store))
        theirs = wsgi(storage_shown, artifact_store=_Artifacts(Path(results) / FOLDER))
        answers = SharedAnswers(mended(for_reading(theirs), storage_shown))
        application = Pages(answers, store, storage_shown, Path(results))
        where = f"http://127.0.0.1:{port}/"
        if not (token or others):
            serve(
                application,
                port,
                lambda: say(f"dashboard on {store.url_shown}: {where} (Ctrl-C ends)"),
            )
            return
        secret = new_token()
        why = "; others use this machine, hence the token: --no-token leaves it out"
        serve(
            with_token(application, secret, port),
            port,
            lambda: say(
                f"dashboard on {store.url_shown}: {where}?token={secret} "
                f"(Ctrl-C ends{why if others else ''})"
            ),
        )


class _Artifacts:
    """The files of runs, for reading; one that is not there is no fault of the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open a file."""
        try:
            return read_artifact(self._folder, artifact_id)
        except FileNotFoundError:
            raise HTTPError(404, "this file is not on this machine") from None
