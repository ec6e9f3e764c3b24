"""Modules with a fault in their recipe, as strangers would write them, and sound look-alikes."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from tests.audits.modules import random_split

Kind = Literal[
    "sound",
    "hard-coded lr",
    "decays biases",
    "swaps the optimizer",
    "sums the loss",
    "clips by itself",
    "steps every other batch",
    "autocasts",
    "forgets the head",
    "head only",
    "head only, by list",
    "never zeroes",
    "zeroes one of two",
    "undoes its steps",
    "restores the embedding",
    "detached penalty",
    "penalty as a number",
    "penalty without gradient",
    "penalty",
    "target entropy",
]


class Table(LightningDataModule):
    """Rows of random numbers, labelled by the sign of their sum."""

    def __init__(
        self, count: int = 64, batch_size: int = 8, drop_last: bool = False, spare: float = 0.0
    ) -> None:
        super().__init__()
        self.count, self.batch_size, self.drop_last = count, batch_size, drop_last

    def _loader(self, seed: int) -> DataLoader:
        x, y = random_split(self.count, 6, seed=seed)
        rows = TensorDataset(x, y)
        return DataLoader(rows, self.batch_size, shuffle=seed == 0, drop_last=self.drop_last)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1)


class Net(LightningModule):
    """A classifier with a normalised body and a head; `kind` plants a fault."""

    def __init__(
        self, kind: Kind = "sound", lr: float = 1e-2, penalty: float = 0.1, wide: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.lr, self.penalty = kind, lr, penalty
        width = 16 if wide else 8
        self.body = nn.Sequential(nn.Linear(6, width), nn.LayerNorm(width), nn.ReLU())
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "autocasts":
            with torch.autocast("cpu", torch.bfloat16):
                return self.head(self.body(x)).float()
        return self.head(self.body(x))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        reduction = "sum" if self.kind == "sums the loss" else "mean"
        loss = functional.cross_entropy(self(x), y, reduction=reduction)
        penalty = sum(p.square().sum() for p in self.body.parameters())
        assert isinstance(penalty, Tensor)
        self.log("train_penalty", penalty)
        if self.kind == "penalty":
            loss = loss + self.penalty * penalty
        if self.kind == "detached penalty":
            loss = loss + self.penalty * penalty.detach()
        if self.kind == "penalty as a number":
            loss += self.penalty * penalty.item()
        if self.kind == "penalty without gradient":
            with torch.no_grad():
                extra = self.head.weight.norm() + self.head.bias.norm()
            loss = self.penalty * extra + 2 * loss
        if self.kind == "target entropy":
            share = y.float().mean().clamp(0.01, 0.99)
            loss = loss - (-(share * share.log() + (1 - share) * (1 - share).log()))
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", functional.cross_entropy(self(x), y))

    def configure_optimizers(self) -> Any:
        if self.kind == "swaps the optimizer":
            return torch.optim.SGD(self.parameters(), lr=self.lr)
        if self.kind == "head only":
            return torch.optim.AdamW(self.head.parameters(), lr=self.lr)
        if self.kind == "head only, by list":
            return torch.optim.AdamW([p for p in self.parameters() if p.ndim > 1], lr=self.lr)
        if self.kind == "forgets the head":
            return torch.optim.AdamW(self.body.parameters(), lr=self.lr)
        decayed = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        kept = 0.01 if self.kind == "decays biases" else 0.0
        groups = [
            {"params": decayed, "weight_decay": 0.01},
            {"params": others, "weight_decay": kept},
        ]
        return torch.optim.AdamW(groups, lr=3e-4 if self.kind == "hard-coded lr" else self.lr)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        super().configure_gradient_clipping(optimizer, *args, **kwargs)
        if self.kind == "clips by itself":
            nn.utils.clip_grad_norm_(self.parameters(), 0.01)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        if self.kind == "never zeroes":
            return
        if self.kind == "zeroes one of two":
            if batch_idx % 2 == 0:
                optimizer.zero_grad()
            return
        super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if not hasattr(self, "first"):
            self.first = {n: p.detach().clone() for n, p in self.named_parameters()}

    def on_train_batch_end(self, *args: Any) -> None:
        undone = {"undoes its steps": "", "restores the embedding": "body.0"}.get(self.kind)
        if undone is not None:
            with torch.no_grad():
                for name, p in self.named_parameters():
                    if name.startswith(undone):
                        p.copy_(self.first[name])


class Hidden(Net):
    """The same with one more layer, which a container may hide from the module."""

    def __init__(self, within: Literal["list", "dict", "ModuleList", "frozen"] = "list") -> None:
        super().__init__()
        layer = nn.Linear(6, 6).requires_grad_(within != "frozen")
        self.more: Any = {
            "list": [layer],
            "dict": {"first": layer},
            "ModuleList": nn.ModuleList([layer]),
            "frozen": [layer],
        }[within]

    def forward(self, x: Tensor) -> Tensor:
        layer = self.more["first"] if isinstance(self.more, dict) else self.more[0]
        return super().forward(x + layer(x))


class ByHand(Net):
    """The same, optimized by hand: `every` batches make a step."""

    def __init__(self, every: int = 1, zeroes: bool = True) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.every, self.zeroes = every, zeroes

    def training_step(self, batch: list[Tensor], index: int) -> None:
        optimizer = self.optimizers()
        loss = super().training_step(batch, index) / self.every
        self.manual_backward(loss)
        if (index + 1) % self.every == 0:
            optimizer.step()
            if self.zeroes:
                optimizer.zero_grad()


Schedule = Literal[
    "none",
    "warm-up in steps, by epoch",
    "warm-up longer than the run",
    "warm-up as a share",
    "linear warm-up, sequential",
    "one cycle",
    "decay in epochs, by step",
    "cosine in epochs, by step",
    "cosine",
    "restarts",
    "milestones far off",
    "plateau",
]


class Scheduled(Net):
    """The same with a schedule of the learning rate."""

    def __init__(self, schedule: Schedule = "none") -> None:
        super().__init__()
        self.schedule = schedule

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        of = torch.optim.lr_scheduler
        total = int(self.trainer.estimated_stepping_batches)

        made: dict[str, Callable[[], Any]] = {
            "warm-up in steps, by epoch": lambda: of.LambdaLR(optimizer, _rise(100)),
            "warm-up longer than the run": lambda: of.LinearLR(optimizer, 0.01, total_iters=1000),
            "warm-up as a share": lambda: of.LambdaLR(optimizer, _rise(total // 10)),
            "linear warm-up, sequential": lambda: of.SequentialLR(
                optimizer,
                [of.LinearLR(optimizer, 0.01, total_iters=500), of.ConstantLR(optimizer)],
                [500],
            ),
            "one cycle": lambda: of.OneCycleLR(optimizer, 0.1, total_steps=total),
            "decay in epochs, by step": lambda: of.ExponentialLR(optimizer, 0.8),
            "cosine in epochs, by step": lambda: of.CosineAnnealingLR(optimizer, 5),
            "cosine": lambda: of.CosineAnnealingLR(optimizer, total),
            "restarts": lambda: of.CosineAnnealingWarmRestarts(optimizer, 20),
            "milestones far off": lambda: of.MultiStepLR(optimizer, [100, 200]),
            "plateau": lambda: of.ReduceLROnPlateau(optimizer),
        }
        if self.schedule == "none":
            return optimizer
        by_epoch = {"warm-up in steps, by epoch", "milestones far off", "plateau"}
        interval = "epoch" if self.schedule in by_epoch else "step"
        schedule = {"scheduler": made[self.schedule](), "interval": interval}
        return [optimizer], [{**schedule, "monitor": "val_loss"}]


def _rise(steps: int) -> Callable[[int], float]:
    return lambda step: min(1.0, (step + 1) / steps)


class Critic(LightningModule):
    """Learns values by temporal differences, one transition a step, with a frozen target."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Linear(6, 1)
        self.target = nn.Linear(6, 1).requires_grad_(False)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        value, after = self.value(x[0])[0], self.value(x[-1])[0].detach()
        error = y[0].float() + 0.9 * after - value
        return error.square() + (after - self.target(x[0])[0]).square().detach() * 0

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", (self.value(batch[0])[:, 0] - batch[1]).square().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.value.parameters(), lr=1e-3)


class Configured(Net):
    """Takes its optimizer and its schedule from the config."""

    def __init__(
        self,
        optimizer: Callable[[Any], torch.optim.Optimizer],
        schedule: Callable[[Any], ReduceLROnPlateau],
    ) -> None:
        super().__init__()
        self.optimizer, self.plateau = optimizer, schedule

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        return [optimizer], [{"scheduler": self.plateau(optimizer), "monitor": "val_loss"}]


class Sound(LightningModule):
    """What the sound modules of other kinds share."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", batch[0].mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Experts(Sound):
    """Sends every other batch to another expert; gradients are set to zero, not to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(6, 2), nn.Linear(6, 2)])

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.cross_entropy(self.experts[index % 2](batch[0]), batch[1])

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        optimizer.zero_grad(set_to_none=False)


class Adversaries(Sound):
    """Trains the critic at every batch, the generator at every second; clips by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = nn.Linear(6, 6), nn.Linear(6, 1)

    def training_step(self, batch: list[Tensor], index: int) -> None:
        real = batch[0]
        for_critic, for_generator = self.optimizers()
        for_critic.zero_grad()
        made = self.generator(torch.randn_like(real))
        self.manual_backward(self.critic(made).mean() - self.critic(real).mean())
        self.clip_gradients(for_critic, 0.5, "norm")
        for_critic.step()
        if index % 2 == 0:
            for_generator.zero_grad()
            made = self.generator(torch.randn_like(real))
            self.manual_backward(-self.critic(made).mean())
            for_generator.step()
        with torch.no_grad():
            for p in self.critic.parameters():
                p.clamp_(-0.5, 0.5)

    def configure_optimizers(self) -> Any:
        parts = self.generator, self.critic
        return [torch.optim.RMSprop(part.parameters(), lr=1e-3) for part in parts]


class Tasks(Sound):
    """Two tasks, of which one has no weight, and weights that are learned."""

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__()
        self.body, self.left, self.right = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(8, 1)
        self.scale = nn.Parameter(torch.zeros(()))
        self.weight = weight

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        hidden = self.body(batch[0]).relu()
        left = functional.cross_entropy(self.left(hidden), batch[1])
        right = functional.mse_loss(self.right(hidden)[:, 0], batch[0].sum(1))
        self.log_dict({"left": left, "right": right.detach()})
        return (-self.scale).exp() * left + self.scale + self.weight * right


class Contrast(Sound):
    """Tells two views of an example from those of its neighbours, with a learned temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.temperature = nn.Linear(6, 8), nn.Parameter(torch.tensor(0.1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x = batch[0]
        views = [functional.normalize(self.net(x + 0.1 * torch.randn_like(x)), dim=1)] * 2
        logits = views[0] @ views[1].T / self.temperature.clamp(0.01)
        return functional.cross_entropy(logits, torch.arange(len(x)))


class Policy(Sound):
    """Follows the gradient of a policy against a learned baseline, with a bonus of entropy."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = nn.Linear(6, 3), nn.Linear(6, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        chosen = torch.distributions.Categorical(logits=self.actor(x))
        actions, value = chosen.sample(), self.critic(x)[:, 0]
        advantage = (actions == y).float() - value
        self.log("advantage", advantage.detach().mean())
        policy = -(chosen.log_prob(actions) * advantage.detach()).mean()
        return policy + 0.5 * advantage.square().mean() - 0.01 * chosen.entropy().mean()


class Variational(Sound):
    """Draws a code, and sums what is lost over the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(2, 6)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        mean, scale = self.encoder(batch[0]).chunk(2, 1)
        code = mean + (scale / 2).exp() * torch.randn_like(mean)
        lost = (self.decoder(code) - batch[0]).square().sum(1).mean()
        divergence = 0.5 * (mean.square() + scale.exp() - 1 - scale).sum(1).mean()
        self.log("elbo", -(lost.detach() + divergence.detach()))
        return lost + min(1.0, self.global_step / 10) * divergence


class Student(Sound):
    """Learns from an average of itself, which no gradient reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(6, 2)
        self.teacher = nn.Linear(6, 2).requires_grad_(False)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        with torch.no_grad():
            taught = self.teacher(batch[0]).softmax(1)
        log = self.net(batch[0]).log_softmax(1)
        entropy = -(taught * taught.clamp_min(1e-9).log()).sum(1).mean()
        return -(taught * log).sum(1).mean() - entropy

    def on_train_batch_end(self, *args: Any) -> None:
        with torch.no_grad():
            for mean, p in zip(self.teacher.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(p, 0.1)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.net.parameters(), lr=0.1)
