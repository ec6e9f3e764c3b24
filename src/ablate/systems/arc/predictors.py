"""Parameter-free predictors: what a metric says about arms that cannot learn.

Each names one colour per output cell. Its probability is 1 - EPSILON and the other nine colours
share EPSILON, so that the cross-entropy of a predictor is finite and declared: 0.01005 for a
right cell and 6.802 for a wrong one.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.models.network import Encoded, Network
from ablate.systems.arc.sequences import COLOURS

EPSILON = 0.01

BLACK = 0


class Predictor(Network):
    """Predict one colour per cell from the source and the cells written so far.

    Where there is nothing to copy (before the first cell, beyond the source) the answer is black.
    """

    def encode(self, batch: ArcBatch) -> Encoded:
        """Keep the source tokens."""
        return Encoded(batch.source_BS, batch.source_size_B2, batch.target_size_B2)

    def decode(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return log-probabilities of the ten colours, (B, T, 10)."""
        colours_BT = self.predict(tokens_BT, encoded)
        colours_BT = colours_BT.masked_fill(colours_BT >= PAD, BLACK)
        right_BTC = functional.one_hot(colours_BT, COLOURS).bool()
        wrong = math.log(EPSILON / (COLOURS - 1))
        return torch.where(right_BTC, math.log1p(-EPSILON), wrong)

    @abstractmethod
    def predict(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return a colour, or any token that is not a colour for "nothing to copy", (B, T)."""

    def cells(self, tokens_BT: Tensor) -> Tensor:
        """Return the flat index of the cell that each decoder position predicts, (T,)."""
        first = self.convention.first_cell
        return torch.arange(first, first + tokens_BT.shape[1], device=tokens_BT.device)


class AllBlack(Predictor):
    """Predict black everywhere."""

    def predict(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:  # noqa: ARG002
        """Return black, (B, T)."""
        return torch.full_like(tokens_BT, BLACK)


class CopySource(Predictor):
    """Predict the source cell with the same flat index, whatever the two widths."""

    def predict(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return source cells, (B, T)."""
        cells_T = self.cells(tokens_BT)
        missing = max(0, self.convention.first_cell + len(cells_T) - encoded.memory.shape[1])
        return functional.pad(encoded.memory, (0, missing), value=PAD)[:, cells_T]


class PreviousToken(Predictor):
    """Repeat the token read last."""

    def predict(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:  # noqa: ARG002
        """Return the tokens themselves, (B, T)."""
        return tokens_BT


class TokenAbove(Predictor):
    """Repeat the output cell above, at the true width; in the first row the token read last."""

    def predict(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return earlier output cells, (B, T)."""
        width_B1 = encoded.target_size_B2[:, 1:]
        has_row_above_BT = self.cells(tokens_BT) >= width_B1
        position_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        above_BT = (position_T + 1 - width_B1).clamp(min=0)
        return torch.where(has_row_above_BT, tokens_BT.gather(1, above_BT), tokens_BT)


PREDICTORS: dict[str, type[Predictor]] = {
    "all_black": AllBlack,
    "copy_source": CopySource,
    "previous_token": PreviousToken,
    "token_above": TokenAbove,
}
