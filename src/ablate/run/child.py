"""The process of one job: forked off a warm worker, or started afresh in its place.

python -m ablate.run.child END

Commands come through standard input, events leave through standard output, and that the job has
finished through the file descriptor END.
"""

import os
import signal
import sys
from pathlib import Path

from ablate.run.admission import enclose
from ablate.run.environment import WorkerFacts
from ablate.run.flavours import unify
from ablate.run.log import open_log, redirect
from ablate.run.messages import Decision, Event, Finished, Run, awaits_decision
from ablate.run.pipe import Pipe
from ablate.run.touched import watch


def main(end: int) -> None:
    """Do one job in a fresh interpreter."""
    watch()
    pipe = Pipe(*keep_streams(), end)

    from ablate.run.environment import worker_facts  # noqa: PLC0415 - torch loads meanwhile

    do_job(pipe, worker_facts())


def do_job(pipe: Pipe, facts: WorkerFacts) -> None:
    """Do the job that comes through a pipe; all that it prints until its process ends is logged."""
    from ablate.run.execute import execute  # noqa: PLC0415
    from ablate.run.failures import outcome_of  # noqa: PLC0415

    job = pipe.job()
    _interrupt_when_terminated(job.id if isinstance(job, Run) else None, pipe)

    def channel(event: Event) -> Decision:
        pipe.send(event)
        return pipe.decision(job.id) if awaits_decision(job, event) else "continue"

    try:
        redirect(open_log(Path(job.directory) if isinstance(job, Run) else None))
    except OSError as error:
        channel(Finished(job.id, outcome_of(error, job, interrupted=False)))
        return
    if job.trust is not None:
        enclose(job.trust)
    execute(job, channel, facts, lambda: pipe.interrupted(job.id))


def keep_streams() -> tuple[int, int]:
    """Keep standard input and output for the protocol alone; return the two descriptors."""
    kept = os.dup(0), os.dup(1)
    devnull = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(devnull, number)
    os.close(devnull)
    return kept


def _interrupt_when_terminated(run: int | None, pipe: Pipe) -> None:
    """Let SIGTERM interrupt a run; any other job ends with its process."""
    own = os.getpid()

    def terminate(number: int, frame: object) -> None:  # noqa: ARG001
        # A run's own child processes inherit this handler.
        if os.getpid() == own and run is not None:
            pipe.interrupt([run])
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminate)


if __name__ in {"__main__", "__mp_main__"}:  # the latter in processes that a run spawns
    unify()

if __name__ == "__main__":
    main(int(sys.argv[1]))
