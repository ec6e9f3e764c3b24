"""What a shell offers for a word: names of studies and of arms. No mistake is told here."""

from collections.abc import Iterable
from pathlib import Path

import typer

from ablate.errors import AblateError


def studies(incomplete: str) -> list[str]:
    """Return the studies in `studies/` whose names begin so."""
    from ablate.spec import study_files  # noqa: PLC0415

    return _beginning(incomplete, (path.stem for path in study_files()))


def plannable(incomplete: str) -> list[str]:
    """Return the studies in `studies/` and the configs in `configs/` whose names begin so."""
    configs = (path.stem for path in sorted(Path("configs").glob("*.yaml")))
    own = [name for name in configs if not name.endswith(".plan")]
    return list(dict.fromkeys([*studies(incomplete), *_beginning(incomplete, own)]))


def stored(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the studies in the storage whose names begin so."""
    from ablate.workflow.names import stored_studies  # noqa: PLC0415

    try:
        return _beginning(incomplete, stored_studies(ctx.params.get("storage")))
    except AblateError:
        return []


def arms(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the arms of the study whose names begin like the last one of `a,b`."""
    from ablate.workflow.names import declared_arms  # noqa: PLC0415

    before, comma, last = incomplete.rpartition(",")
    # While an option lacks its value, the words that are no options are not assigned yet.
    words = [ctx.params.get("study"), *ctx.args]
    try:
        names = declared_arms(next(filter(None, words), ""))
    except AblateError:
        return []
    taken = before.split(",")
    return [before + comma + name for name in _beginning(last, names) if name not in taken]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
