"""What is said about episodes: under which names they are logged, and what no log of them holds."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ablate.errors import quoted
from ablate.spec.fields import Config, Figure, Names
from ablate.spec.strict import Strict

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Column = Literal[
    "seed", "episode", "return", "loss", "trained", "success", "length", "epsilon", "seconds"
]


class Episodes(Strict):
    """The metrics by which a module tells of its episodes; a training epoch is an episode."""

    returns: str = Field(alias="return")
    """The sum of the rewards of the episode; written `return`."""
    loss: str | None = None
    """The loss, where the episode trained."""
    success: str | None = None
    """Whether the task was solved, or the solved share of it."""
    length: str | None = None
    """The steps of the episode."""
    epsilon: str | None = None
    """The share of random actions."""
    seconds: str | None = None
    """The seconds since the run began."""
    horizon: str | None = None
    """The path in the config of the most steps that an episode may have."""
    actions: str | None = None
    """The path in the config of the number of actions."""
    shares: Mapping[str, str] = {}
    """Title -> metric: further shares that are logged of an episode, from 0 to 1."""
    held_out: str | None = None
    """The metric of validation that is the solved share of tasks that are not trained on; the last
    value counts."""
    floor: Mapping[str, Figure] = {}
    """Arm -> the return of a trivial policy there."""
    ceiling: Mapping[str, Figure] = {}
    """Arm -> the highest return that there can be."""

    @model_validator(mode="after")
    def _floors_below_ceilings(self) -> "Episodes":
        for arm, floor in self.floor.items():
            if arm in self.ceiling and floor >= self.ceiling[arm]:
                raise ValueError(f"the floor of {quoted(arm)} must lie below its ceiling")
        return self

    @model_validator(mode="after")
    def _a_metric_each(self) -> "Episodes":
        names = self.metrics
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{quoted(name)} stands for two of the columns: name one for each")
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are read."""
        held_out = () if self.held_out is None else (self.held_out,)
        return (*self.names().values(), *self.shares.values(), *held_out)

    def names(self) -> dict[str, str]:
        """Return the metric of each column of a log of episodes."""
        columns = ("loss", "success", "length", "epsilon", "seconds")
        found = {name: getattr(self, name) for name in columns}
        return {
            "return": self.returns,
            **{column: metric for column, metric in found.items() if metric is not None},
        }


class Usage(Strict):
    """What a run took of its machine, measured by a named tool."""

    tool: str = Field(min_length=1)
    """What measured it."""
    memory_bytes: Amount | None = None
    """The peak of the memory."""
    cpu_percent: Amount | None = None
    """The mean use of the processor."""
    gpu_percent: Amount | None = None
    """The mean use of the accelerator."""


class EpisodeFacts(Strict):
    """What is known of an arm beside its logs of episodes; what is not given is not known."""

    horizon: Count | None = None
    """The most steps that an episode may have."""
    actions: Count | None = None
    """The number of actions."""
    parameters: Count | None = None
    """The parameters of the model."""
    checkpoint_bytes: Count | None = None
    """The size of a checkpoint."""
    floor: Figure | None = None
    """The return of a trivial policy."""
    ceiling: Figure | None = None
    """The highest return that there can be."""
    held_out_success: Annotated[float, Field(ge=0, le=1)] | None = None
    """The solved share of tasks that were not trained on."""
    cpu_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The measured seconds of the same run on a processor alone."""
    device: str | None = None
    """What it ran on."""
    code: str | None = None
    """The version of the code."""
    date: str | None = None
    """When it ran."""
    usage: Usage | None = None
    """What it took of its machine."""
    config: str | Config | None = None
    """The resolved config, or the YAML file that holds it, beside the file of these facts."""
    inert: Names = ()
    """Paths in the config that are known to change nothing."""
    columns: Mapping[Column, str] = {}
    """Column -> what the log calls it; other columns of the log are then left alone."""

    @model_validator(mode="after")
    def _floor_below_ceiling(self) -> "EpisodeFacts":
        if self.floor is not None and self.ceiling is not None and self.floor >= self.ceiling:
            raise ValueError("the floor must lie below the ceiling")
        return self
