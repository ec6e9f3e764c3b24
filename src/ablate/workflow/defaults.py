"""What is assumed where nothing is asked for; light, as the command line shows it."""

import os

from ablate.run.devices import available_cores, visible_devices

DEFAULT_STORAGE = "sqlite:///results/ablate.db"
DEFAULT_WAIT = "30s"
"""How long a comparison waits for what building its configs shows, all of them together."""


def storage_url(storage: str | None) -> str:
    """Return the database that is asked for, else $ABLATE_STORAGE, else the default one."""
    return storage or os.environ.get("ABLATE_STORAGE") or DEFAULT_STORAGE


def default_workers() -> int:
    """Return one worker per GPU where there are GPUs, else one per CPU core."""
    return len(visible_devices()) or available_cores()
