"""From a command's options to what the study package is asked to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.cli import options
from ablate.cli.progress import Live

if TYPE_CHECKING:
    from ablate.study import Request


def make_request(
    live: Live,
    *,
    storage: str,
    results: Path,
    profile: str | None,
    changes: Mapping[str, Any],
    workers: int | None,
) -> "Request":
    """Ask for a study to be run with progress shown on `live`."""
    from ablate.study import Request  # noqa: PLC0415 - optuna is loaded only when used

    return Request(
        storage=storage,
        results=results,
        profile=profile,
        overrides=changes,
        workers=workers or options.default_workers(),
        say=live.say,
        on_tick=live.show,
    )
