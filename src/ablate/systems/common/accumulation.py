"""Gradient accumulation over micro-batches that do not weigh the same."""

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer


class WeightedAccumulation(LightningModule):
    """A LightningModule whose steps use sum(w_i grad_i) / sum(w_i) over their micro-batches.

    Lightning alone gives sum(grad_i) / accumulate_grad_batches: an example in a short micro-batch
    counts more than one in a long micro-batch, and one in the last, incomplete group counts less.
    The gradients are right before they are clipped. Without accumulation nothing changes.
    """

    _reference: Tensor | None = None
    _total: Tensor | None = None

    def accumulate(self, mean_loss: Tensor, weight: Tensor | float) -> Tensor:
        """Return what `training_step` has to return for a micro-batch's mean loss and its weight.

        The weight, of which `mean_loss` is a mean (its tokens, say), is a number of at least 0; one
        of 0 adds nothing if its loss is finite. Called once per micro-batch.
        """
        dtype = torch.promote_types(mean_loss.dtype, torch.float32)
        weight = torch.as_tensor(weight, dtype=dtype, device=mean_loss.device).detach()
        if self._reference is None or self._total is None:
            # Weights relative to the first keep the losses small enough for half precision.
            reference = torch.where(weight > 0, weight, 1.0)
            self._reference = self._across_processes(reference)
            self._total = torch.zeros_like(weight)
        self._total = self._total + weight
        return mean_loss * (weight / self._reference)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Turn the sum of the micro-batches' gradients into their weighted mean."""
        if self._reference is None or self._total is None:
            return
        total = self._across_processes(self._total)
        ratio = self.trainer.accumulate_grad_batches * self._reference / total
        scale = torch.where(total > 0, ratio, 0.0)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(scale)
        self._forget()

    def on_train_start(self) -> None:
        """Forget a group that an earlier fit did not finish."""
        self._forget()

    def _forget(self) -> None:
        self._reference = self._total = None

    def _across_processes(self, value: Tensor) -> Tensor:
        """Return the mean over the processes, as gradients are averaged over them."""
        reduced = self.trainer.strategy.reduce(value.clone(), reduce_op="mean")
        assert isinstance(reduced, Tensor)  # noqa: S101
        return reduced
