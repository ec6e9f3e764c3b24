"""A module after whose import the system starts no process: a limit is reached."""

import errno
import os

from ablate.testing.toy import Toy


def _refuse() -> int:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


os.fork = _refuse


class Forkless(Toy):
    """Never runs."""
