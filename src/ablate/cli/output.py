"""What commands print: results on stdout, everything else on stderr."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ablate.spec.commands import write_command
from ablate.workflow.defaults import DEFAULT_STORAGE

if TYPE_CHECKING:
    from pandas import DataFrame

_WIDE = 1000


def say(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def print_json(data: Any) -> None:
    """Print plain data as JSON on stdout; a number that is not finite becomes null."""
    typer.echo(json.dumps(_finite(data), indent=2, allow_nan=False))


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A column cut short says less than a line that the terminal wraps.
    Console(width=_WIDE).print(table)


def rows(frame: "DataFrame") -> list[dict[str, Any]]:
    """Return the rows of a frame as plain data; what is missing is None."""
    missing = frame.isna().to_numpy()
    records = frame.astype(object).to_dict("records")
    return [
        {
            str(name): None if empty else value
            for (name, value), empty in zip(record.items(), line, strict=True)
        }
        for record, line in zip(records, missing, strict=True)
    ]


def number(value: float | None) -> str:
    """Write a number with four significant digits; one that there is not as a dash."""
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"


def interval(low: float, high: float) -> str:
    """Write an interval; one that there is not as a dash."""
    return "-" if math.isnan(low) else f"{number(low)} to {number(high)}"


def say_what_next(study: str, storage: str) -> None:
    """Say on stderr how to see what a study has given."""
    report = hint("report", study, storage=storage)
    say(f"report: {report}    dashboard: {hint('dashboard', storage=storage)}")


def hint(command: str, *names: str, storage: str, **options: str | None) -> str:
    """Write a command for copying, with its storage unless that is the default one."""
    if storage != DEFAULT_STORAGE:
        options["storage"] = storage
    return write_command(command, *names, **options)
