"""A warm worker process: reads jobs from standard input, writes events to standard output.

Everything that user code prints goes to the run's own log; the protocol has a pipe of its own.
"""

import os
import signal
from pathlib import Path

from ablate.run.environment import WorkerFacts, worker_facts
from ablate.run.flavours import unify
from ablate.run.log import logged, open_log
from ablate.run.messages import (
    Decision,
    Event,
    Finished,
    Job,
    Ready,
    Run,
    awaits_decision,
)
from ablate.run.pipe import Pipe


def main() -> None:
    """Serve jobs until the coordinator closes the pipe."""
    pipe = _protocol()
    group: list[Job] = []
    _interrupt_when_terminated(group, pipe)

    import ablate.run.execute  # noqa: PLC0415, F401 - torch loads while the parent works

    facts = worker_facts()
    pipe.send(Ready(facts))
    while True:
        group[:] = pipe.next_group()
        while group:
            _do_first(group, pipe, facts)


def _protocol() -> Pipe:
    """Keep the standard streams for the protocol alone."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(devnull, number)
    return Pipe(incoming, outgoing)


def _interrupt_when_terminated(group: list[Job], pipe: Pipe) -> None:
    """Let SIGTERM interrupt the runs of a group; without one it ends the process."""
    worker = os.getpid()

    def terminate(number: int, frame: object) -> None:  # noqa: ARG001
        # A run's own child processes inherit this handler.
        if os.getpid() == worker and any(isinstance(job, Run) for job in group):
            pipe.interrupt(job.id for job in group)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminate)


def _do_first(group: list[Job], pipe: Pipe, facts: WorkerFacts) -> None:
    """Do the first job of a group, and take it off when it has ended."""
    from ablate.run.execute import execute  # noqa: PLC0415
    from ablate.run.failures import outcome_of  # noqa: PLC0415
    from ablate.run.isolation import pristine  # noqa: PLC0415

    job = group[0]

    def channel(event: Event) -> Decision:
        if isinstance(event, Finished):
            del group[0]
        pipe.send(event)
        return pipe.decision(job.id) if awaits_decision(job, event) else "continue"

    try:
        log = open_log(Path(job.directory) if isinstance(job, Run) else None)
    except OSError as error:
        channel(Finished(job.id, outcome_of(error, job, interrupted=False)))
        return
    with logged(log), pristine():
        execute(job, channel, facts, lambda: pipe.interrupted(job.id))


if __name__ in {"__main__", "__mp_main__"}:  # the latter in processes that a run spawns
    unify()

if __name__ == "__main__":
    main()
