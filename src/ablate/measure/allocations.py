"""What torch holds while it works, operation by operation, as its profiler sees it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from ablate.plan.memory import Moment

_DEVICES = {"cpu": 0, "cuda": 1}
"""c10::DeviceType."""


class Allocations:
    """Records what is held on a device between `start` and `stop`."""

    def __init__(self, device: torch.device) -> None:
        self._kind = _DEVICES.get(device.type)
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self._profile = profile(activities=activities, profile_memory=True)

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def stop(self) -> list[Moment]:
        """Return the operations since the start, with the bytes allocated since and not yet freed.

        What was allocated before does not count, whenever it is freed.
        """
        self._profile.stop()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(file))
            events: list[dict[str, Any]] = json.loads(file.read_text(errors="replace"))[
                "traceEvents"
            ]
        seen = [event for event in events if event.get("cat") in ("cpu_op", "cpu_instant_event")]
        moments = []
        operation, level, highest = "", 0, 0
        held: dict[int, int] = {}
        for event in sorted(seen, key=lambda event: event["ts"]):
            if event["cat"] == "cpu_op":
                moments.append(Moment(operation, highest))
                operation, highest = event["name"], level
            elif event["name"] == "[memory]" and event["args"]["Device Type"] == self._kind:
                size, address = int(event["args"]["Bytes"]), int(event["args"]["Addr"])
                if size > 0:
                    held[address] = size
                    level += size
                    highest = max(highest, level)
                else:
                    level -= held.pop(address, 0)
        return [*moments, Moment(operation, highest)]
