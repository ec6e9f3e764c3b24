"""The cores and the GPUs of this machine that a command may use."""

import os
import re
import subprocess
from functools import cache

_LISTED = re.compile(r"^(\s*)(GPU|MIG)\s+(\S+?):?\s.*\(UUID:\s*([^)]+)\)")


def available_cores() -> int:
    """Return the number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_devices() -> tuple[str, ...]:
    """Return what CUDA_VISIBLE_DEVICES may name: the user's own list, else what nvidia-smi lists.

    A GPU is named by its number in the order of the PCI bus, an instance of a divided one (MIG) by
    its UUID.
    """
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    if own is None:
        return _listed(os.environ.get("PATH", ""))
    devices = [device.strip() for device in own.split(",")]
    ends = [place for place, device in enumerate(devices) if device in {"", "-1"}]
    return tuple(devices[: ends[0]] if ends else devices)  # as CUDA reads it


def device_environment(devices: tuple[str, ...], worker: int) -> dict[str, str]:
    """Return the variables that give a worker a device of its own, none where there is none."""
    if not devices:
        return {}
    own = {"CUDA_VISIBLE_DEVICES": devices[worker % len(devices)]}
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        own["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the numbers are those of nvidia-smi
    return own


@cache
def _listed(path: str) -> tuple[str, ...]:
    """Ask the nvidia-smi that lies on a path; without one there are no GPUs."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env={**os.environ, "PATH": path},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    gpus: dict[str, list[str]] = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        if (match := _LISTED.match(line)) is None:
            continue
        _, kind, number, uuid = match.groups()
        if kind == "GPU":
            gpus[number] = []
        elif gpus:
            gpus[next(reversed(gpus))].append(uuid.strip())
    return tuple(device for number, parts in gpus.items() for device in parts or [number])
