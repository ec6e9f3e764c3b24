"""The options that commands share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.errors import SpecError

Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar="ABLATE_STORAGE",
        help="The database: an SQLAlchemy URL, for example postgresql+psycopg://host/db.",
    ),
]
Results = Annotated[Path, typer.Option("--results", help="Where runs and reports are kept.")]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="A profile of the study; by default the hardware's."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a key of the config; repeatable."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Worker processes; by default one per GPU, or core."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads per worker; by default as recorded, $OMP_NUM_THREADS, or what is faster.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show the whole traceback of what user code raises.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="CODE", help="Accept what the audit finds; repeatable."),
]
AllowImport = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-import", metavar="PACKAGE", help="Trust a package a stored config names."
    ),
]


def parse_overrides(texts: Sequence[str] | None) -> Mapping[str, Any]:
    """Turn `path=value` texts into changes, values read as YAML; raise SpecError otherwise."""
    import yaml  # noqa: PLC0415

    from ablate.spec import parse_yaml  # noqa: PLC0415

    changes = {}
    for text in texts or ():
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise SpecError(f"--set {text!r}: write path=value, e.g. --set trainer.max_epochs=3")
        try:
            changes[path] = parse_yaml(value)
        except yaml.YAMLError:
            raise SpecError(f"--set {path}: the value is not valid YAML") from None
    return changes


def parse_arms(text: str | None) -> tuple[str, ...]:
    """Turn `a,b` into names of arms; raise SpecError for an empty one."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise SpecError(f"--arms {text!r}: write names of arms, such as a,b")
    return names


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Turn `1,2,3` into seeds; raise SpecError otherwise."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise SpecError(f"--seeds {text!r}: write different whole numbers, such as 1,2,3")
    return tuple(int(part) for part in parts)
