"""The context path: demonstration pairs become one vector, which a bridge hands to the decoder."""

import torch
from torch import Tensor, nn

from ablate.systems.arc.batches import PAD
from ablate.systems.arc.models.embeddings import masked_mean

MAX_GRIDS = 16


class ContextEncoder(nn.Module):
    """Turn K demonstration pairs into one vector per example.

    Each grid is embedded cell by cell, mixed by one stock post-norm ReLU layer and averaged over
    its cells; outputs attend to inputs; the pairs are pooled with learned weights.
    `masked` hides PAD cells from attention, which the published encoder does not.
    """

    def __init__(
        self,
        *,
        embedding: nn.Module,
        positions: nn.Module,
        width: int,
        heads: int,
        ff: int,
        dropout: float,
        masked: bool,
    ) -> None:
        super().__init__()
        self.masked = masked
        self.rate = dropout
        self.embedding = embedding
        self.positions = positions
        self.layer = nn.TransformerEncoderLayer(width, heads, ff, dropout, batch_first=True)
        self.slots = nn.Embedding(MAX_GRIDS, width)
        self.roles = nn.Embedding(2, width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, inputs_BKHW: Tensor, outputs_BKHW: Tensor) -> Tensor:
        """Return one context vector per example, shape (B, width)."""
        pairs = inputs_BKHW.shape[1]
        if not 1 <= pairs <= MAX_GRIDS // 2:
            raise ValueError(
                f"this arch needs 1 to {MAX_GRIDS // 2} context pairs per example, got {pairs} "
                "(data: context_pairs)"
            )
        grids_B2KHW = torch.stack([inputs_BKHW, outputs_BKHW], dim=1)
        if self.training and self.rate > 0:
            return self._pool(grids_B2KHW)
        # Examples of one task share their pairs: without dropout it is enough to read them once.
        distinct_U2KHW, which_B = torch.unique(grids_B2KHW, dim=0, return_inverse=True)
        return self._pool(distinct_U2KHW)[which_B]

    def _pool(self, grids_B2KHW: Tensor) -> Tensor:
        batch, _, pairs, height, width = grids_B2KHW.shape
        grids_GHW = grids_B2KHW.flatten(0, 2)
        grids_BGD = self._encode_grids(grids_GHW, height, width).view(batch, 2 * pairs, -1)
        slot_G = torch.arange(2 * pairs, device=grids_GHW.device)
        grids_BGD = grids_BGD + self.slots(slot_G) + self.roles(slot_G // pairs)
        inputs_BKD, outputs_BKD = grids_BGD.chunk(2, dim=1)
        attended_BKD, _ = self.attention(outputs_BKD, inputs_BKD, inputs_BKD, need_weights=False)
        pairs_BKD = attended_BKD + outputs_BKD
        weight_BK1 = self.score(pairs_BKD.tanh()).softmax(dim=1)
        context_BD: Tensor = (weight_BK1 * pairs_BKD).sum(dim=1)
        return context_BD

    def _encode_grids(self, grids_GHW: Tensor, height: int, width: int) -> Tensor:
        tokens_GP = grids_GHW.flatten(1)
        size_12 = torch.tensor([[height, width]], device=tokens_GP.device)
        cells_GPD = self.embedding(tokens_GP) + self.positions(height * width, size_12)
        hidden_GP = (tokens_GP == PAD) if self.masked else None
        return masked_mean(self.layer(cells_GPD, src_key_padding_mask=hidden_GP), tokens_GP)


class Bridge(nn.Module):
    """Mix a context vector into every decoder position: concatenate, project, ReLU, normalise."""

    def __init__(self, d_model: int, context_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(d_model + context_width, d_model)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, hidden_BTD: Tensor, context_BC: Tensor) -> Tensor:
        """Return hidden states that know the context, shape (B, T, D)."""
        context_BTC = context_BC[:, None].expand(-1, hidden_BTD.shape[1], -1)
        mixed_BTD: Tensor = self.project(torch.cat([hidden_BTD, context_BTC], dim=-1))
        normed_BTD: Tensor = self.norm(mixed_BTD.relu())
        return normed_BTD
