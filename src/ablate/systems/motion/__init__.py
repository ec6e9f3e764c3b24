"""The built-in motion system: stick figures that move as a caption says."""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.systems.motion.data import MotionDataModule
    from ablate.systems.motion.module import MotionModule

__all__ = ["MotionDataModule", "MotionModule"]

__getattr__ = lazily(__name__, {"MotionDataModule": "data", "MotionModule": "module"})
