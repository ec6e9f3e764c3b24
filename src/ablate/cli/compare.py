"""`ablate compare`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.errors import RequestError, quoted
from ablate.workflow.defaults import DEFAULT_STORAGE, DEFAULT_WAIT

if TYPE_CHECKING:
    from ablate.plan import Derived
    from ablate.workflow.comparisons import CompareResult

_LOG = ".csv"
_HEADS = [
    *("metric", "", "mean", "beside", "mean", "difference", "95 % interval", "n", "p (Holm)"),
    "verdict",
]


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Configs, STUDY/NUMBER, STUDY/ARM or STUDY, or logs of episodes (CSV); "
            "the first is the baseline.",
            metavar="A B ...",
            autocompletion=completion.stored,
        ),
    ],
    *,
    static: Annotated[
        bool, typer.Option("--static", help="Read configs only; build nothing.")
    ] = False,
    wait: Annotated[
        str,
        typer.Option(
            "--wait", help="How long configs may take to build, all together, such as 5m."
        ),
    ] = DEFAULT_WAIT,
    storage: options.Storage = DEFAULT_STORAGE,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the report on logs of episodes is written.")
    ] = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Set configurations, runs, arms, studies or logs of episodes side by side."""
    if any(Path(name).suffix == _LOG for name in names):
        _compare_logs(names, out, as_json=as_json)
        return
    if out is not None:
        raise RequestError("--out is for logs of episodes; ablate report writes that of a study")
    result = workflow.compare(
        *names, static=static, wait=wait, storage=storage, workers=workers, quiet=quiet
    )
    if as_json:
        output.print_json(_as_json(result))
        return
    heads = [side.name for side in result.sides]
    if result.differences:
        rows = [[row.path, *map(_shown, row.values)] for row in result.differences]
        output.print_table(["key", *heads], rows)
        typer.echo()
    if result.derived:
        factors = [f"x {name}" for name in heads[1:]]
        output.print_table(["number", *heads, *factors], [_derived(row) for row in result.derived])
        typer.echo()
    if result.comparisons:
        output.print_table(_HEADS, _lines(result))
        typer.echo()
    typer.echo(result.summary())


def _compare_logs(names: list[str], out: Path | None, *, as_json: bool) -> None:
    if other := next((name for name in names if Path(name).suffix != _LOG), None):
        raise RequestError(
            f"{quoted(other)} is no log of episodes: compare CSV files with each other"
        )
    result = workflow.compare_episodes(names, out=out)
    if as_json:
        output.print_json({"comparisons": output.rows(result.frame())})
        return
    typer.echo(result.summary())
    if result.files is not None:
        typer.echo(f"report: {result.files.html}")


def _derived(row: "Derived") -> list[str]:
    values = ["-" if value is None else f"{value:,.6g}" for value in row.values]
    factors = ["-" if factor is None else f"{factor:.3g}x" for factor in row.factors]
    return [row.name.replace("_", " "), *values, *factors]


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _lines(result: "CompareResult") -> list[list[str]]:
    return [
        [
            row.metric,
            row.arm,
            output.number(result.means[row.metric, row.arm]),
            row.comparator,
            output.number(result.means[row.metric, row.comparator]),
            output.number(row.difference),
            output.interval(row.low, row.high),
            str(row.n),
            output.number(row.p_holm),
            row.verdict,
        ]
        for row in result.comparisons
    ]


def _as_json(result: "CompareResult") -> dict[str, Any]:
    return {
        "sides": [vars(side) for side in result.sides],
        "differences": [
            {"path": row.path, "values": list(row.values)} for row in result.differences
        ],
        "derived": [vars(row) for row in result.derived],
        "comparisons": output.rows(result.frame()) if result.comparisons else [],
    }
