"""Transformer blocks: rotary attention, gated feed-forward, pre- and post-norm.

Shapes: B examples, T positions, S positions that may be attended to, D the width, H heads, K the
width of a head.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["rms", "layer"]
Placement = Literal["pre", "post"]
FeedForward = Literal["swiglu", "gelu"]


class Cache:
    """The keys and values of the positions that one attention layer has seen."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def __len__(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def extend(self, keys_BHTK: Tensor, values_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Add positions; return the keys and values of all."""
        if self.keys is not None and self.values is not None:
            keys_BHTK = torch.cat([self.keys, keys_BHTK], 2)
            values_BHTK = torch.cat([self.values, values_BHTK], 2)
        self.keys, self.values = keys_BHTK, values_BHTK
        return keys_BHTK, values_BHTK


def rotate(x_BHTK: Tensor, start: int = 0, base: float = 10_000.0) -> Tensor:
    """Turn pairs (i, i + K/2) by position * base^(-2i/K) (Su et al. 2021, rotate-half)."""
    length, width = x_BHTK.shape[-2:]
    device = x_BHTK.device
    pace = base ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    position = torch.arange(start, start + length, device=device, dtype=torch.float32)
    angle = torch.outer(position, pace)
    cos, sin = angle.cos().to(x_BHTK.dtype), angle.sin().to(x_BHTK.dtype)
    left, right = x_BHTK.chunk(2, -1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)


class SelfAttention(nn.Module):
    """Multi-head self-attention with four projections of width D.

    Raises ValueError if the heads do not divide the width, or if rotary positions meet an odd
    width of a head.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        *,
        bias: bool = True,
        rotary: bool = True,
        causal: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model {d_model} is not divisible by {heads} heads")
        if rotary and d_model // heads % 2:
            raise ValueError(
                f"rotary positions need an even width per head; {d_model} / {heads} is "
                f"{d_model // heads}"
            )
        self.heads = heads
        self.rotary = rotary
        self.causal = causal
        self.dropout = dropout
        self.query = nn.Linear(d_model, d_model, bias=bias)
        self.key = nn.Linear(d_model, d_model, bias=bias)
        self.value = nn.Linear(d_model, d_model, bias=bias)
        self.out = nn.Linear(d_model, d_model, bias=bias)

    def forward(
        self, x_BTD: Tensor, keep_BS: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Attend to all positions kept (True), to none later than itself if causal.

        With a cache the T positions follow those in it, and S counts both.
        """
        before = len(cache) if cache is not None else 0
        query, key, value = (
            layer(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if self.rotary:
            query, key = rotate(query, before), rotate(key, before)
        if cache is not None:
            key, value = cache.extend(key, value)
        out_BHTK = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=self._mask(x_BTD.shape[1], before, keep_BS, x_BTD.device),
            is_causal=self.causal and keep_BS is None and not before,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out(out_BHTK.transpose(1, 2).flatten(-2))
        return out

    def _mask(
        self, length: int, before: int, keep_BS: Tensor | None, device: torch.device
    ) -> Tensor | None:
        """Return who attends to whom as booleans (B or 1, 1, T, S); None if `is_causal` says it."""
        if keep_BS is None and (not before or length == 1 or not self.causal):
            return None
        mask = torch.ones(1, 1, length, before + length, dtype=torch.bool, device=device)
        if self.causal:
            mask = mask.tril(before)
        return mask if keep_BS is None else mask & keep_BS[:, None, None, :]


class SwiGLU(nn.Module):
    """out(dropout(silu(gate(x)) * value(x))), three matrices without bias (Shazeer 2020)."""

    def __init__(self, d_model: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.gate = nn.Linear(d_model, width, bias=False)
        self.value = nn.Linear(d_model, width, bias=False)
        self.out = nn.Linear(width, d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        out: Tensor = self.out(self.dropout(functional.silu(self.gate(x)) * self.value(x)))
        return out


class GeluFeedForward(nn.Module):
    """out(dropout(gelu(inner(x)))), two matrices without bias."""

    def __init__(self, d_model: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Linear(d_model, width, bias=False)
        self.out = nn.Linear(width, d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        out: Tensor = self.out(self.dropout(functional.gelu(self.inner(x))))
        return out


class Block(nn.Module):
    """One transformer layer: attention and feed-forward, each with a norm and a residual.

    `pre`: x + f(norm(x)); `post`: norm(x + f(x)). Dropout acts on the attention's weights and on
    its output, and inside the feed-forward of the given `width`.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        width: int,
        *,
        norm: Norm = "rms",
        placement: Placement = "pre",
        feed_forward: FeedForward = "swiglu",
        bias: bool = True,
        rotary: bool = True,
        causal: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        norms = {"rms": nn.RMSNorm, "layer": nn.LayerNorm}
        feed_forwards = {"swiglu": SwiGLU, "gelu": GeluFeedForward}
        self.placement = placement
        self.attention_norm = norms[norm](d_model, eps=1e-6)
        self.attention = SelfAttention(
            d_model, heads, bias=bias, rotary=rotary, causal=causal, dropout=dropout
        )
        self.feed_forward_norm = norms[norm](d_model, eps=1e-6)
        self.feed_forward = feed_forwards[feed_forward](d_model, width, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x_BTD: Tensor, keep_BS: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D); `keep_BS` and `cache` as in SelfAttention."""
        attend, feed = self.attention, self.feed_forward
        if self.placement == "pre":
            x_BTD = x_BTD + self.dropout(attend(self.attention_norm(x_BTD), keep_BS, cache))
            x_BTD = x_BTD + feed(self.feed_forward_norm(x_BTD))
        else:
            x_BTD = self.attention_norm(x_BTD + self.dropout(attend(x_BTD, keep_BS, cache)))
            x_BTD = self.feed_forward_norm(x_BTD + feed(x_BTD))
        return x_BTD
