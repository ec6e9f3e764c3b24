"""A decoder-only language model over bytes.

Shapes: B examples, T positions, S positions that may be attended to, V token ids, D the width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.common.blocks import Block, Cache
from ablate.systems.worldmodel.records import IGNORED
from ablate.systems.worldmodel.tokenizer import VOCABULARY

INIT_STD = 0.02
"""Standard deviation of initial weights (Radford et al. 2019)."""


@dataclass(frozen=True)
class Sizes:
    """Hold the sizes of a language model.

    Raises ValueError listing every one that is out of range.
    """

    d_model: int = 96
    heads: int = 4
    layers: int = 3

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least 1, got {value}"
            for name, value in vars(self).items()
            if value < 1
        ]
        if not problems and self.d_model % (2 * self.heads):
            problems.append(
                f"d_model must be a multiple of twice the heads, got {self.d_model} for "
                f"{self.heads} heads"
            )
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def feed_forward(self) -> int:
        """The width of the feed-forward layers: 8/3 of d_model, as the next multiple of 8."""
        return 8 * max(1, round(self.d_model / 3))


class LanguageModel(nn.Module):
    """Pre-norm transformer with RMSNorm, rotary positions, SwiGLU and a tied embedding.

    No biases. Weights are drawn with INIT_STD; those of the two layers that write to a block's
    residual stream with INIT_STD / sqrt(2 layers) (Radford et al. 2019).
    """

    def __init__(self, sizes: Sizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, sizes.d_model)
        self.blocks = nn.ModuleList(
            Block(sizes.d_model, sizes.heads, sizes.feed_forward, bias=False, dropout=dropout)
            for _ in range(sizes.layers)
        )
        self.norm = nn.RMSNorm(sizes.d_model, eps=1e-6)
        self._draw(sizes.layers)

    def _draw(self, layers: int) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                residual = name.endswith("out.weight")
                nn.init.normal_(weight, std=INIT_STD / (sqrt(2 * layers) if residual else 1))

    def forward(
        self,
        ids_BT: Tensor,
        keep_BS: Tensor | None = None,
        caches: Sequence[Cache] | None = None,
    ) -> Tensor:
        """Return the logits of the next token at every position, (B, T, V).

        With a cache for every block the T positions follow those in it, and `keep_BS`, False on
        padding, covers both.
        """
        x_BTD = self.embedding(ids_BT)
        for number, block in enumerate(self.blocks):
            x_BTD = block(x_BTD, keep_BS, caches[number] if caches else None)
        return functional.linear(self.norm(x_BTD), self.embedding.weight)


def next_token_loss(logits_BTV: Tensor, labels_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy over the labels not IGNORED, and their number.

    A label stands at the position of its own token and is predicted from the one before.
    """
    targets_BT = labels_BT[:, 1:]
    count = (targets_BT != IGNORED).sum()
    precise = torch.promote_types(logits_BTV.dtype, torch.float32)
    total = functional.cross_entropy(
        logits_BTV[:, :-1].flatten(0, 1).to(precise),
        targets_BT.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    return total / count.clamp(min=1), count
