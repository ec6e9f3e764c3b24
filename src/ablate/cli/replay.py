"""`ablate replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli import options, output
from ablate.cli.progress import Live

if TYPE_CHECKING:
    from ablate.study import ReplayResult


def replay(
    study: Annotated[
        str, typer.Argument(help="A study in studies/, a path, or a recorded trial: STUDY/NUMBER.")
    ],
    *,
    storage: options.Storage = options.DEFAULT_STORAGE,
    results: options.Results = Path("results"),
    profile: options.Profile = None,
    overrides: options.Overrides = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Seeds for a recorded trial, such as 1,2,3.")
    ] = None,
    allow_import: options.AllowImport = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every arm with every seed, as far as that has not been done."""
    changes = options.parse_overrides(overrides)
    chosen = options.parse_seeds(seeds)
    from ablate import study as studies  # noqa: PLC0415 - optuna is loaded only when used

    with Live(quiet) as live:
        request = studies.Request(
            storage,
            results,
            profile,
            changes,
            workers or options.default_workers(),
            live.say,
            live.show,
        )
        result = studies.replay(study, request, chosen, allow_import or ())
    rows = run_rows(storage, result)
    if as_json:
        output.print_json(
            {
                "study": result.study,
                "storage": result.storage,
                "profile": result.profile,
                "counts": result.counts,
                "runs": rows,
            }
        )
    else:
        output.print_table(*_table(rows))
        typer.echo(f"{result.study}: {output.counted(result.counts)}")
    hint = output.dashboard_hint(result.storage, options.DEFAULT_STORAGE)
    output.say(f"report: ablate report {result.study}    dashboard: {hint}")
    if any(row["state"] != "complete" for row in rows):
        raise typer.Exit(1)


def run_rows(storage: str, result: "ReplayResult") -> list[dict[str, Any]]:
    """Return one row per run of a replay, with its metrics at the best and the last epoch."""
    from ablate import analysis  # noqa: PLC0415 - pandas is loaded only when used
    from ablate.store import Store  # noqa: PLC0415

    with Store.open(storage, create=False) as store:
        frames = analysis.load(store, result.study)
    objective = frames.record.definition["objective"]
    read = {
        "best": analysis.at_best(frames, objective["metric"], objective["direction"]),
        "last": analysis.at_last(frames, objective["metric"]),
    }
    return [
        {
            "arm": run.arm,
            "seed": run.seed,
            "trial": run.trial,
            "state": run.status,
            "reason": run.reason,
            "config_hash": run.config_hash,
            "parameters": run.parameters,
            **{
                at: {
                    row.name_: row.value
                    for row in values.rename(columns={"name": "name_"}).itertuples()
                    if row.run_id == run.id
                }
                for at, values in read.items()
            },
        }
        for run in result.runs
    ]


def _table(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    shown = sorted({name for row in rows for name in row["best"]})[:4]
    columns = ["trial", "arm", "seed", "state", "parameters", *(f"best {name}" for name in shown)]
    return columns, [
        [
            str(row["trial"]),
            row["arm"],
            str(row["seed"]),
            row["state"],
            "-" if row["parameters"] is None else f"{row['parameters']:,}",
            *(output.number(row["best"].get(name)) for name in shown),
        ]
        for row in rows
    ]
