"""The built-in Wordle system: a player is trained by group-relative policy optimisation."""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.systems.wordle.data import WordleDataModule
    from ablate.systems.wordle.module import WordleModule

__all__ = ["WordleDataModule", "WordleModule"]

# The rules have no need of torch.
__getattr__ = lazily(__name__, {"WordleDataModule": "data", "WordleModule": "module"})
