"""Data that leak from validation into training, and data that only look as if they did."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

COUNT = 300


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def order(count: int, seed: int = 0) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


class Net(LightningModule):
    """A regressor on what comes first in a batch."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, 1))
        self.net(torch.zeros(1, 6))

    def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:
        return functional.mse_loss(self.net(batch[0].flatten(1))[:, 0], batch[1].flatten())

    def validation_step(self, batch: Sequence[Tensor], index: int) -> None:
        self.log("val_loss", self.training_step(batch, index))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Table(LightningDataModule):
    """Six columns and a target, split at random."""

    batch_size = 16

    def setup(self, stage: str) -> None:
        parts = random_split(
            self.examples(), [0.8, 0.2], generator=torch.Generator().manual_seed(0)
        )
        self.train, self.val = parts

    def examples(self) -> Dataset:
        x = drawn(COUNT, 6)
        return TensorDataset(x, self.target(x))

    def target(self, x: Tensor) -> Tensor:
        return x.sum(1) + 0.3 * drawn(len(x), seed=1)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, self.batch_size)


# --- near duplicates ---------------------------------------------------------------------


class Jittered(Table):
    """Adds noisy copies, then splits."""

    def examples(self) -> Dataset:
        x = drawn(COUNT // 2, 6)
        y = self.target(x)
        copies = x + 0.05 * drawn(*x.shape, seed=2)
        return TensorDataset(torch.cat([x, copies]), torch.cat([y, y]))


class Flipped(Table):
    """Adds mirrored pictures, then splits."""

    def examples(self) -> Dataset:
        x = drawn(COUNT // 2, 1, 12, 12)
        y = x[:, 0, 0, 0]
        return TensorDataset(torch.cat([x, x.flip(-1)]), torch.cat([y, y]))


class Cropped(Table):
    """Validates on pictures of the training set, cropped at random."""

    def setup(self, stage: str) -> None:
        x, y = drawn(COUNT, 3, 20, 20), drawn(COUNT, seed=1)
        padded = functional.pad(x[:60], (3, 3, 3, 3))
        cut = torch.stack([padded[i, :, i % 7 :, i % 5 :][:, :20, :20] for i in range(60)])
        self.train, self.val = TensorDataset(x, y), TensorDataset(cut, y[:60] + 0.01)


class Rephrased(Table):
    """Sequences of which one symbol was replaced, in both splits."""

    def examples(self) -> Dataset:
        x = torch.randint(0, 40, (COUNT // 2, 16), generator=torch.Generator().manual_seed(0))
        other = x.clone()
        other[torch.arange(len(x)), order(len(x)) % 16] = 41
        y = torch.arange(len(x)) % 2
        return TensorDataset(torch.cat([x, other]), torch.cat([y, y]))


class Relit(Dataset):
    """Items that are altered anew whenever they are asked for."""

    def __init__(self) -> None:
        self.x, self.y = drawn(COUNT, 6), drawn(COUNT, seed=1)

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.5 * torch.randn(6), self.y[index]


class SameItems(Table):
    """Validates on items that training has too, each altered at random."""

    def setup(self, stage: str) -> None:
        items = Relit()
        self.train = Subset(items, range(COUNT))
        self.val = Subset(items, range(COUNT - 60, COUNT))


# --- statistics of both splits -----------------------------------------------------------


class Standardised(Table):
    def examples(self) -> Dataset:
        x = 3 + 2 * drawn(COUNT, 6)
        return TensorDataset((x - x.mean(0)) / x.std(0), self.target(x))


class Stretched(Table):
    def examples(self) -> Dataset:
        x = 3 + 2 * drawn(COUNT, 6)
        low, high = x.amin(0), x.amax(0)
        return TensorDataset((x - low) / (high - low), self.target(x))


class ScaledTarget(Table):
    def target(self, x: Tensor) -> Tensor:
        y = super().target(x)
        return (y - y.mean()) / y.std()


class Encoded(Table):
    """Replaces a category by the mean target of all who are of it."""

    def examples(self) -> Dataset:
        x, kind = drawn(COUNT, 6), order(COUNT) % 20
        y = self.target(x)
        means = torch.stack([y[kind == k].mean() for k in range(20)])
        return TensorDataset(torch.cat([x[:, 1:], means[kind, None]], 1), y)


class ThreeSplits(Standardised):
    """Standardises before there are three splits."""

    def setup(self, stage: str) -> None:
        self.train, self.val, self.test = random_split(
            self.examples(), [0.7, 0.15, 0.15], generator=torch.Generator().manual_seed(0)
        )

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, self.batch_size)


class ScaledSeries(Table):
    """Standardises a series before it is cut, and splits it by time."""

    def setup(self, stage: str) -> None:
        series = drawn(COUNT).cumsum(0)
        series = (series - series.mean()) / series.std()
        x, y = windows(series, 8)
        self.train, self.val = TensorDataset(x[:220], y[:220]), TensorDataset(x[220:], y[220:])


class FittedOnTraining(Table):
    """Standardises both splits as training is."""

    def setup(self, stage: str) -> None:
        x = 3 + 2 * drawn(COUNT, 6)
        z = (x - x[:240].mean(0)) / x[:240].std(0)
        y = self.target(x)
        self.train, self.val = TensorDataset(z[:240], y[:240]), TensorDataset(z[240:], y[240:])


class FittedEach(Table):
    """Values between 0 and 1, as they come."""

    def examples(self) -> Dataset:
        x = torch.rand(COUNT, 6, generator=torch.Generator().manual_seed(0))
        return TensorDataset(x, self.target(x))


class Grid(Table):
    """Every point of a grid around 0, split at random."""

    def examples(self) -> Dataset:
        axis = torch.linspace(-1, 1, 7)
        x = torch.cartesian_prod(axis, axis, axis)
        return TensorDataset(x, x.sin().sum(1))


class Parity(Table):
    """Every sequence of signs, split at random."""

    def examples(self) -> Dataset:
        signs = torch.tensor([-1.0, 1.0])
        x = torch.cartesian_prod(*[signs] * 8)
        return TensorDataset(x, (x.prod(1) > 0).long())


# --- the target among the inputs ---------------------------------------------------------


class TargetColumn(Table):
    """A column that is known only after the target: its logarithm."""

    def examples(self) -> Dataset:
        x = drawn(COUNT, 6)
        y = self.target(x)
        x[:, 3] = torch.log1p(y - y.min())
        return TensorDataset(x, y)


class NoisyTarget(Table):
    def examples(self) -> Dataset:
        x = drawn(COUNT, 6)
        y = self.target(x)
        x[:, 0] = y + 0.02 * drawn(COUNT, seed=3)
        return TensorDataset(x, y)


class ClassCode(Table):
    """Rows as mappings, one of whose columns is the class by another number."""

    def examples(self) -> Any:
        x, y = drawn(COUNT, 6), order(COUNT) % 4
        x[:, 5] = torch.tensor([0.3, 0.1, 0.9, 0.5])[y]
        return [{"features": row, "label": label} for row, label in zip(x, y, strict=True)]


class Watermark(Table):
    """Pictures with their class in a corner."""

    def examples(self) -> Dataset:
        x, y = drawn(COUNT, 1, 8, 8), order(COUNT) % 3
        x[:, 0, 0, 0] = y.float()
        return TensorDataset(x, y)


class FirstColumnMatters(Table):
    """The class is the sign of one column: to be learned, not given away."""

    def target(self, x: Tensor) -> Tensor:
        return (x[:, 0] > 0).long()


class Recall(Table):
    """The first symbol is to be recalled."""

    def examples(self) -> Dataset:
        x = torch.randint(0, 8, (COUNT, 12), generator=torch.Generator().manual_seed(0))
        return TensorDataset(x, x[:, 0])


# --- one series --------------------------------------------------------------------------


def windows(series: Tensor, length: int, stride: int = 1) -> tuple[Tensor, Tensor]:
    x = series.unfold(0, length, stride)
    x = x[: -1 if stride == 1 else len(x)]
    y = series[length::stride][: len(x)]
    return x[: len(y)].contiguous(), y


class RandomWindows(Table):
    """Windows of one series, split at random."""

    def examples(self) -> Dataset:
        return TensorDataset(*windows(drawn(COUNT).cumsum(0), 12))


class RandomStretches(Table):
    """Half-overlapping stretches of several channels with a class each, split at random."""

    def examples(self) -> Dataset:
        x = drawn(8 * COUNT, 3).unfold(0, 16, 8)
        return TensorDataset(x, (x.flatten(1).sum(1) > 0).long())


class RandomText(Table):
    """Half-overlapping pieces of one text, split at random."""

    def examples(self) -> Dataset:
        text = torch.randint(0, 30, (8 * COUNT,), generator=torch.Generator().manual_seed(0))
        x = text.unfold(0, 33, 8)
        return TensorDataset(x[:, :-1].contiguous(), x[:, 1:].contiguous())


class ByTime(Table):
    """Windows of one series, the last ones for validation."""

    def setup(self, stage: str) -> None:
        x, y = windows(drawn(COUNT).cumsum(0), 12)
        self.train, self.val = TensorDataset(x[:220], y[:220]), TensorDataset(x[220:], y[220:])


class Backwards(Table):
    """Windows of one series, the first ones for validation."""

    def setup(self, stage: str) -> None:
        x, y = windows(drawn(COUNT).cumsum(0), 12)
        self.train, self.val = TensorDataset(x[70:], y[70:]), TensorDataset(x[:70], y[:70])


class Timestamped(Table):
    """Rows with a timestamp, the oldest for validation."""

    newest = False

    def setup(self, stage: str) -> None:
        x = drawn(COUNT, 6)
        y = self.target(x)
        rows = [{"x": x[i], "timestamp": 1_600_000_000 + 3600 * i, "y": y[i]} for i in range(COUNT)]
        self.train, self.val = rows[60:], rows[:60]
        if self.newest:
            self.train, self.val = rows[:240], rows[240:]


class Newest(Timestamped):
    newest = True


class FirstRows(Table):
    """A column counts the days; the first are for validation."""

    def setup(self, stage: str) -> None:
        x = drawn(COUNT, 6)
        y = self.target(x)
        x[:, 0] = torch.arange(COUNT)
        table = TensorDataset(x, y)
        self.train, self.val = Subset(table, range(60, COUNT)), Subset(table, range(60))


# --- groups ------------------------------------------------------------------------------


class Patients(Table):
    """Several scans of each patient, split by scan."""

    name = "patient_id"

    def examples(self) -> Any:
        x = drawn(COUNT, 6)
        y = self.target(x)
        return [{"x": x[i], self.name: i // 6, "y": y[i]} for i in range(COUNT)]


class Speakers(Patients):
    name = "speaker"

    def examples(self) -> Any:
        return [{**row, "speaker": f"speaker {row['speaker']}"} for row in super().examples()]


class KeptApart(Table):
    """The data know the subjects, the batches do not."""

    def examples(self) -> Dataset:
        self.subject_ids = torch.arange(COUNT) // 6
        return super().examples()


class Records(Dataset):
    """Rows of a table of which only the numbers are given out."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return {"x": self.rows[index]["x"], "y": self.rows[index]["y"]}


class TwoTables(Patients):
    """Each split has a list of records of its own; both have scans of one patient."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.train, self.val = (Records(list(part)) for part in (self.train, self.val))


class ByPatient(Patients):
    """All scans of a patient in one split."""

    def setup(self, stage: str) -> None:
        rows = self.examples()
        self.train, self.val = rows[:240], rows[240:]


class Users(Patients):
    """Ratings of users that the model is meant to know."""

    name = "user_id"


class Counts(Table):
    """How often each of many words occurs in a text."""

    def examples(self) -> Dataset:
        words = torch.poisson(torch.full((COUNT, 15), 1.5), torch.Generator().manual_seed(0))
        return TensorDataset(words, (words[:, 0] > words[:, 1]).float())


class Curved(Table):
    """Pictures of a spot somewhere: points of a surface that is bent in many dimensions."""

    def examples(self) -> Dataset:
        place = 8 * torch.rand(160, 2, 1, 1, generator=torch.Generator().manual_seed(33))
        down, right = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        far = (down - place[:, 0]) ** 2 + (right - place[:, 1]) ** 2
        return TensorDataset(torch.exp(-far / 4).flatten(1), drawn(160, seed=4))


class Heaps(Table):
    """Kinds of things, some of which are rare and much alike: each has a few examples."""

    def examples(self) -> Dataset:
        alone, kinds = drawn(2 * COUNT - 72, 12), drawn(24, 12, seed=2).repeat_interleave(3, 0)
        x = torch.cat([alone, kinds + 0.05 * drawn(72, 12, seed=3)])
        return TensorDataset(x, self.target(x))


LEAKS: dict[str, Sequence[Callable[[], Table]]] = {
    "near-duplicates": (Jittered, Flipped, Cropped, Rephrased),
    "train-val-overlap": (SameItems,),
    "fitted-on-validation": (
        Standardised,
        Stretched,
        ScaledTarget,
        Encoded,
        ThreeSplits,
        ScaledSeries,
    ),
    "target-among-inputs": (TargetColumn, NoisyTarget, ClassCode, Watermark),
    "overlapping-windows": (RandomWindows, RandomStretches, RandomText),
    "validation-before-training": (Backwards, Timestamped, FirstRows),
    "shared-groups": (Patients, Speakers, KeptApart, TwoTables),
}
CLEAN: Sequence[Callable[[], Table]] = (
    Table,
    FittedOnTraining,
    FittedEach,
    Grid,
    Parity,
    FirstColumnMatters,
    Recall,
    ByTime,
    Newest,
    ByPatient,
    Users,
    Counts,
    Curved,
    Heaps,
)
