"""What building and trying a configuration has shown, as data that travels between processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from ablate.plan.memory import Line, Memory
from ablate.plan.rates import Rates


@dataclass(frozen=True)
class Timing:
    """Measured seconds.

    `batch` is a micro-batch, `step` what an optimizer step adds to its last one; `validation_batch`
    and `validation_rest` make up a validation, None where there is none or it was not measured.
    """

    batch: float
    step: float
    batches: int
    validation_batch: float | None = None
    validation_rest: float | None = None


@dataclass(frozen=True)
class Facts:
    """One configuration as it was built and tried.

    `batches` are those of an epoch on each of the `devices`. `accumulate` has the factor from an
    epoch on. `parameters` are the trainable ones, `components` all by part. `val_check_batch` is
    after how many batches a validation is due, None for never. `problems` say what could not be
    found out, and why.
    """

    samples: int | None = None
    batch: int | None = None
    drop_last: bool = False
    batches: int | None = None
    devices: int = 1
    accumulate: Mapping[int, int] = field(default_factory=lambda: {0: 1})
    max_epochs: int | None = None
    max_steps: int | None = None
    trains: bool = True
    automatic: bool = True
    validation_batches: int = 0
    val_check_batch: float | None = None
    check_val_every_n_epoch: int | None = 1
    parameters: int = 0
    frozen: int = 0
    components: Mapping[str, int] = field(default_factory=dict)
    memory: Memory | None = None
    flops: Line | None = None
    rates: tuple[Rates, ...] = ()
    timing: Timing | None = None
    device: str = "cpu"
    device_memory: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be sent as JSON."""
        return asdict(self)

    @staticmethod
    def of(data: Mapping[str, Any]) -> "Facts":
        """Read what `as_dict` gave, also after a journey through JSON."""
        return _READER.validate_python(data)


_READER = TypeAdapter(Facts)
