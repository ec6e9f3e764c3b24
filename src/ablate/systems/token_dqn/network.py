"""Networks that give each action a value. Shapes: B states, H the width, V actions."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.token_dqn.states import WIDTH

PUBLISHED_WIDTH = 512
"""The width that the origin has whatever its configuration says."""


def _initialised(network: nn.Module) -> None:
    """Draw weights as Glorot and Bengio (2010), uniformly; biases are 0."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)


class _Trunk(nn.Module):
    """Two hidden layers, each with dropout."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    @contextmanager
    def dropping(self, drops: bool) -> Iterator[None]:
        """Let the dropout be on or off for a while: cheaper than to change every part's mode."""
        before, self.dropout.training = self.dropout.training, drops
        yield
        self.dropout.training = before

    def inner(self, state_BS: Tensor) -> Tensor:
        """Return what the hidden layers make of states, (B, H)."""
        inner_BH = self.dropout(functional.relu(self.first(state_BS)))
        second_BH: Tensor = self.dropout(functional.relu(self.second(inner_BH)))
        return second_BH


class QNetwork(_Trunk):
    """Two hidden layers and a value for each action."""

    def __init__(self, hidden: int, actions: int, dropout: float) -> None:
        super().__init__(hidden, dropout)
        self.values = nn.Linear(hidden, actions)
        _initialised(self)

    def forward(self, state_BS: Tensor) -> Tensor:
        """Return the value of every action, (B, V)."""
        values_BV: Tensor = self.values(self.inner(state_BS))
        return values_BV


class DuelingQNetwork(_Trunk):
    """The value of the state plus the advantage of each action (Wang et al. 2016)."""

    def __init__(self, hidden: int, actions: int, dropout: float) -> None:
        super().__init__(hidden, dropout)
        half = hidden // 2
        self.value = nn.Sequential(nn.Linear(hidden, half), nn.ReLU(), nn.Linear(half, 1))
        self.advantage = nn.Sequential(nn.Linear(hidden, half), nn.ReLU(), nn.Linear(half, actions))
        _initialised(self)

    def forward(self, state_BS: Tensor) -> Tensor:
        """Return the value of every action, (B, V)."""
        inner_BH = self.inner(state_BS)
        advantage_BV: Tensor = self.advantage(inner_BH)
        value_B1: Tensor = self.value(inner_BH)
        return value_B1 + advantage_BV - advantage_BV.mean(1, keepdim=True)


Network = QNetwork | DuelingQNetwork
