"""The options that commands share."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.errors import SpecError, quoted

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
    typer.Option(
        "--workers", min=1, max=1_000, help="Worker processes; by default one per GPU, or core."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=10_000,
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


_SEED = re.compile(r"[0-9]{1,20}")


def parse_overrides(texts: Sequence[str] | None) -> Mapping[str, Any]:
    """Turn `path=value` texts into changes, values read as YAML; raise SpecError otherwise."""
    import yaml  # noqa: PLC0415

    from ablate.spec import parse_yaml, paths  # noqa: PLC0415
    from ablate.spec.files import explained  # noqa: PLC0415

    changes = {}
    for text in texts or ():
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise SpecError(
                f"--set {quoted(text)}: write path=value, e.g. --set trainer.max_epochs=3"
            )
        try:
            paths.parse(path)
            changes[path] = parse_yaml(value)
        except SpecError as error:
            raise error.at(f"--set {quoted(path)}") from None
        except yaml.YAMLError as error:
            # Not the value itself, which may be a secret.
            reason = explained(error).removeprefix("line 1: ")
            raise SpecError(
                f"--set {quoted(path)}: the value is not valid YAML: {reason}"
            ) from None
    return changes


def parse_arms(text: str | None) -> tuple[str, ...]:
    """Turn `a,b` into names of arms; raise SpecError for an empty one."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise SpecError(f"--arms {quoted(text)}: write names of arms, such as a,b")
    return names


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Turn `1,2,3` into seeds; raise SpecError otherwise."""
    from ablate.spec.fields import SEEDS_END  # noqa: PLC0415

    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    seeds = [int(part) for part in parts if _SEED.fullmatch(part)]
    if len(set(seeds)) < len(parts):
        raise SpecError(f"--seeds {quoted(text)}: write different whole numbers, such as 1,2,3")
    if max(seeds) >= SEEDS_END:
        raise SpecError(f"--seeds {quoted(text)}: a seed is below {SEEDS_END}")
    return tuple(seeds)
