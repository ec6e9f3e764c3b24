"""Who else uses this machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_FIRST = 500 if sys.platform == "darwin" else 1000
_NOBODY = 65534
"""The lowest number of a person's account, and what stands for none."""
_NO_SHELL = {"false", "nologin", "sync", "shutdown", "halt"}


def other_people() -> bool:
    """Say whether others have accounts on this machine, or processes; where unknown, they do.

    Accounts that a directory service knows may not be listed, but their processes are.
    """
    try:
        import pwd  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return True
    accounts = (
        entry.pw_uid for entry in pwd.getpwall() if Path(entry.pw_shell).name not in _NO_SHELL
    )
    return others(os.getuid(), [*accounts, *_process_owners()])


def others(own: int, numbers: list[int]) -> bool:
    """Say whether some of these numbers of users are those of other people."""
    return any(number >= _FIRST and number not in (own, _NOBODY) for number in numbers)


def _process_owners() -> Iterator[int]:
    with suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with suppress(OSError):
                    yield entry.stat().st_uid
