"""Sound modules of many fields, each written as its field writes them."""

import copy
import math
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from tests.audits.planted.clean_training import Net, Splits, drawn

# --- sequences of unequal lengths --------------------------------------------------------


def padded(items: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    sequences, labels = zip(*items, strict=True)
    return {
        "tokens": pad_sequence(list(sequences), batch_first=True),
        "lengths": torch.tensor([len(sequence) for sequence in sequences]),
        "labels": torch.tensor(labels),
    }


class Sentences(Splits):
    """Is there an odd number of the word 3 in a sentence?"""

    def examples(self, count: int, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        items = []
        for _ in range(count):
            length = int(torch.randint(4, 12, (), generator=generator))
            words = torch.randint(1, 9, (length,), generator=generator)
            items.append((words, int((words == 3).sum()) % 2))
        return items

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True, collate_fn=padded)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, self.batch_size, collate_fn=padded)


class Reader(LightningModule):
    def __init__(self, bidirectional: bool = True, dropout: float = 0.2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.words = nn.Embedding(9, 8, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.read = nn.GRU(8, 12, batch_first=True, bidirectional=bidirectional)
        self.decide = nn.Linear(24 if bidirectional else 12, 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        words = self.dropout(self.words(tokens))
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        _, last = self.read(packed)
        return self.decide(last.transpose(0, 1).flatten(1))

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        logits = self(batch["tokens"], batch["lengths"])
        loss = functional.cross_entropy(logits, batch["labels"])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        logits = self(batch["tokens"], batch["lengths"])
        size = len(batch["labels"])
        right = (logits.argmax(1) == batch["labels"]).float().mean()
        self.log("val_accuracy", right, batch_size=size)
        self.log("val_loss", functional.cross_entropy(logits, batch["labels"]), batch_size=size)

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0}]
        return torch.optim.AdamW(groups, lr=0.01)


# --- a language model --------------------------------------------------------------------


class Texts(Splits):
    def examples(self, count: int, seed: int) -> Dataset:
        generator = torch.Generator().manual_seed(seed)
        start = torch.randint(0, 12, (count, 1), generator=generator)
        step = torch.randint(1, 4, (count, 1), generator=generator)
        noise = torch.randint(0, 2, (count, 13), generator=generator)
        return TensorDataset((start + step * torch.arange(13) + noise) % 12)


class Writer(LightningModule):
    """A small decoder that predicts the next character."""

    def __init__(self, layers: int = 2, tied: bool = True, warmup: int = 5) -> None:
        super().__init__()
        self.warmup = warmup
        self.letters, self.places = nn.Embedding(12, 16), nn.Embedding(16, 16)
        block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.out = nn.Linear(16, 12, bias=False)
        if tied:
            self.out.weight = self.letters.weight

    def forward(self, text: Tensor) -> Tensor:
        length = text.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.letters(text) + self.places(torch.arange(length))
        return self.out(self.blocks(hidden, mask=mask, is_causal=True))

    def loss(self, batch: list[Tensor]) -> Tensor:
        text = batch[0]
        logits = self(text[:, :-1])
        return functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.loss(batch)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        loss = self.loss(batch)
        self.log("val_loss", loss, batch_size=len(batch[0]))
        self.log("val_bits", loss / math.log(2), batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.003)
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / self.warmup)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": rate, "interval": "step"},
        }


# --- what is given is what is wanted -----------------------------------------------------


class Signals(Splits):
    def examples(self, count: int, seed: int) -> Dataset:
        phase, speed = drawn(count, 1, seed=seed), 1 + drawn(count, 1, seed=seed + 1).abs()
        return TensorDataset(torch.sin(phase + speed * torch.linspace(0, 3, 16)))


class Denoiser(LightningModule):
    """Restores signals from noisy ones; the noise of validation is fixed."""

    def __init__(self, noise: float = 0.3, code: int = 4) -> None:
        super().__init__()
        self.noise = noise
        self.down = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, code))
        self.up = nn.Sequential(nn.Linear(code, 12), nn.ReLU(), nn.Linear(12, 16))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        clean = batch[0]
        noisy = clean + self.noise * torch.randn_like(clean)
        return functional.mse_loss(self.up(self.down(noisy)), clean)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        clean = batch[0]
        error = functional.mse_loss(self.up(self.down(clean)), clean)
        self.log("val_error", error, batch_size=len(clean))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class Variational(LightningModule):
    """A variational autoencoder that scores the mean of its code."""

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        self.beta = beta
        self.down, self.up = nn.Linear(16, 8), nn.Linear(4, 16)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        mean, log_variance = self.down(batch[0]).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        restored = functional.mse_loss(self.up(code), batch[0])
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        self.log_dict({"restored": restored, "divergence": divergence})
        return restored + self.beta * divergence

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        mean, _ = self.down(batch[0]).chunk(2, dim=1)
        error = functional.mse_loss(self.up(mean), batch[0])
        self.log("val_error", error, batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class Masked(LightningModule):
    """Fills in what is masked: at random in training, every third value in validation."""

    def __init__(self, share: float = 0.3) -> None:
        super().__init__()
        self.share = share
        self.net = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 16))

    def error(self, signal: Tensor, hidden: Tensor) -> Tensor:
        seen = signal.masked_fill(hidden, 0.0)
        filled = self.net(torch.cat([seen, hidden.float()], 1))
        return (filled - signal)[hidden].square().mean()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.error(batch[0], torch.rand_like(batch[0]) < self.share)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        hidden = (torch.arange(16) % 3 == 0).expand_as(batch[0])
        self.log("val_error", self.error(batch[0], hidden), batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- classes -----------------------------------------------------------------------------


class Classes(Splits):
    """Three classes; `balanced` draws each as often as the others in training."""

    def __init__(self, batch_size: int = 8, balanced: bool = False) -> None:
        super().__init__(batch_size)
        self.balanced = balanced

    def examples(self, count: int, seed: int) -> Dataset:
        x = drawn(count, 6, seed=seed)
        scores = torch.stack([x[:, 0], x[:, 1], x[:, 2] - 0.5], 1)
        return TensorDataset(x, (scores + 0.3 * drawn(count, 3, seed=seed + 20)).argmax(1))

    def train_dataloader(self) -> DataLoader:
        if not self.balanced:
            return super().train_dataloader()
        labels = self.train.tensors[1]
        weights = 1 / torch.bincount(labels, minlength=3)[labels]
        return DataLoader(self.train, self.batch_size, sampler=WeightedRandomSampler(weights, 96))


class Classifier(LightningModule):
    def __init__(
        self,
        norm: str = "batch",
        smoothing: float = 0.0,
        mixup: float = 0.0,
        averaged: bool = False,
    ) -> None:
        super().__init__()
        self.smoothing, self.mixup, self.averaged = smoothing, mixup, averaged
        layer = nn.BatchNorm1d(16) if norm == "batch" else nn.LayerNorm(16)
        self.net = nn.Sequential(nn.Linear(6, 16), layer, nn.ReLU(), nn.Linear(16, 3))
        self.shadow = copy.deepcopy(self.net).requires_grad_(requires_grad=False)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        if not self.mixup:
            return functional.cross_entropy(self.net(x), y, label_smoothing=self.smoothing)
        share = torch.distributions.Beta(self.mixup, self.mixup).sample()
        order = torch.randperm(len(x))
        logits = self.net(share * x + (1 - share) * x[order])
        first, second = (functional.cross_entropy(logits, label) for label in (y, y[order]))
        return share * first + (1 - share) * second

    def on_train_batch_end(self, *_: Any) -> None:
        with torch.no_grad():
            for kept, now in zip(self.shadow.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(now, 0.1)
            for kept, now in zip(self.shadow.buffers(), self.net.buffers(), strict=True):
                kept.copy_(now)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        logits = (self.shadow if self.averaged else self.net)(x)
        self.log("val_loss", functional.cross_entropy(logits, y), batch_size=len(y))
        right = (logits.argmax(1) == y).float().mean()
        self.log("val_accuracy", right, batch_size=len(y))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)


class Labels(Splits):
    """Several labels each, the last one rare."""

    def examples(self, count: int, seed: int) -> Dataset:
        x = drawn(count, 6, seed=seed)
        bound = torch.tensor([0.0, 0.3, 1.0])
        return TensorDataset(x, (x[:, :3] + 0.3 * drawn(count, 3, seed=seed + 9) > bound).float())


class Tagger(LightningModule):
    """Its F1 is counted over the whole validation."""

    def __init__(self, rare: float = 1.0) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
        self.register_buffer("weights", torch.tensor([1.0, 1.0, rare]))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        return functional.binary_cross_entropy_with_logits(self.net(x), y, pos_weight=self.weights)

    def on_validation_epoch_start(self) -> None:
        self.hits = self.wrong = 0.0

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        said = self.net(x) > 0
        self.hits += float((said & (y > 0)).sum())
        self.wrong += float((said ^ (y > 0)).sum())

    def on_validation_epoch_end(self) -> None:
        self.log("val_f1", 2 * self.hits / max(2 * self.hits + self.wrong, 1.0))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.02)


# --- a frozen teacher --------------------------------------------------------------------


class Student(LightningModule):
    def __init__(self, taught: float = 0.5) -> None:
        super().__init__()
        self.taught = taught
        generator = torch.Generator().manual_seed(5)
        self.teacher = nn.Linear(6, 3).requires_grad_(requires_grad=False)
        with torch.no_grad():
            self.teacher.weight.copy_(
                torch.eye(3, 6) + 0.05 * torch.randn(3, 6, generator=generator)
            )
            self.teacher.bias.zero_()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        logits = self.net(x)
        with torch.no_grad():
            known = self.teacher(x).softmax(1)
        told = functional.kl_div(logits.log_softmax(1), known, reduction="batchmean")
        return (1 - self.taught) * functional.cross_entropy(logits, y) + self.taught * told

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", functional.cross_entropy(self.net(x), y), batch_size=len(y))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.net.parameters(), lr=0.01)


# --- series ------------------------------------------------------------------------------


class Series(LightningDataModule):
    """Windows of one series; validation comes after training, with a gap between.

    Windows of any length tell of the same moments.
    """

    def __init__(self, length: int = 8) -> None:
        super().__init__()
        self.length = length

    def setup(self, stage: str) -> None:
        noise = 0.3 * drawn(320)
        series = torch.sin(torch.arange(320) / 5) + noise
        past, future = series[:220], series[240:]
        mean, spread = past.mean(), past.std()
        self.train, self.val = (
            TensorDataset(windows[:, :-1], windows[:, -1])
            for windows in (
                ((part - mean) / spread)[12 - self.length :].unfold(0, self.length + 1, 1)
                for part in (past, future)
            )
        )

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, 16, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 16)


class Forecaster(LightningModule):
    def __init__(self, hidden: int = 8, length: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(length, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.huber_loss(self.net(batch[0])[:, 0], batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        gap = (self.net(batch[0])[:, 0] - batch[1]).abs().mean()
        self.log("val_mae", gap, batch_size=len(batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.02)
        rate = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": rate, "monitor": "val_mae"},
        }


# --- ratings: people and films are known, their pairs are not ----------------------------


class Ratings(LightningDataModule):
    def setup(self, stage: str) -> None:
        people, films = drawn(20, 3, seed=1), drawn(15, 3, seed=2)
        scores = 3 + people @ films.T / 2 + 0.3 * drawn(20, 15, seed=3)
        order = torch.randperm(300, generator=torch.Generator().manual_seed(4))
        items = [
            {"user_id": pair // 15, "item_id": pair % 15, "rating": scores.flatten()[pair]}
            for pair in order.tolist()
        ]
        self.train, self.val = items[:240], items[240:]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, 16, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 16)


class Factors(LightningModule):
    def __init__(self, rank: int = 4, biased: bool = True) -> None:
        super().__init__()
        self.people, self.films = nn.Embedding(20, rank), nn.Embedding(15, rank)
        self.person, self.film = nn.Embedding(20, 1), nn.Embedding(15, 1)
        self.biased = biased
        self.mean = nn.Parameter(torch.tensor(3.0))
        for table in (self.person, self.film):
            nn.init.zeros_(table.weight)
            table.requires_grad_(biased)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        score = self.mean + (self.people(user) * self.films(item)).sum(1)
        if self.biased:
            score = score + self.person(user)[:, 0] + self.film(item)[:, 0]
        return score

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return functional.mse_loss(self(batch["user_id"], batch["item_id"]), batch["rating"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        error = functional.mse_loss(self(batch["user_id"], batch["item_id"]), batch["rating"])
        self.log("val_mse", error, batch_size=len(batch["rating"]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=0.02)


# --- physics -----------------------------------------------------------------------------


class Grid(LightningDataModule):
    """Training takes points where it likes; validation knows the solution on a grid."""

    def setup(self, stage: str) -> None:
        points = torch.linspace(0, 1, 33)[:, None]
        self.val = TensorDataset(points, torch.exp(-points[:, 0]))
        self.train = TensorDataset(torch.rand(64, 1, generator=torch.Generator().manual_seed(2)))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, 16, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 33)


class Equation(LightningModule):
    """Solves y' = -y with y(0) = 1."""

    def __init__(self, boundary: float = 1.0) -> None:
        super().__init__()
        self.boundary = boundary
        self.net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x = batch[0].requires_grad_(requires_grad=True)
        y = self.net(x)
        (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        start = (self.net(torch.zeros(1, 1)) - 1).square().mean()
        return (slope + y).square().mean() + self.boundary * start

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        error = functional.mse_loss(self.net(batch[0])[:, 0], batch[1])
        self.log("val_error", error, batch_size=len(batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- graphs ------------------------------------------------------------------------------


class Graphs(Splits):
    def examples(self, count: int, seed: int) -> Any:
        nodes = drawn(count, 6, 4, seed=seed)
        links = (drawn(count, 6, 6, seed=seed + 1) > 0.5).float()
        links = ((links + links.transpose(1, 2)) > 0).float()
        spread = (links @ nodes[:, :, :1])[..., 0].mean(1)
        target = spread + 0.2 * drawn(count, seed=seed + 2)
        return [
            {"nodes": n, "adjacency": a, "target": t}
            for n, a, t in zip(nodes, links, target, strict=True)
        ]


class Messages(LightningModule):
    def __init__(self, rounds: int = 2) -> None:
        super().__init__()
        self.into = nn.Linear(4, 8)
        self.pass_on = nn.ModuleList(nn.Linear(8, 8) for _ in range(rounds))
        self.out = nn.Linear(8, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        hidden = self.into(batch["nodes"])
        for layer in self.pass_on:
            hidden = hidden + torch.relu(layer(batch["adjacency"] @ hidden))
        return self.out(hidden.mean(1))[:, 0]

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return functional.l1_loss(self(batch), batch["target"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        error = functional.l1_loss(self(batch), batch["target"])
        self.log("val_mae", error, batch_size=len(batch["target"]))

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


# --- two optimizers by hand, two sets of validation --------------------------------------


class Halves(LightningModule):
    """Body and head have rates of their own, stepped by hand."""

    def __init__(self, head_rate: float = 0.05) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.head_rate = head_rate
        self.body, self.head = nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, 1)

    def training_step(self, batch: list[Tensor], index: int) -> None:
        optimizers = self.optimizers()
        loss = functional.mse_loss(self.head(self.body(batch[0]))[:, 0], batch[1])
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()

    def validation_step(self, batch: list[Tensor], index: int, dataloader_idx: int = 0) -> None:
        name = ("near", "far")[dataloader_idx]
        loss = functional.mse_loss(self.head(self.body(batch[0]))[:, 0], batch[1])
        self.log(f"val_{name}", loss, batch_size=len(batch[1]), add_dataloader_idx=False)

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.body.parameters(), lr=0.02),
            torch.optim.SGD(self.head.parameters(), lr=self.head_rate),
        ]


class NearAndFar(Splits):
    def val_dataloader(self) -> Any:
        x = 1.5 * drawn(32, 6, seed=7)
        far = TensorDataset(x, x[:, :3].sum(1))
        return [DataLoader(self.val, self.batch_size), DataLoader(far, self.batch_size)]


# --- triplets ----------------------------------------------------------------------------


class Triplets(LightningModule):
    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = margin
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        code = functional.normalize(self.net(x), dim=1)
        gaps = torch.cdist(code, code)
        same = y[:, None] == y[None]
        hardest = (gaps - 10 * (~same)).max(1).values.clamp(min=0)
        nearest = (gaps + 10 * same).min(1).values
        return torch.relu(hardest - nearest + self.margin).mean()

    def on_validation_epoch_start(self) -> None:
        self.codes: list[Tensor] = []
        self.kinds: list[Tensor] = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.codes.append(functional.normalize(self.net(batch[0]), dim=1))
        self.kinds.append(batch[1])

    def on_validation_epoch_end(self) -> None:
        code, kind = torch.cat(self.codes), torch.cat(self.kinds)
        gaps = torch.cdist(code, code).fill_diagonal_(torch.inf)
        self.log("val_recall", (kind[gaps.argmin(1)] == kind).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- harder by and by --------------------------------------------------------------------


class Curriculum(Net):
    """Small targets count first, all of them from the third epoch on."""

    def __init__(self, patient: bool = True) -> None:
        super().__init__()
        self.patient = patient

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        errors = (self.net(batch[0])[:, 0] - batch[1]).square()
        if not self.patient or self.current_epoch >= 2:
            return errors.mean()
        easy = (batch[1].abs() < 1.5).float()
        return (errors * easy).sum() / easy.sum().clamp(min=1)


class Sized(Splits):
    """More or fewer examples to train with, the same ones to score."""

    def __init__(self, count: int = 96) -> None:
        super().__init__()
        self.count = count

    def setup(self, stage: str) -> None:
        self.train, self.val = self.examples(self.count, 0), self.examples(32, 1)


class Normalised(Splits):
    """Targets are scaled by what training has; the module scores in units of the data."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        targets = self.train.tensors[1]
        self.mean, self.spread = float(targets.mean()), float(targets.std())


class Units(Net):
    def __init__(self, scaled: bool = True) -> None:
        super().__init__()
        self.scaled = scaled

    def on_fit_start(self) -> None:
        data = self.trainer.datamodule
        self.mean, self.spread = (data.mean, data.spread) if self.scaled else (0.0, 1.0)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        wanted = (batch[1] - self.mean) / self.spread
        return functional.mse_loss(self.net(batch[0])[:, 0], wanted)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        mean, spread = getattr(self, "mean", 0.0), getattr(self, "spread", 1.0)
        said = self.net(batch[0])[:, 0] * spread + mean
        self.log("val_rmse_squared", functional.mse_loss(said, batch[1]), batch_size=len(batch[1]))
