"""Modules and callbacks whose defaults no YAML file can hold."""

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import torch
from jsonargparse import lazy_instance
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ablate.testing.toy import Toy

UNSET = object()
HUBER = nn.HuberLoss(delta=0.5)


class Color(enum.Enum):
    RED = 1


@dataclass
class Options:
    rate: float = 0.5
    weights: Any = dataclass_field(default_factory=lambda: torch.ones(2))


def halved(x: Tensor) -> Tensor:
    return x / 2


class Scaled(nn.Module):
    def __init__(self, size: int = 2, scale=torch.ones(2)) -> None:  # noqa: B008
        super().__init__()
        self.given = {"size": size, "scale": scale}


class Keeps(LightningModule):
    """Keeps what it was built with."""

    def __init__(self, power=torch.tensor([2.0, 3.0]), **kwargs: Any) -> None:  # noqa: B008
        super().__init__()
        self.given = {"power": power, **kwargs}
        self.layer = nn.Linear(1, 1)


class Everything(Keeps):
    """Has a default of every kind."""

    def __init__(  # noqa: PLR0917
        self,
        loss=nn.MSELoss(reduction="sum"),  # noqa: B008
        typed_loss: nn.Module = nn.MSELoss(reduction="sum"),  # noqa: B008
        weight=torch.ones(3),  # noqa: B008
        typed_weight: Tensor = torch.ones(3),  # noqa: B008
        function=lambda x: x,
        typed_function: Callable[[Tensor], Tensor] = lambda x: x,
        named_function=halved,
        kind=nn.ReLU,
        device=torch.device("cpu"),  # noqa: B008
        dtype=torch.float32,
        color=Color.RED,
        options: Options = Options(),  # noqa: B008
        lazy: nn.Module = lazy_instance(Scaled),  # noqa: B008
        partial=functools.partial(halved),  # noqa: B008
        path=Path("x"),
        pair=(1, 2),
        modules: list[nn.Module] = [nn.ReLU()],  # noqa: B006, B008
        flags: dict[bool, int] = {True: 1},  # noqa: B006
        unset: Any = UNSET,
        huber=HUBER,
        number: float = 1.5,
        **kwargs: Any,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in {"self", "kwargs", "__class__"}}
        super().__init__(**kwargs)
        self.given |= given


class Losses(Toy):
    """Trains with a loss, weights and an activation that its defaults give."""

    def __init__(
        self,
        width: int = 4,
        loss=nn.SmoothL1Loss(beta=0.3),  # noqa: B008
        weight=torch.tensor([0.25, 0.5, 1.5, 0.75]),  # noqa: B008
        activation=lambda x: x * x.sigmoid(),
    ) -> None:
        super().__init__(width=width)
        self.loss, self.activation = loss, activation
        self.register_buffer("weight", weight)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss: Tensor = self.loss(self.net(self.activation(batch[0] * self.weight)), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.loss(self.net(self.activation(batch[0])), batch[1]))


class Absolute(Losses):
    """Differs from `Losses` in its default loss alone."""

    def __init__(self, loss=nn.L1Loss(), **kwargs: Any) -> None:  # noqa: B008
        super().__init__(loss=loss, **kwargs)


class Notes(Callback):
    """A user's own callback, which notes every epoch in a file."""

    def __init__(self, log_dir: str = "notes", filename: str = "epochs.txt") -> None:
        self.file = Path(log_dir) / filename

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(f"{trainer.current_epoch}\n")
