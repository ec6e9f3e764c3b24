"""The device that a look is taken on, and its memory."""

import os
from pathlib import Path
from typing import Any

import torch

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_STATUS = Path("/proc/self/statm")
SLACK = {"cpu": 0.7}
"""What an allocator keeps of activations that are freed and made again, as a share of them.

Malloc of glibc, measured as 0.6 to 0.8 on language models and motion models by benchmarks/plan.py,
which finds none if malloc is told to give memory back at once.
"""
_GPUS = {"gpu", "cuda"}


def here(accelerator: Any) -> Any:
    """Return the accelerator that is asked for; the CPU where this machine has no such one."""
    if accelerator in _GPUS and not torch.cuda.is_available():
        return "cpu"
    if accelerator == "mps" and not torch.backends.mps.is_available():
        return "cpu"
    return accelerator


def memory_of(device: torch.device) -> int:
    """Return the bytes of memory that a device has; of the CPU, what this container may use."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(_LIMIT.read_text())
    except (OSError, ValueError):  # there is none, or it says "max"
        return total
    return min(total, limit)


def resident() -> int:
    """Return the bytes of memory that this process holds now; 0 where that can't be read."""
    try:
        pages = int(_STATUS.read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def beside(device: torch.device, tensors: int) -> int:
    """Return what of a device's memory is taken by other than `tensors` bytes of them."""
    if device.type != "cuda":
        return max(0, resident() - tensors)
    free, total = torch.cuda.mem_get_info(device)
    return max(0, total - free - torch.cuda.memory_reserved(device))


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
