"""On how many threads the runs of a study compute, which their last bits depend on.

What is asked for comes first, then what is recorded of the study's runs, then OMP_NUM_THREADS. Else
workers have one thread each, or their share of the cores where the base config clearly profits.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ablate.errors import RequestError
from ablate.run import Answered, Call, Launcher, LocalLauncher
from ablate.run.devices import available_cores
from ablate.run.jobs import do_all
from ablate.spec import Study
from ablate.store import Environment, RunRecord, Store

CLEARLY_FASTER = 1.2
"""How many times faster steps must be for a worker to take more than one thread."""

_MEASURE = "ablate.run.threads:step_seconds"


def recorded_threads(
    runs: Iterable[RunRecord], environments: Mapping[str, Environment]
) -> int | None:
    """Return how many threads the latest of some runs computed on, None if nothing says so."""
    known = [environments.get(run.environment, Environment()).facts.get("threads") for run in runs]
    return next((threads for threads in reversed(known) if isinstance(threads, int)), None)


def study_threads(store: Store, study: str) -> int | None:
    """Return how many threads the latest run of a stored study computed on, None without any."""
    return recorded_threads(store.runs(study), store.environments(study))


def chosen_threads(asked: int | None, recorded: int | None, workers: int) -> int | None:
    """Return how many threads a worker gets; None if that is to be measured.

    Raises RequestError if what is asked for is no number of threads.
    """
    if asked is not None and asked < 1:
        raise RequestError(f"--threads must be at least 1, not {asked}")
    told = asked or recorded or _from_environment()
    return told or (None if available_cores() // workers > 1 else 1)


def _from_environment() -> int | None:
    """Read OMP_NUM_THREADS, whose first number is that of the outermost threads."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if re.fullmatch("0*[1-9][0-9]{0,4}", first) else None


def say_threads(
    launcher: Launcher, asked: int | None, recorded: int | None, say: Callable[[str], None]
) -> None:
    """Say that workers keep to a recorded number of threads, or can't have the one wanted."""
    wanted = asked or recorded
    if wanted is None:
        return
    if (now := launcher.facts().threads) != wanted:
        source = "asked for" if asked else "recorded"
        say(f"{wanted} threads per worker are {source}, but these workers compute on {now}")
    elif asked is None and wanted != 1:
        say(f"{wanted} threads per worker, as recorded")


def settle_threads(
    config: dict[str, Any], study: Study, launcher: Launcher, say: Callable[[str], None]
) -> None:
    """Give workers their share of the cores if the training of a study's config profits."""
    if not isinstance(launcher, LocalLauncher) or launcher.settings.threads is not None:
        return
    share = available_cores() // launcher.slots
    one, more = (_seconds(config, study, launcher, threads) for threads in (1, share))
    profits = one is not None and more is not None and one >= CLEARLY_FASTER * more
    launcher.settle_threads(share if profits else 1)
    if one is not None and more is not None:
        times = f"a step takes {1e3 * one:.3g} ms on one, {1e3 * more:.3g} ms on {share}"
        say(f"threads per worker: {share if profits else 1}; {times} (--threads sets it)")


def _seconds(
    config: dict[str, Any], study: Study, launcher: Launcher, threads: int
) -> float | None:
    call = Call(0, config, _MEASURE, {"threads": threads}, study.cli, study.trust)
    (events,) = do_all(launcher, [call])
    for event in events:
        if isinstance(event, Answered):
            seconds: float | None = event.result["seconds"]
            return seconds
    return None
