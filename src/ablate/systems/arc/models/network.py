"""The one seam of the ARC arms: encode a batch once, then score the next cell."""

from abc import abstractmethod
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.sequences import COLOURS, Convention


@dataclass(frozen=True)
class Encoded:
    """Hold what stays the same while an output grid is written.

    `memory` is whatever the network reads the source from: hidden states or tokens.
    """

    memory: Tensor
    source_size_B2: Tensor
    target_size_B2: Tensor
    memory_padding_BS: Tensor | None = None
    context_BC: Tensor | None = None
    names_BV: Tensor | None = None

    def rows(self, rows_R: Tensor) -> "Encoded":
        """Keep some examples, given by index or by mask."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{n: t[rows_R] for n, t in tensors.items() if t is not None})


@dataclass(frozen=True)
class Scores:
    """Hold logits with what they had to say; PAD labels are not scored."""

    logits_BTV: Tensor
    labels_BT: Tensor


class Network(nn.Module):
    """Score output cells given a batch; `convention` says what the decoder reads."""

    def __init__(self, convention: Convention) -> None:
        super().__init__()
        self.convention = convention

    @abstractmethod
    def encode(self, batch: ArcBatch) -> Encoded:
        """Read everything but the output grids."""

    @abstractmethod
    def decode(self, tokens_BT: Tensor, encoded: Encoded) -> Tensor:
        """Return logits per decoder token, (B, T, V); V colours, and PAD where published."""

    def forward(self, batch: ArcBatch) -> Scores:
        """Score the output cells under teacher forcing."""
        inputs_BT = self.convention.inputs(batch.target_BT)
        logits_BTV = self.decode(inputs_BT, self.encode(batch))
        return Scores(logits_BTV, self.convention.labels(batch.target_BT))

    def objective(self, batch: ArcBatch) -> tuple[Scores, Scores]:
        """Return what the loss is taken over, and the output cells among it."""
        cells = self(batch)
        return cells, cells

    @torch.no_grad()
    def generate(self, batch: ArcBatch) -> Tensor:
        """Write the output grids greedily, each token read back, to their known length.

        Return colours of shape (B, T), PAD behind the end of each grid. Where the convention
        gives the first cell away, it is given here too.
        """
        encoded = self.encode(batch)
        first = self.convention.prompt_cells
        tokens_RT = self.convention.prompt(batch.target_BT)
        written_BT = torch.full_like(batch.target_BT, PAD)
        written_BT[:, :first] = batch.target_BT[:, :first]
        cells_R = (batch.target_BT != PAD).sum(1)
        ends = set(cells_R.tolist())
        row_R = torch.arange(len(cells_R), device=cells_R.device)
        for cell in range(first, batch.target_BT.shape[1]):
            if cell in ends:
                # Grids that are complete are not written on.
                unfinished_R = cells_R > cell
                row_R, cells_R = row_R[unfinished_R], cells_R[unfinished_R]
                tokens_RT, encoded = tokens_RT[unfinished_R], encoded.rows(unfinished_R)
            chosen_R = self.decode(tokens_RT, encoded)[:, -1, :COLOURS].argmax(-1)
            written_BT[row_R, cell] = chosen_R
            tokens_RT = torch.cat([tokens_RT, chosen_R[:, None]], dim=1)
        return written_BT
