"""Do independent jobs on a launcher, and wait for all of them."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ablate.run.launchers.seam import Launcher
from ablate.run.messages import Decision, Event, Finished, Job, Lost, Ready

_ATTEMPTS = 3


def _silent(_: Job) -> None:
    """Tell nobody."""


def do_all(
    launcher: Launcher,
    jobs: Sequence[Job],
    on_end: Callable[[Job], None] = _silent,
    patience: float = math.inf,
) -> list[list[Event]]:
    """Do independent jobs and return the events of each, in the order of the jobs.

    A job whose worker dies is done again, a few times. `on_end` is called as each job ends. After
    so many seconds of `patience` jobs are left to the end of the launcher, with the events so far.
    """
    until = time.monotonic() + patience
    by_id = {job.id: job for job in jobs}
    events: dict[int, list[Event]] = {job.id: [] for job in jobs}
    losses: Counter[int] = Counter()
    ended: set[int] = set()
    queue = list(jobs)

    def handle(event: Event) -> Decision:
        assert not isinstance(event, Ready)  # noqa: S101 - the launcher keeps those
        job = by_id[event.job]
        events[job.id].append(event)
        losses[job.id] += isinstance(event, Lost)
        if isinstance(event, Lost) and losses[job.id] < _ATTEMPTS:
            queue.append(job)
        elif isinstance(event, (Finished, Lost)):
            ended.add(job.id)
            on_end(job)
        return "continue"

    while len(ended) < len(jobs) and time.monotonic() < until:
        while queue and launcher.free:
            launcher.submit([queue.pop(0)])
        launcher.poll(handle, 1.0)
    return [events[job.id] for job in jobs]
