"""`ablate report`."""

from pathlib import Path
from typing import Annotated

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE


def report(
    study: Annotated[
        str,
        typer.Argument(help="A study in the storage.", autocompletion=completion.stored),
    ],
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    written_as: Annotated[
        str,
        typer.Option("--format", help="`tex` adds tables in LaTeX and figures as PDF."),
    ] = "page",
    as_json: options.Json = False,
) -> None:
    """Write the comparison report of a study: Markdown, HTML and CSV."""
    result = workflow.report(study, storage=storage, results=results, format=written_as)
    if as_json:
        files = result.files
        written = [files.markdown, files.html, *files.tables, *files.figures]
        output.print_json(
            {
                "study": study,
                "files": [str(path) for path in written],
                "comparisons": output.rows(result.comparisons()),
            }
        )
        return
    typer.echo(result.summary())
