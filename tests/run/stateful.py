"""Modules, data and callbacks that keep state in every place where people keep it."""

import os
import random
import signal
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)
from torchmetrics import MeanMetric, MetricCollection, SumMetric

from ablate.testing.toy import Points, Toy

Transition = namedtuple("Transition", ["state", "reward"])


class Phase(Enum):
    """Where a module is in its training."""

    EARLY = "early"
    LATE = "late"


@dataclass
class Tally:
    """A nested plain object."""

    total: float = 0.0
    seen: list[float] = field(default_factory=list)


class Slotted:
    """A plain object without a `__dict__`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Notes(Toy):
    """Logs a number that hangs on all that it has noted so far."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width=width)
        self.prepare()

    def prepare(self) -> None:
        """Make the state."""

    def note(self, loss: Tensor) -> float:
        """Change the state, and return a number that hangs on it."""
        raise NotImplementedError

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = super().training_step(batch[0] if isinstance(batch[0], list) else batch, index)
        self.log("noted", self.note(loss.detach()), on_step=False, on_epoch=True)
        return loss


class KeepsPlainThings(Notes):
    """Keeps lists, running averages and counters."""

    def prepare(self) -> None:
        self.average, self.buffer, self.phase = 0.0, [], Phase.EARLY
        self.recent: deque[float] = deque([1.0], maxlen=3)
        self.groups: defaultdict[str, list[float]] = defaultdict(list)
        self.counts: Counter[int] = Counter()
        self.ordered: OrderedDict[str, int] = OrderedDict(a=1, b=2)
        self.tally, self.slotted, self.names = Tally(), Slotted(), set()
        self.space = types.SimpleNamespace(value=0.5)
        self.alias = self.buffer
        self.cycle: list[Any] = [0]
        self.cycle.append(self.cycle)
        self.replay: list[Any] = []

    def note(self, loss: Tensor) -> float:
        value = loss.item()
        self.average = 0.9 * self.average + value
        self.buffer.append((value, "x", None, b"", 1j))
        self.recent.append(value)
        self.groups["even" if self.global_step % 2 else "odd"].append(value)
        self.counts[self.global_step % 3] += 1
        self.ordered.move_to_end("a" if self.global_step % 2 else "b")
        self.tally.total += value
        self.tally.seen.append(value)
        self.slotted.count += 1
        self.names.add(f"n{self.global_step}")
        self.space.value *= 1.5
        self.cycle[0] += 1
        self.replay = [*self.replay[-4:], Transition(torch.rand(2), Tally(value))]
        if self.global_step > 5:
            self.phase = Phase.LATE
        return (
            self.average
            + len(self.alias)
            + sum(self.recent)
            + sum(len(group) * (1 + number) for number, group in enumerate(self.groups.values()))
            + self.counts[0]
            + list(self.ordered).index("a")
            + self.tally.total
            + len(self.tally.seen)
            + self.slotted.count
            + len(self.names)
            + self.space.value
            + self.cycle[1][1][0]
            + sum(entry.state.sum().item() + entry.reward.total for entry in self.replay)
            + (self.phase is Phase.LATE)
        )


class KeepsGenerators(Notes):
    """Draws from generators of its own, of every kind."""

    def prepare(self) -> None:
        self.python = random.Random(0)
        self.numpy = np.random.default_rng(0)
        self.old_numpy = np.random.RandomState(0)
        self.twister = np.random.Generator(np.random.MT19937(1))
        self.torch_generator = torch.Generator().manual_seed(0)
        hidden = random.Random(1)
        self.draw = lambda: 2 * hidden.random()
        self.bound = random.Random(2).random

    def note(self, loss: Tensor) -> float:
        return float(
            self.python.random()
            + self.numpy.random()
            + self.old_numpy.rand()
            + self.twister.random()
            + torch.rand((), generator=self.torch_generator)
            + self.draw()
            + self.bound()
        )


class KeepsTensors(Notes):
    """Keeps tensors and arrays where no checkpoint has them."""

    def prepare(self) -> None:
        self.ema = {name: value.detach().clone() for name, value in self.named_parameters()}
        self.register_buffer("hidden", torch.zeros(2), persistent=False)
        self.teacher = [nn.Linear(4, 1)]
        self.array = np.zeros(3)
        self.view = self.array[1:]
        self.shared = self.net[0].weight.data
        self.latent, self.cached = torch.zeros(2), []
        self.grown = torch.zeros(0)

    def note(self, loss: Tensor) -> float:
        for name, value in self.named_parameters():
            self.ema[name].mul_(0.9).add_(value.detach(), alpha=0.1)
        self.hidden += loss
        with torch.no_grad():
            self.teacher[0].weight.add_(loss)
            self.teacher[0].bias.mul_(0.5)
        self.view += loss.item()
        self.latent = self.latent * 0.5 + loss
        self.cached.append(loss)
        self.grown = torch.cat([self.grown, loss.reshape(1)])
        return float(
            sum(value.sum() for value in self.ema.values())
            + self.hidden.sum()
            + self.teacher[0].weight.sum()
            + self.teacher[0].bias.sum()
            + self.array.sum()
            + self.latent.sum()
            + torch.stack(self.cached).sum()
            + self.grown.sum()
            + self.shared.sum()
        )


class KeepsMetrics(Notes):
    """Has metrics that are never reset, and modules that it freezes later."""

    def prepare(self) -> None:
        self.total = SumMetric()
        self.several = MetricCollection([MeanMetric(), SumMetric()])
        self.unregistered = [MeanMetric()]

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.net[2].eval()
            self.net[0].bias.requires_grad_(False)

    def note(self, loss: Tensor) -> float:
        self.total.update(loss)
        self.several.update(loss)
        self.unregistered[0].update(loss)
        together = sum(self.several.compute().values())
        return float(self.total.compute() + together + self.unregistered[0].compute())


class Adversarial(LightningModule):
    """Optimizes by hand, with gradients that live on from epoch to epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self.judge = nn.Linear(4, 1), nn.Linear(1, 1)
        self.turn = 0

    def training_step(self, batch: list[Tensor], index: int) -> None:
        first, second = self.optimizers()
        loss = (self.judge(self.net(batch[0])) - batch[1]).square().mean()
        self.manual_backward(loss)
        self.turn += 1
        if self.turn % 3 == 0:
            chosen = first if self.turn % 2 else second
            chosen.step()
            chosen.zero_grad()
        self.log("loss", loss, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        parts = self.net, self.judge
        return [torch.optim.Adam(part.parameters(), lr=0.01) for part in parts]


class Noise:
    """Adds noise from a generator of the given kind, its own or the process's."""

    def __init__(self, kind: str) -> None:
        self.kind, self.calls = kind, 0
        self.own = np.random.default_rng(3)

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        draws: dict[str, Callable[[], Any]] = {
            "torch": lambda: torch.rand(()),
            "numpy": np.random.rand,
            "python": random.random,
            "own": self.own.random,
            "count": lambda: self.calls,
        }
        return x + 0.1 * float(draws[self.kind]())


class Augmented(Dataset):
    """Points with noise, and a cache of how often each was asked for."""

    def __init__(self, points: TensorDataset, kind: str) -> None:
        self.points, self.noise = points, Noise(kind)
        self.asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.asked[index] = self.asked.get(index, 0) + 1
        x, y = self.points[index]
        return self.noise(x) * self.asked[index], y


class Counting(IterableDataset):
    """A stream that goes on where the last epoch has ended."""

    def __init__(self, points: TensorDataset, length: bool) -> None:
        self.points, self.position, self.opened = points, 0, 0
        if length:
            self.__class__ = Sized

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.opened += 1
        return self._serve()

    def _serve(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(20):
            x, y = self.points[self.position % len(self.points)]
            self.position += 3
            yield x + self.opened, y


class Sized(Counting):
    """A stream of known length."""

    def __len__(self) -> int:
        return 20


class Curriculum(Sampler[list[int]]):
    """Batches whose size grows with the epochs that it has begun."""

    def __init__(self, length: int) -> None:
        self.length, self.epoch, self.random = length, 0, random.Random(4)

    def __iter__(self) -> Iterator[list[int]]:
        self.epoch += 1
        order = self.random.sample(range(self.length), self.length)
        size = 4 + self.epoch
        return iter([order[at : at + size] for at in range(0, self.length, size)])

    def __len__(self) -> int:
        size = 4 + max(self.epoch, 1)
        return (self.length + size - 1) // size


class Remembers(DataLoader):
    """A loader that says itself how it stands."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.begun = 0

    def __iter__(self) -> Any:
        self.begun += 1
        for x, y in super().__iter__():
            yield x * self.begun, y

    def state_dict(self) -> dict[str, int]:
        return {"begun": self.begun}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.begun = state["begun"]


class Serves(Points):
    """Serves points in the way that `how` names, by so many workers."""

    def __init__(
        self, how: str, kind: str = "torch", workers: int = 0, persistent: bool = False
    ) -> None:
        super().__init__(count=32, batch_size=8)
        self.how, self.kind, self.workers, self.persistent = how, kind, workers, persistent
        self.served = 0
        self.random = random.Random(6)

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.noisy = Augmented(self.train, self.kind)

    def _loader(self, data: Any, **more: Any) -> DataLoader[Any]:
        more = {"batch_size": 8, **more}
        return DataLoader(
            data, num_workers=self.workers, persistent_workers=self.persistent, **more
        )

    def train_dataloader(self) -> Any:  # noqa: PLR0911
        self.served += 1
        own = torch.Generator().manual_seed(9)
        data = self.noisy
        match self.how:
            case "stream" | "sized stream":
                return self._loader(Counting(self.train, self.how == "sized stream"))
            case "sampler":
                return self._loader(data, sampler=RandomSampler(data, generator=own))
            case "weights":
                weights = torch.arange(1.0, 33.0)
                return self._loader(data, sampler=WeightedRandomSampler(weights, 32, generator=own))
            case "batch sampler":
                return DataLoader(data, batch_sampler=Curriculum(32))
            case "list":
                return [self._loader(data, shuffle=True), self._loader(self.val, shuffle=True)]
            case "combined":
                loaders = [self._loader(data, shuffle=True), self._loader(self.val, generator=own)]
                return CombinedLoader(loaders, "max_size_cycle")
            case "collated":
                return self._loader(data, collate_fn=Collates())
            case "remembering":
                return Remembers(data, batch_size=8)
            case "redrawn":
                chosen = [self.random.randrange(32) for _ in range(16)]
                chosen += torch.randint(32, (16,)).tolist()
                return self._loader(Subset(self.train, chosen))
        return self._loader(data, shuffle=True)

    def val_dataloader(self) -> Any:
        self.served += 10
        if self.how == "several validations":
            own = torch.Generator().manual_seed(8)
            some = Subset(self.val, torch.randperm(32)[:16].tolist())
            noisy = Augmented(self.val, "own")
            return [self._loader(noisy, shuffle=True, generator=own), self._loader(some)]
        if self.how == "validations with workers":
            return self._loader(self.val, shuffle=True)
        return super().val_dataloader()


class Collates:
    """Puts a batch together, each a bit otherwise than the last."""

    def __init__(self) -> None:
        self.batches = 0

    def __call__(self, items: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        self.batches += 1
        x, y = zip(*items, strict=True)
        return [torch.stack(x) + self.batches, torch.stack(y)]


class Validates(Toy):
    """Takes several loaders, and logs how its data module stands."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        batches = batch if isinstance(batch[0], list) else [batch]
        served = float(self.trainer.datamodule.served)
        self.log("served", served, on_step=False, on_epoch=True)
        return sum(super(Validates, self).training_step(batch, index) for batch in batches)

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, index)


class Disturbs(Callback):
    """Keeps plain state, and scales the weights by it."""

    def __init__(self) -> None:
        self.factor, self.random = 1.0, random.Random(5)
        self.history: dict[str, list[float]] = {"factors": []}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, index: int
    ) -> None:
        self.factor = 1 + 0.01 * self.random.random() * len(self.history["factors"])
        self.history["factors"].append(self.factor)
        with torch.no_grad():
            for parameter in pl_module.parameters():
                parameter.mul_(self.factor)


class Endless(Notes):
    """Draws from a generator function, whose place in its code nothing can hold."""

    def prepare(self) -> None:
        self.numbers = self._numbers()

    def _numbers(self) -> Iterator[float]:
        number = 0.0
        while True:
            number += 1.0
            yield number

    def note(self, loss: Tensor) -> float:
        return next(self.numbers)


class HandsOut(Points):
    """Hands out its tensors by workers that persist, in an order of the process's generator."""

    def __init__(self) -> None:
        super().__init__(count=32, batch_size=8)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(
            self.train, batch_size=8, shuffle=True, num_workers=1, persistent_workers=True
        )

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val, batch_size=8, num_workers=1, persistent_workers=True)


class BuildsBy(Toy):
    """Builds a table from something outside of its configuration."""

    value = 1.0

    def __init__(self) -> None:
        super().__init__(width=4)
        self.table = [torch.full((50_000,), self.value)]


class DiesOnce(KeepsPlainThings):
    """Is killed in its second epoch, the first time."""

    def __init__(self, note: str) -> None:
        super().__init__()
        self.note_of_death = note

    def training_step(self, batch: Any, index: int) -> Tensor:
        note = Path(self.note_of_death)
        if self.current_epoch == 2 and note.parent.name == "broken" and not note.exists():
            note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().training_step(batch, index)
