"""What torch allocates and frees, in order, as its profiler sees it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

_DEVICES = {"cpu": 0, "cuda": 1}
"""c10::DeviceType."""


class Allocations:
    """Records what is allocated on a device between `start` and `stop`."""

    def __init__(self, device: torch.device) -> None:
        self._kind = _DEVICES.get(device.type)
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self._profile = profile(activities=activities, profile_memory=True)

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def stop(self) -> list[int]:
        """Return the bytes of every allocation, and the negative ones of everything freed."""
        self._profile.stop()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(file))
            events: list[dict[str, Any]] = json.loads(file.read_text(errors="replace"))[
                "traceEvents"
            ]
        found = [event for event in events if event.get("name") == "[memory]"]
        mine = [one for one in found if one["args"].get("Device Type") == self._kind]
        return [int(one["args"]["Bytes"]) for one in sorted(mine, key=lambda one: one["ts"])]
