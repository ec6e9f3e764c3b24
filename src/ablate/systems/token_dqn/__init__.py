"""The built-in token system: deep Q-learning writes small programs, one token at a time."""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.systems.token_dqn.data import TokenDataModule
    from ablate.systems.token_dqn.module import TokenModule

__all__ = ["TokenDataModule", "TokenModule"]

# Programs and rewards have no need of torch.
__getattr__ = lazily(__name__, {"TokenDataModule": "data", "TokenModule": "module"})
