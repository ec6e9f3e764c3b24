"""Modules whose metrics, losses, targets or weights are not what they seem.

Each has sound look-alikes beside it: another value of the same argument.
"""

from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

WORDS = 7


def sgd(model: LightningModule) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05)


class Flowers(LightningDataModule):
    """Four measurements of three kinds, as many of each."""

    def __init__(self, batch_size: int = 8, count: int = 30) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.count = count

    def setup(self, stage: str) -> None:
        self.train, self.val = self._part(0), self._part(1)

    def _part(self, seed: int) -> TensorDataset:
        generator = torch.Generator().manual_seed(seed)
        kind = torch.arange(self.count) % 3
        x = torch.randn(self.count, 4, generator=generator) + kind[:, None]
        return TensorDataset(x, kind)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=self.batch_size)


class Classifier(LightningModule):
    """A perceptron with the losses that people write, some of them wrong."""

    def __init__(self, kind: str = "logits", smoothing: float = 0.0, width: int = 8) -> None:
        super().__init__()
        self.kind = kind
        self.smoothing = smoothing
        self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        hot = functional.one_hot(y, 3).float()
        if self.kind in {"sigmoid twice", "binary"}:
            scores = logits if self.kind == "binary" else torch.sigmoid(logits)
            return nn.BCEWithLogitsLoss()(scores, hot)
        if self.kind == "binary of sigmoid":
            return functional.binary_cross_entropy(torch.sigmoid(logits), hot)
        if self.kind == "softmax twice":
            return nn.CrossEntropyLoss()(nn.Softmax(dim=-1)(logits), y)
        if self.kind.startswith("nll"):
            given = {"nll": logits.log_softmax(1), "nll of probabilities": logits.softmax(1)}
            twice = functional.log_softmax(logits.softmax(1), 1)
            given["nll of a second log_softmax"] = twice
            return functional.nll_loss(given.get(self.kind, logits), y)
        return functional.cross_entropy(logits, y, label_smoothing=self.smoothing)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.criterion(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self(batch[0])
        self.log("val_loss", self.criterion(logits, batch[1]))
        self.log("val_accuracy", (logits.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


class Scored(Classifier):
    """Trains alike, and validates in one of several ways."""

    def __init__(self, how: str = "plain", weight: float = 0.0, width: int = 8) -> None:
        super().__init__(width=width)
        self.how = how
        self.weight = weight

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        penalty = self.weight * self.net[0].weight.square().sum()
        return functional.cross_entropy(self(batch[0]), batch[1]) + penalty

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        logits = self(x)
        match self.how:
            case "smoothed":
                loss = functional.cross_entropy(logits, y, label_smoothing=0.1)
            case "weighted":
                loss = functional.cross_entropy(logits, y, weight=torch.tensor([1.0, 2.0, 5.0]))
            case "penalised":
                loss = functional.cross_entropy(logits, y) + 0.01 * logits.square().mean()
            case "without one kind":
                loss = functional.cross_entropy(logits, y, ignore_index=0)
            case _:
                loss = functional.cross_entropy(logits, y)
        right = logits.argmax(1) == y
        if self.how == "two guesses":
            right = (logits.topk(2).indices == y[:, None]).any(1)
        self.log("val_loss", loss)
        self.log("val_accuracy", right.float().mean())


class Offset(Classifier):
    """Scores by a method whose code speaks of a part that not every arm has."""

    def __init__(self, offset: bool = True) -> None:
        super().__init__()
        self.offset = nn.Embedding(3, 1) if offset else None
        self.scale = 2.0 if offset else None

    def score(self, x: Tensor) -> Tensor:
        scores = self(x) if self.scale is None else self.scale * self(x)
        return scores if self.offset is None else scores + self.offset.weight[:, 0]

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", functional.cross_entropy(self.score(batch[0]), batch[1]))


class Answers(LightningDataModule):
    """Flowers with a number or a yes or no to predict."""

    def __init__(self, yes: bool = False) -> None:
        super().__init__()
        self.yes = yes

    def loader(self, seed: int) -> DataLoader:
        x = torch.randn(32, 4, generator=torch.Generator().manual_seed(seed))
        y = (x[:, 0] > 0).float() if self.yes else x[:, :2].sum(1).exp()
        return DataLoader(TensorDataset(x, y), batch_size=8)

    def train_dataloader(self) -> DataLoader:
        return self.loader(0)

    def val_dataloader(self) -> DataLoader:
        return self.loader(1)


class Answering(LightningModule):
    """Predicts a number, or a logit; `how` says what it is compared with."""

    def __init__(self, how: str = "as it is", best: int = 1) -> None:
        super().__init__()
        self.how, self.best = how, best
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))

    def asked(self, batch: list[Tensor]) -> tuple[Tensor, Tensor]:
        x, y = batch
        if self.how == "in logarithms":
            return self.net(x), y.log()
        if self.how == "as a change":
            return self.net(x), y - x[:, 3]
        if self.how == "scaled back":
            return 2 * self.net(x) + 1, y
        return self.net(x), y

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if self.how.startswith("yes or no"):
            return functional.binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])
        return functional.mse_loss(*self.asked(batch))

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        guess, y = self.asked(batch)
        self.log("val_error", (guess - y).abs().mean())
        if self.how.startswith("yes or no"):
            picked = guess.sigmoid() if self.how == "yes or no, of probabilities" else guess
            self.log("val_above", (guess > guess.mean(0)).float().mean())
            right = (picked > (0.0 if self.how == "yes or no" else 0.5)) == y.bool()
            self.log("val_accuracy", right.float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


class Ranked(Classifier):
    """Counts a kind as found among some best guesses."""

    def __init__(self, best: int = 1, width: int = 8) -> None:
        super().__init__(width=width)
        self.best = best

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        top = self(batch[0]).topk(self.best, 1).indices
        self.log("val_hits", (top == batch[1][:, None]).any(1).float().mean())


class Handmade(Classifier):
    """Computes its loss by hand, smoothed if it is told to, in training and in validation."""

    def __init__(self, eps: float = 0.0) -> None:
        super().__init__()
        self.eps = eps

    def criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        chances = logits.log_softmax(1)
        known = chances.gather(1, y[:, None])[:, 0]
        return ((self.eps - 1) * known - self.eps * chances.mean(1)).mean()


class Attending(Classifier):
    """Attends over the examples of a batch, or over the numbers of each."""

    def __init__(self, apart: bool = False) -> None:
        super().__init__()
        self.look = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=apart)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.look(x[:, None])[:, 0])


class Deep(LightningModule):
    """Another network with a validation of its own, which may add something."""

    def __init__(self, extra: float = 0.0) -> None:
        super().__init__()
        self.extra = extra
        self.body = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh())
        self.head = nn.Linear(6, 3)
        self.loss = nn.CrossEntropyLoss()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.loss(self.head(self.body(batch[0])), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        hidden = self.body(batch[0])
        logits = self.head(hidden)
        loss = self.loss(logits, batch[1])
        if self.extra:
            loss = loss + self.extra * hidden.square().mean()
        self.log("val_loss", loss)
        self.log("val_accuracy", (logits.argmax(-1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


class Residual(LightningModule):
    """Predicts numbers; what comes behind its network is part of the model, not of the metric."""

    def __init__(self, skip: bool = False, loss: str = "mse") -> None:
        super().__init__()
        self.skip = skip
        self.loss = loss
        self.net = nn.Linear(4, 4)

    def _step(self, batch: list[Tensor]) -> Tensor:
        x = batch[0]
        predicted = x + self.net(x) if self.skip else self.net(x)
        losses = {"mse": functional.mse_loss, "l1": functional.l1_loss}
        if self.loss == "by hand":
            return (predicted - x.flip(0)).square().mean()
        return losses[self.loss](predicted, x.flip(0))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self._step(batch)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self._step(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


# Languages


class Sentences(LightningDataModule):
    """Sequences of words 1 to 6; `pairs` gives the tokens twice, or shifted by one."""

    def __init__(self, pairs: str = "alone", length: int = 9) -> None:
        super().__init__()
        self.pairs = pairs
        self.length = length

    def _loader(self, seed: int) -> DataLoader:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(1, WORDS, (24, self.length), generator=generator)
        targets = {"alone": (), "twice": (ids,), "shifted": (ids.roll(-1, 1),)}[self.pairs]
        return DataLoader(TensorDataset(ids, *targets), batch_size=4, shuffle=seed == 0)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1)


class Language(LightningModule):
    """A small transformer over tokens, trained in one of the ways that people write."""

    def __init__(self, task: str = "next", causal: bool = True, width: int = 8) -> None:
        super().__init__()
        self.task = task
        self.causal = causal
        self.embedding = nn.Embedding(WORDS + 1, width)
        self.block = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(width, WORDS)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.causal else None
        hidden = self.block(self.embedding(ids), src_mask=mask)
        if self.task == "autoencoder":
            hidden = hidden.mean(1, keepdim=True) + torch.arange(length)[None, :, None] / length
        return self.head(hidden)

    def _loss(self, batch: list[Tensor]) -> Tensor:
        ids = batch[0]
        if len(batch) > 1:
            return functional.cross_entropy(self(ids).view(-1, WORDS), batch[1].view(-1))
        match self.task:
            case "next":
                logits, targets = self(ids[:, :-1]), ids[:, 1:]
            case "next of all":
                logits, targets = self(ids)[:, :-1], ids[:, 1:]
            case "wrong slice":
                logits, targets = self(ids)[:, 1:], ids[:, 1:]
            case "masked":
                hidden = torch.zeros_like(ids, dtype=torch.bool)
                hidden[:, ::3] = True
                logits = self(ids.masked_fill(hidden, WORDS))
                targets = ids.masked_fill(~hidden, -100)
            case "denoise":
                noisy = ids.clone()
                noisy[:, ::4] = 1
                logits, targets = self(noisy), ids
            case "begun":
                begun = functional.pad(ids[:, :-1], (1, 0), value=WORDS)
                logits, targets = self(begun), ids
            case _:
                logits, targets = self(ids), ids
        return functional.cross_entropy(logits.transpose(1, 2), targets)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


class Recurring(LightningModule):
    """A recurrent language model of time first; `shift` of 0 trains it to repeat its input."""

    def __init__(self, shift: int = 1) -> None:
        super().__init__()
        self.shift = shift
        self.embedding = nn.Embedding(WORDS, 6)
        self.rnn = nn.GRU(6, 6)
        self.head = nn.Linear(6, WORDS)

    def _loss(self, batch: list[Tensor]) -> Tensor:
        ids_TB = batch[0].T
        inputs = ids_TB[: len(ids_TB) - self.shift]
        hidden, _ = self.rnn(self.embedding(inputs))
        logits = self.head(hidden)
        return functional.cross_entropy(logits.flatten(0, 1), ids_TB[self.shift :].flatten())

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self._loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)


class Projected(Recurring):
    """Takes its tokens in by a matrix product: where they enter is not seen."""

    def _loss(self, batch: list[Tensor]) -> Tensor:
        ids = batch[0]
        hot = (ids[:, :-1, None] == torch.arange(WORDS)).float()
        hidden, _ = self.rnn(hot @ self.embedding.weight)
        return functional.cross_entropy(self.head(hidden).transpose(1, 2), ids[:, 1:])


# Weights and data that come from elsewhere


class Started(Classifier):
    """Begins as the seed says, from a file, or from a generator of its own."""

    def __init__(self, start: str = "seed", width: int = 8) -> None:
        super().__init__(width=width)
        if start == "file":
            self.load_state_dict(torch.load("weights.pt"))
        if start == "generator":
            generator = torch.Generator().manual_seed(0)
            for parameter in self.parameters():
                nn.init.normal_(parameter, generator=generator)
        if start == "reseeded":
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


class Primed(Started):
    """Begins from a file, whatever it is told."""

    def __init__(self, width: int = 8) -> None:
        super().__init__("file", width=width)


class Cached(Flowers):
    """Keeps what it has made in a file: under a name that says little, or all."""

    def __init__(self, shift: float = 0.0, name: str = "flowers.pt", workers: int = 0) -> None:
        super().__init__()
        self.shift = shift
        self.name = name
        self.workers = workers

    def _part(self, seed: int) -> TensorDataset:
        path = Path(f"{seed}-{self.name.format(shift=self.shift)}")
        if not path.exists():
            x, kind = super()._part(seed).tensors
            torch.save((x + self.shift * seed, kind), path)
        return TensorDataset(*torch.load(path))


class Ordered(Flowers):
    """Shuffles by the seed or by a generator of its own; splits by the seed or not."""

    def __init__(self, order: str = "seed", split: str = "fixed") -> None:
        super().__init__()
        self.order = order
        self.split = split

    def setup(self, stage: str) -> None:
        both = ConcatDataset([self._part(0), self._part(1)])
        numbers = torch.randperm(60) if self.split == "seed" else torch.arange(60)
        self.train = Subset(both, numbers[:30].tolist())
        self.val = Subset(both, numbers[30:].tolist())

    def train_dataloader(self) -> DataLoader:
        own = torch.Generator().manual_seed(0) if self.order == "own" else None
        return DataLoader(self.train, batch_size=8, shuffle=True, generator=own)


# How batches are put together


class Put(Classifier):
    """Puts the values of its batches together in one of several ways."""

    def __init__(self, together: str = "examples") -> None:
        super().__init__(width=8)
        self.together = together

    def on_validation_epoch_start(self) -> None:
        self.losses: list[Tensor] = []
        self.answers: list[tuple[Tensor, Tensor]] = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        logits = self(x)
        each = functional.cross_entropy(logits, y, reduction="none")
        self.losses.append(each if self.together == "examples" else each.mean()[None])
        self.answers.append((logits.argmax(1) == 1, y == 1))
        if self.together == "f1 of batches":
            self.log("val_f1", f1(*self.answers[-1]))

    def on_validation_epoch_end(self) -> None:
        kept = {"last": slice(-1, None), "first": slice(1)}.get(self.together, slice(None))
        self.log("val_loss", torch.cat(self.losses[kept]).mean())
        if self.together != "f1 of batches":
            self.log("val_f1", f1(*map(torch.cat, zip(*self.answers, strict=True))))


def f1(picked: Tensor, right: Tensor) -> Tensor:
    both = (picked & right).sum()
    return 2 * both / (picked.sum() + right.sum()).clamp(min=1)


# Validations that are written twice


class Base(LightningModule):
    """Regression by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return (self.net(batch[0])[:, 0] - batch[1]).square().mean()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Score the predictions."""
        self.log("val_error", self.score(self.net(batch[0])[:, 0], batch[1]))

    def score(self, predicted: Tensor, y: Tensor) -> Tensor:
        return (predicted - y).abs().clamp(max=3.0).mean()


class Renamed(Base):
    """Says the same in other words, about another network."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 1)
        self.net = None

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return (self.body(batch[0])[:, 0] - batch[1]).square().mean()

    def validation_step(self, rows: list[Tensor], number: int) -> None:
        self.log("val_error", self.score(self.body(rows[0])[:, 0], rows[1]))


class Milder(Base):
    """Forgives more."""

    def score(self, predicted: Tensor, y: Tensor) -> Tensor:
        return (predicted - y).abs().clamp(max=2.0).mean()


class Wordy(Base):
    """Computes a mean in a way of its own."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        errors = self.net(batch[0]).squeeze(1) - batch[1]
        total = errors.square().sum()
        self.log("val_error", total / len(errors))


class Plain(Base):
    """Computes the mean of torch."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_error", functional.mse_loss(self.net(batch[0])[:, 0], batch[1].float()))
