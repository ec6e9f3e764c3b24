"""The built-in world model system: a byte language model learns to answer with runnable code."""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.systems.worldmodel.data import WorldModelDataModule
    from ablate.systems.worldmodel.module import WorldModelModule

__all__ = ["WorldModelDataModule", "WorldModelModule"]

# The graders have no need of torch.
__getattr__ = lazily(__name__, {"WorldModelDataModule": "data", "WorldModelModule": "module"})
