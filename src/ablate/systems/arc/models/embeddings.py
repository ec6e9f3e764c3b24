"""Token embeddings, and colour names that do not depend on which colours a grid uses."""

import math

import torch
from torch import Tensor, nn

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.sequences import COLOURS


class TokenEmbedding(nn.Module):
    """Look tokens up in a table, N(0, 1) at first, and multiply by `scale`."""

    def __init__(self, vocabulary: int, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.randn(vocabulary, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return vectors of shape (*tokens.shape, width)."""
        return nn.functional.embedding(tokens, self.weight) * self.scale


class TableEmbedding(TokenEmbedding):
    """Look tokens up in a table drawn Kaiming-uniform (a = sqrt 5).

    Published as a permutation-invariant embedding, which a lookup table is not.
    """

    def __init__(self, vocabulary: int, width: int, scale: float) -> None:
        super().__init__(vocabulary, width, scale)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))


class ColourNames(nn.Module):
    """Name colours by their order of first appearance, so that a model is colour-equivariant.

    Black keeps the name 0. The other colours are named 1, 2, ... as they first appear in the
    source, then (`with_context`) in the context inputs and the context outputs. Colours seen
    nowhere are indistinguishable without knowing colours by sight: they share the name 9, which
    is free whenever there is such a colour. A model that reads names and whose scores for names
    are handed back to the colours bearing them commutes exactly with every permutation of the
    nine non-black colours.
    """

    def __init__(self, *, with_context: bool) -> None:
        super().__init__()
        self.with_context = with_context

    def forward(self, batch: ArcBatch) -> Tensor:
        """Return the name of every token of the vocabulary, shape (B, 12).

        PAD and START, which are not colours, are their own names.
        """
        seen_BN = batch.source_BS
        if self.with_context:
            context = (batch.context_inputs_BKHW, batch.context_outputs_BKHW)
            seen_BN = torch.cat([seen_BN, *(grids.flatten(1) for grids in context)], dim=1)
        return first_appearance_names(seen_BN)


def first_appearance_names(seen_BN: Tensor) -> Tensor:
    """Name the colours of each row by first appearance; see `ColourNames`."""
    batch, length = seen_BN.shape
    at_BN = torch.arange(length, device=seen_BN.device).expand(batch, length)
    never = length
    first_BV = at_BN.new_full((batch, COLOURS + 2), never)
    first_BV = first_BV.scatter_reduce(1, seen_BN, at_BN, "amin")
    first_BC = first_BV[:, 1:COLOURS]
    rank_BC = (first_BC[:, None, :] < first_BC[:, :, None]).sum(-1) + 1
    names_BV = torch.arange(COLOURS + 2, device=seen_BN.device).repeat(batch, 1)
    names_BV[:, 1:COLOURS] = rank_BC.masked_fill(first_BC == never, COLOURS - 1)
    return names_BV


def rename(tokens: Tensor, names_BV: Tensor) -> Tensor:
    """Replace every token by its name; any shape that begins with the batch."""
    return names_BV.gather(1, tokens.flatten(1)).view_as(tokens)


def colour_logits(logits_BTN: Tensor, names_BV: Tensor) -> Tensor:
    """Hand the score of each name back to the colours that bear it."""
    names_BTC = names_BV[:, None, :COLOURS].expand(-1, logits_BTN.shape[1], -1)
    return logits_BTN.gather(2, names_BTC)


def masked_mean(cells_GPD: Tensor, tokens_GP: Tensor) -> Tensor:
    """Average vectors over the cells that are not PAD (at least one in the denominator)."""
    real_GP = (tokens_GP != PAD).to(cells_GPD.dtype)
    total_GD = torch.einsum("gpd,gp->gd", cells_GPD, real_GP)
    return total_GD / real_GP.sum(1, keepdim=True).clamp(min=1)
