"""The memory that updates are drawn from. Shapes: C its capacity, B transitions, F features."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ablate.systems.token_dqn.environment import ALL_FEATURES

_BEFORE = slice(4, 4 + ALL_FEATURES)
_AFTER = slice(4 + ALL_FEATURES, 4 + 2 * ALL_FEATURES)
_ROW = 4 + 2 * ALL_FEATURES


class Transitions(NamedTuple):
    """What was seen, done, earned and seen then; `ended_B` is 1 where the episode was over."""

    problem_B: Tensor
    before_BF: Tensor
    action_B: Tensor
    reward_B: Tensor
    after_BF: Tensor
    ended_B: Tensor


class ReplayMemory(nn.Module):
    """A ring of the last transitions, in buffers: a checkpoint holds it, a resumed run has it.

    A transition is a row of 32 numbers: the states of 520 are made of them when they are needed.
    """

    rows: Tensor
    written: Tensor

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(capacity, _ROW))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return min(int(self.written), len(self.rows))

    def add(
        self,
        problem: int,
        before: tuple[float, ...],
        action: int,
        reward: float,
        after: tuple[float, ...],
        *,
        ended: bool,
    ) -> int:
        """Write a transition, over the oldest one if all places are taken; return its place."""
        place = int(self.written) % len(self.rows)
        row = (float(problem), float(action), reward, float(ended), *before, *after)
        self.rows[place] = torch.tensor(row)
        self.written.add_(1)
        return place

    def take(self, places_B: Tensor) -> Transitions:
        """Return the transitions at some places."""
        taken = self.rows[places_B]
        return Transitions(
            problem_B=taken[:, 0].long(),
            before_BF=taken[:, _BEFORE],
            action_B=taken[:, 1].long(),
            reward_B=taken[:, 2],
            after_BF=taken[:, _AFTER],
            ended_B=taken[:, 3],
        )
