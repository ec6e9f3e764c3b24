"""A further process of a distributed run: does the first one's job beside it, and reports nothing.

It reads the job from standard input and ends with it. On standard output it says when it is ready
and how it ended; what user code prints goes to the run's log.
"""

import os
import signal

from ablate.run.admission import enclose
from ablate.run.child import keep_streams
from ablate.run.environment import worker_facts
from ablate.run.flavours import unify
from ablate.run.messages import Decision, Event, Finished, Progress
from ablate.run.pipe import Pipe


def main() -> None:
    """Do one job."""
    commands, events = keep_streams()
    os.dup2(2, 1)
    pipe = Pipe(commands, events, events)
    # The first process alone decides when a run ends.
    signal.signal(signal.SIGTERM, lambda *_: None)

    from ablate.run.execute import execute  # noqa: PLC0415 - needs torch

    def channel(event: Event) -> Decision:
        if isinstance(event, (Progress, Finished)):
            pipe.send(event)
        return "continue"

    job = pipe.job()
    if job.trust is not None:
        enclose(job.trust)
    execute(job, channel, worker_facts())
    # Closes the connections of collectives, in which the other processes may be waiting.
    os._exit(0)


if __name__ in {"__main__", "__mp_main__"}:
    unify()

if __name__ == "__main__":
    main()
