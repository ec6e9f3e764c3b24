"""Do independent jobs on a launcher, and wait for all of them."""

from collections import Counter
from collections.abc import Callable, Sequence

from ablate.run.launcher import Launcher
from ablate.run.messages import Decision, Event, Finished, Job, Lost, Ready

_ATTEMPTS = 3


def do_all(
    launcher: Launcher, jobs: Sequence[Job], done: Callable[[Job], None] | None = None
) -> list[list[Event]]:
    """Do independent jobs and return the events of each, in the order of the jobs.

    A job whose worker dies is done again, a few times. `done` is told of every job that has ended.
    """
    events: dict[int, list[Event]] = {job.id: [] for job in jobs}
    losses: Counter[int] = Counter()
    ended: set[int] = set()
    queue = list(jobs)

    def handle(event: Event) -> Decision:
        assert not isinstance(event, Ready)  # noqa: S101 - the launcher keeps those
        events[event.job].append(event)
        losses[event.job] += isinstance(event, Lost)
        if isinstance(event, Lost) and losses[event.job] < _ATTEMPTS:
            queue.extend(job for job in jobs if job.id == event.job)
        elif isinstance(event, (Finished, Lost)):
            ended.add(event.job)
            if done is not None:
                done(next(job for job in jobs if job.id == event.job))
        return "continue"

    while len(ended) < len(jobs):
        while queue and launcher.free:
            launcher.submit([queue.pop(0)])
        launcher.poll(handle, 1.0)
    return [events[job.id] for job in jobs]
