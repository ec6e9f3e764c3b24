"""`ablate compare`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate import workflow
from ablate.cli import completion, options, output
from ablate.workflow.defaults import DEFAULT_STORAGE

if TYPE_CHECKING:
    from ablate.workflow.comparisons import CompareResult

_HEADS = [
    *("metric", "", "mean", "beside", "mean", "difference", "95 % interval", "n", "p (Holm)"),
    "verdict",
]


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Config files, STUDY/NUMBER, STUDY/ARM or STUDY; the first is the baseline.",
            metavar="A B ...",
            autocompletion=completion.stored,
        ),
    ],
    *,
    storage: options.Storage = DEFAULT_STORAGE,
    workers: options.Workers = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Set configurations, runs, arms or studies side by side; write nothing."""
    result = workflow.compare(*names, storage=storage, workers=workers, quiet=quiet)
    if as_json:
        output.print_json(_as_json(result))
        return
    heads = [side.name for side in result.sides]
    if result.differences:
        rows = [[row.path, *map(_shown, row.values)] for row in result.differences]
        output.print_table(["key", *heads], rows)
        typer.echo()
    if result.comparisons:
        output.print_table(_HEADS, _lines(result))
        typer.echo()
    typer.echo(result.summary())


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
        "comparisons": output.rows(result.frame()) if result.comparisons else [],
    }
