"""`ablate confirm`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE

if TYPE_CHECKING:
    from ablate.workflow import ConfirmResult


def confirm(
    study: Annotated[
        str,
        typer.Argument(help="A search in the storage.", autocompletion=completion.stored),
    ],
    *,
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many of the best trials are run again.")
    ] = 5,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, help="With how many fresh seeds each.")
    ] = 10,
    storage: options.Storage = DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    allow_import: options.AllowImport = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Run the best trials of a search again with fresh seeds, and say how much was luck."""
    result = workflow.confirm(
        study,
        top=top,
        seeds=seeds,
        allow_import=allow_import or (),
        storage=storage,
        results=results,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
    )
    if as_json:
        output.print_json(_as_json(result))
    else:
        output.print_table(*_table(result))
        typer.echo(result.summary())
    output.say_what_next(result.study, result.storage)
    if not result.complete:
        raise typer.Exit(1)


def _as_json(result: "ConfirmResult") -> dict[str, Any]:
    rows = [
        {**row, "rank": int(row["rank"]) if row["n"] else None}
        for row in result.frame().to_dict("records")
    ]
    return {
        "study": result.study,
        "search": result.search,
        "storage": result.storage,
        "metric": result.metric,
        "direction": result.direction,
        "seeds": result.seeds,
        "counts": result.counts,
        "trials": rows,
        "may_be_best": result.may_be_best,
        "verdicts": result.verdicts,
    }


def _table(result: "ConfirmResult") -> tuple[list[str], list[list[str]]]:
    columns = ["trial", "found", "mean", "n", "sd", "95 % interval", "luck", "rank", "rank found"]
    return columns, [
        [
            str(row["trial"]),
            output.number(row["found"]),
            output.number(row["mean"]),
            f"{row['n']} of {row['runs']}",
            output.number(row["sd"]),
            output.interval(row["low"], row["high"]),
            output.number(row["luck"]),
            str(row["rank"]) if row["n"] else "-",
            str(row["rank_found"]),
        ]
        for row in result.frame().to_dict("records")
    ]
