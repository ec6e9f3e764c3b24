"""`ablate confirm`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli import options, output
from ablate.cli.progress import Live
from ablate.cli.requests import make_request

if TYPE_CHECKING:
    import pandas as pd

    from ablate.study import ReplayResult


def confirm(
    study: Annotated[str, typer.Argument(help="A search in the storage.")],
    *,
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many of the best trials are run again.")
    ] = 5,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, help="With how many fresh seeds each.")
    ] = 10,
    storage: options.Storage = options.DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    allow_import: options.AllowImport = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run the best trials of a search again with fresh seeds, and say how much was luck."""
    from ablate import study as studies  # noqa: PLC0415 - optuna is loaded only when used

    with Live(quiet) as live:
        request = make_request(
            live, storage=storage, results=results, profile=None, changes={}, workers=workers
        )
        result = studies.confirm(study, request, top, seeds, allow_import or ())
    from ablate import analysis  # noqa: PLC0415 - pandas is loaded only when used
    from ablate.report.confirmed import verdicts  # noqa: PLC0415
    from ablate.store import Store  # noqa: PLC0415

    with Store.open(storage, create=False) as store:
        frames = analysis.load(store, result.study)
    found = analysis.confirmed_table(frames)
    if as_json:
        output.print_json(_as_json(study, result, frames.definition, found))
    else:
        output.print_table(*_table(found))
        for line in verdicts(found):
            typer.echo(line)
        typer.echo(f"{result.study}: {output.counted(result.counts)}")
    hint = output.dashboard_hint(result.storage, options.DEFAULT_STORAGE)
    output.say(f"report: ablate report {result.study}    dashboard: {hint}")
    if any(run.status != "complete" for run in result.runs):
        raise typer.Exit(1)


def _as_json(
    search: str, result: "ReplayResult", definition: Any, found: "pd.DataFrame"
) -> dict[str, Any]:
    from ablate import analysis  # noqa: PLC0415
    from ablate.report.confirmed import verdicts  # noqa: PLC0415

    rows = [
        {**row, "rank": int(row["rank"]) if row["n"] else None} for row in found.to_dict("records")
    ]
    return {
        "study": result.study,
        "search": search,
        "storage": result.storage,
        "metric": definition["objective"]["metric"],
        "direction": definition["objective"]["direction"],
        "seeds": definition["seeds"],
        "counts": result.counts,
        "trials": rows,
        "may_be_best": analysis.contenders(found),
        "verdicts": verdicts(found),
    }


def _table(found: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    columns = ["trial", "found", "mean", "n", "sd", "95 % interval", "luck", "rank", "rank found"]
    return columns, [
        [
            str(row["trial"]),
            output.number(row["found"]),
            output.number(row["mean"]),
            f"{row['n']} of {row['runs']}",
            output.number(row["sd"]),
            f"{output.number(row['low'])} to {output.number(row['high'])}",
            output.number(row["luck"]),
            str(row["rank"]) if row["n"] else "-",
            str(row["rank_found"]),
        ]
        for row in found.to_dict("records")
    ]
