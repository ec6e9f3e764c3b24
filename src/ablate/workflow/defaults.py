"""What is assumed where nothing is asked for; light, as the command line shows it."""

import os

DEFAULT_STORAGE = "sqlite:///results/ablate.db"


def storage_url(storage: str | None) -> str:
    """Return the database that is asked for, else $ABLATE_STORAGE, else the default one."""
    return storage or os.environ.get("ABLATE_STORAGE") or DEFAULT_STORAGE


def default_workers() -> int:
    """Return the number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
