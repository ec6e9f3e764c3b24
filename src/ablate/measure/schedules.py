"""The learning rates of a run, by stepping its schedules and nothing else."""

import copy
import warnings
from typing import Any, Literal

from lightning.pytorch.utilities.types import LRSchedulerConfig

from ablate.errors import worded
from ablate.plan.rates import Rates, rates_over

MOST_INTERVALS = 200_000
_NUMBERS = ("T_0", "T_mult", "T_max", "total_steps", "total_iters", "total_epochs")


def rates_of(config: LRSchedulerConfig, intervals: int) -> Rates:
    """Step a schedule through a run of so many steps or epochs, and put all back as it was."""
    scheduler: Any = config.scheduler
    interval: Literal["step", "epoch"] = "step" if config.interval == "step" else "epoch"
    name = type(scheduler).__name__
    length = max(1, intervals // config.frequency)
    unread = None
    if config.reduce_on_plateau:
        unread = f"it follows {config.monitor}"
    elif length > MOST_INTERVALS:
        unread = f"{length:,} {interval}s are too many to go through"
    if unread is not None:
        return Rates(name, interval, config.frequency, length, unread=unread)
    kept = copy.deepcopy(scheduler.state_dict())
    groups = scheduler.optimizer.param_groups
    before = [
        {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
        for group in groups
    ]
    values, refused = [float(groups[0]["lr"])], None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(length):
                scheduler.step()
                values.append(float(groups[0]["lr"]))
    except Exception as error:  # noqa: BLE001 - a schedule of the user's may raise anything
        refused = worded(error)
    finally:
        scheduler.load_state_dict(kept)
        for group, earlier in zip(groups, before, strict=True):
            group.update(earlier)
    found = {key: getattr(scheduler, key, None) for key in _NUMBERS}
    numbers = {key: float(n) for key, n in found.items() if isinstance(n, int | float)}
    return rates_over(
        name, interval, config.frequency, values[:length], length=length, refused=refused,
        arguments=numbers,
    )  # fmt: skip
