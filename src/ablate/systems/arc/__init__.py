"""The built-in ARC system: a ladder of small transformers on generated and real ARC tasks."""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.systems.arc.data import ArcDataModule
    from ablate.systems.arc.module import ArcModule

__all__ = ["ArcDataModule", "ArcModule"]

# Generating processes have no need of torch.
__getattr__ = lazily(__name__, {"ArcDataModule": "data", "ArcModule": "module"})
