"""Networks that give each action a value. Shapes: B states, H the width, V actions."""

from torch import Tensor, nn

from ablate.systems.token_dqn.states import WIDTH

PUBLISHED_WIDTH = 512
"""The width that the origin has whatever its configuration says."""


def _trunk(hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(WIDTH, hidden), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)),
    )


def _initialised(network: nn.Module) -> None:
    """Draw weights as Glorot and Bengio (2010), uniformly; biases are 0."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)


class QNetwork(nn.Module):
    """Two hidden layers and a value for each action."""

    def __init__(self, hidden: int, actions: int, dropout: float) -> None:
        super().__init__()
        self.trunk = _trunk(hidden, dropout)
        self.values = nn.Linear(hidden, actions)
        _initialised(self)

    def forward(self, state_BS: Tensor) -> Tensor:
        """Return the value of every action, (B, V)."""
        values_BV: Tensor = self.values(self.trunk(state_BS))
        return values_BV


class DuelingQNetwork(nn.Module):
    """The value of the state plus the advantage of each action (Wang et al. 2016)."""

    def __init__(self, hidden: int, actions: int, dropout: float) -> None:
        super().__init__()
        half = hidden // 2
        self.trunk = _trunk(hidden, dropout)
        self.value = nn.Sequential(nn.Linear(hidden, half), nn.ReLU(), nn.Linear(half, 1))
        self.advantage = nn.Sequential(nn.Linear(hidden, half), nn.ReLU(), nn.Linear(half, actions))
        _initialised(self)

    def forward(self, state_BS: Tensor) -> Tensor:
        """Return the value of every action, (B, V)."""
        inner_BH = self.trunk(state_BS)
        advantage_BV: Tensor = self.advantage(inner_BH)
        value_B1: Tensor = self.value(inner_BH)
        return value_B1 + advantage_BV - advantage_BV.mean(1, keepdim=True)
