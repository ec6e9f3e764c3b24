"""REINFORCE on a bandit whose episodes stream in without end or length."""

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

RNG = np.random.default_rng(0)
PAYS = np.array([0.1, 0.5, 0.9])


def pull(arm: int) -> float:
    return float(RNG.random() < PAYS[arm])


class Episodes(IterableDataset):
    """Plays with the policy as it is when the next episode is asked for."""

    def __init__(self, policy: nn.Parameter, per_epoch: int) -> None:
        self.policy, self.per_epoch = policy, per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.per_epoch):
            arm = torch.multinomial(self.policy.detach().softmax(0), 1).item()
            yield torch.tensor(arm), torch.tensor(pull(arm))


class Reinforce(LightningModule):
    def __init__(self, lr: float = 0.5, episodes: int = 24) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.policy = nn.Parameter(torch.zeros(len(PAYS)))
        self.recent: deque[float] = deque(maxlen=20)
        self.baseline = 0.0

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        arms, rewards = batch
        self.recent.extend(rewards.tolist())
        advantage = rewards - self.baseline
        self.baseline = 0.9 * self.baseline + 0.1 * rewards.mean().item()
        loss = -(self.policy.log_softmax(0)[arms] * advantage).mean()
        self.log("loss", loss)
        self.log("reward", sum(self.recent) / len(self.recent), on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.policy], lr=self.hparams.lr)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(Episodes(self.policy, self.hparams.episodes), batch_size=4)
