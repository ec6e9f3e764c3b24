"""A writer that is killed, again and again, while it writes one batch after the other."""

import json
import os
import random
import signal
import sys
import time

import optuna
from sqlalchemy.dialects import postgresql, sqlite  # noqa: F401 - imported before the forks

from ablate.store import Batch, Store
from ablate.testing.batches import whole

SIZE = 3
"""Trials in a batch."""


def write(url: str, definition: int, acknowledge: int) -> None:
    """Write batches for ever and name the trials of each one that is written."""
    with Store.open(url, create=False) as store:
        number = len(store.runs("s"))
        while True:
            batch = Batch("s")
            for n in range(number, number + SIZE):
                batch = batch.merge(whole(definition, n))
            store.write(batch)
            os.write(acknowledge, b"".join(b"%d\n" % n for n in batch.trials))
            number += SIZE


def main() -> None:
    """Print, for each killed writer, the numbers that it acknowledged."""
    url, definition, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    acknowledged = []
    for _ in range(rounds):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            write(url, definition, write_end)
        os.close(write_end)
        head = os.read(read_end, 4096)
        time.sleep(random.random() / 20)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(read_end, "rb") as pipe:
            acknowledged.append([int(n) for n in (head + pipe.read()).split()])
    print(json.dumps(acknowledged))
