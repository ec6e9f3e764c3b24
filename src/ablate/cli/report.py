"""`ablate report`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli import options, output
from ablate.cli.findings import after_runs


def report(
    study: Annotated[str, typer.Argument(help="A study in the storage.")],
    storage: options.Storage = options.DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Write the comparison report of a study: Markdown, HTML and CSV."""
    from ablate.audit.codes import as_rows  # noqa: PLC0415
    from ablate.report import build  # noqa: PLC0415 - pandas and matplotlib when used
    from ablate.store import Store  # noqa: PLC0415
    from ablate.store.artifacts import FOLDER  # noqa: PLC0415

    with Store.open(storage, create=False) as store:
        files = build(
            store,
            study,
            results / study / "report",
            results / FOLDER,
            lambda frames: as_rows(after_runs(store, frames)),
        )
    if as_json:
        written = [files.markdown, files.html, *files.tables, *files.figures]
        output.print_json({"study": study, "files": [str(path) for path in written]})
        return
    typer.echo(
        f"report: {files.html} (also {files.markdown.name} and {len(files.tables)} CSV files)"
    )
