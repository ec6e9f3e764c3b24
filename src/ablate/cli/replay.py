"""`ablate replay`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli import options, output
from ablate.cli.findings import inspector
from ablate.cli.matrix import show_matrix
from ablate.cli.progress import Live
from ablate.cli.requests import make_request
from ablate.errors import RequestError

if TYPE_CHECKING:
    from ablate.study import ReplayResult, Verification

_SHOWN = 8


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
    check: Annotated[
        bool,
        typer.Option("--verify", help="Run STUDY/NUMBER again and compare: MATCH or DRIFT."),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", min=0, help="With --verify: the relative difference allowed."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be run and for how long; run nothing."),
    ] = False,
    allow: options.Allow = None,
    allow_import: options.AllowImport = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run every arm with every seed, as far as that has not been done."""
    changes = options.parse_overrides(overrides)
    chosen = options.parse_seeds(seeds)
    from ablate import study as studies  # noqa: PLC0415 - optuna is loaded only when used
    from ablate.audit.codes import check_codes  # noqa: PLC0415

    if check and dry_run:
        raise RequestError("--verify runs the trial, --dry-run runs nothing: give one of them")
    check_codes(allow or ())
    with Live(quiet) as live:
        request = make_request(
            live,
            storage=storage,
            results=results,
            profile=profile,
            changes=changes,
            workers=workers,
        )
        if dry_run:
            show_matrix(studies.matrix(study, request, chosen, allow_import or ()), as_json)
            return
        request = replace(request, inspect=inspector(request, allow or ()))
        if check:
            verdict = studies.verify(study, request, tolerance, allow_import or ())
            _print_verdict(verdict, as_json)
            return
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
        output.print_table(*_table(rows, result.metrics))
        typer.echo(f"{result.study}: {output.counted(result.counts)}")
    hint = output.dashboard_hint(result.storage, options.DEFAULT_STORAGE)
    output.say(f"report: ablate report {result.study}    dashboard: {hint}")
    if any(row["state"] != "complete" for row in rows):
        raise typer.Exit(1)


def _print_verdict(verdict: "Verification", as_json: bool) -> None:
    how = "bit for bit" if verdict.exact else f"within {verdict.tolerance:g} (relative)"
    if as_json:
        output.print_json(
            {
                "trial": verdict.trial,
                "replayed": verdict.replayed,
                "verdict": "MATCH" if verdict.matches else "DRIFT",
                "exact": verdict.exact,
                "tolerance": verdict.tolerance,
                "compared": verdict.compared,
                "deviations": [
                    {
                        "seed": item.seed,
                        "phase": item.row[0],
                        "metric": item.row[1],
                        "step": item.row[2],
                        "recorded": item.recorded,
                        "now": item.now,
                        "relative": item.relative,
                    }
                    for item in verdict.deviations
                ],
                "differences": [
                    {"what": item.what, "recorded": item.recorded, "now": item.now}
                    for item in verdict.differences
                ],
            }
        )
    elif verdict.matches:
        typer.echo(f"MATCH {how}: {verdict.compared} recorded values of {verdict.trial}")
    else:
        typer.echo(
            f"DRIFT: {len(verdict.deviations)} of {verdict.compared} recorded values of "
            f"{verdict.trial} did not come out again; tolerance {verdict.tolerance:g}"
        )
        for item in verdict.deviations[:_SHOWN]:
            phase, metric, step = item.row
            typer.echo(
                f"  seed {item.seed} {phase} {metric} at step {step}: "
                f"{item.recorded!r} recorded, {item.now!r} now"
            )
    if not as_json and not verdict.exact:
        typer.echo(
            "what is different now:"
            if verdict.differences
            else "nothing that is recorded differs: the run itself is not deterministic"
        )
        for change in verdict.differences:
            typer.echo(f"  {change.what}: {change.recorded!r} recorded, {change.now!r} now")
    if not verdict.matches:
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


def _table(rows: list[dict[str, Any]], metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    columns = ["trial", "arm", "seed", "state", "parameters", *metrics]
    return columns, [
        [
            str(row["trial"]),
            row["arm"],
            str(row["seed"]),
            row["state"],
            "-" if row["parameters"] is None else f"{row['parameters']:,}",
            *(output.number(row["best"].get(name)) for name in metrics),
        ]
        for row in rows
    ]
