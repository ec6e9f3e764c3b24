"""How precisely a run multiplies matrices of 32-bit numbers."""

from typing import Literal, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

Precision = Literal["highest", "high", "medium"]


class MatmulPrecision(Callback):
    """Set torch's `float32_matmul_precision` while a trainer works, and restore it afterwards.

    Args:
        precision: "highest" computes in float32; "high" lets a GPU use TF32, "medium" bfloat16.

    Raises:
        ValueError: The precision is none of these.
    """

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        if precision not in get_args(Precision):
            allowed = ", ".join(get_args(Precision))
            raise ValueError(f"precision must be one of {allowed}; got {precision!r}")
        self.precision: Precision = precision
        self._before: str | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Note the precision that torch has, and set this one."""
        if self._before is None:
            self._before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(self.precision)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Restore the precision."""
        self._restore()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Restore the precision of a trainer that stops with an exception."""
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            torch.set_float32_matmul_precision(self._before)
            self._before = None
