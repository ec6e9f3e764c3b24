"""Transformers in plain numpy, a second time and independently: what parity is measured against.

Shapes: B examples, T positions, D width. Parameters are looked up by name in a mapping.
"""

import math
from collections.abc import Mapping

import numpy as np

Parameters = Mapping[str, np.ndarray]


def fill(module) -> dict[str, np.ndarray]:
    """Fill a module's parameters: value i is 0.05 sin(i + 1), counted through in order of name."""
    filled, start = {}, 0
    named = dict(module.named_parameters())
    for name in sorted(named):
        shape = tuple(named[name].shape)
        size = math.prod(shape)
        filled[name] = (0.05 * np.sin(np.arange(start, start + size) + 1.0)).reshape(shape)
        start += size
        named[name].data.copy_(named[name].new_tensor(filled[name].tolist()))
    return filled


def below(parameters: Parameters, prefix: str) -> dict[str, np.ndarray]:
    """Take the parameters whose names begin with a prefix, under the rest of their names."""
    start = f"{prefix}."
    return {
        name[len(start) :]: value for name, value in parameters.items() if name.startswith(start)
    }


def linear(x: np.ndarray, p: Parameters) -> np.ndarray:
    y = x @ p["weight"].T
    return y + p["bias"] if "bias" in p else y


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x: np.ndarray, p: Parameters) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * p["weight"] + p["bias"]


def rms_norm(x: np.ndarray, p: Parameters) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * p["weight"]


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def heads_attend(q, k, v, heads: int, *, causal: bool, turn=lambda x: x) -> np.ndarray:
    """Attend head by head; `turn` is what is done to the queries and keys of each head."""
    width = q.shape[-1] // heads
    mixed = []
    for h in range(heads):
        own = slice(h * width, (h + 1) * width)
        scores = turn(q[..., own]) @ np.swapaxes(turn(k[..., own]), -1, -2) / math.sqrt(width)
        if causal:
            later = np.triu(np.ones(scores.shape[-2:], dtype=bool), 1)
            scores = np.where(later, -np.inf, scores)
        mixed.append(softmax(scores) @ v[..., own])
    return np.concatenate(mixed, -1)


def packed_attention(
    read: np.ndarray, said: np.ndarray, p: Parameters, heads: int, *, causal: bool = False
) -> np.ndarray:
    """Attend from `read` to `said`; queries, keys and values have one packed matrix."""
    (wq, wk, wv), (bq, bk, bv) = np.split(p["in_proj_weight"], 3), np.split(p["in_proj_bias"], 3)
    q, k, v = read @ wq.T + bq, said @ wk.T + bk, said @ wv.T + bv
    return linear(heads_attend(q, k, v, heads, causal=causal), below(p, "out_proj"))


def feed_forward(x: np.ndarray, p: Parameters, activation) -> np.ndarray:
    return linear(activation(linear(x, below(p, "linear1"))), below(p, "linear2"))


def encoder_layer(x: np.ndarray, p: Parameters, heads: int) -> np.ndarray:
    """Apply a pre-norm layer with GELU."""
    normed = layer_norm(x, below(p, "norm1"))
    x = x + packed_attention(normed, normed, below(p, "self_attn"), heads)
    return x + feed_forward(layer_norm(x, below(p, "norm2")), p, gelu)


def decoder_layer(x: np.ndarray, memory: np.ndarray, p: Parameters, heads: int) -> np.ndarray:
    """Apply a pre-norm layer with GELU, causal itself, with all of the memory in sight."""
    normed = layer_norm(x, below(p, "norm1"))
    x = x + packed_attention(normed, normed, below(p, "self_attn"), heads, causal=True)
    normed = layer_norm(x, below(p, "norm2"))
    x = x + packed_attention(normed, memory, below(p, "multihead_attn"), heads)
    return x + feed_forward(layer_norm(x, below(p, "norm3")), p, gelu)


def post_norm_layer(x: np.ndarray, p: Parameters, heads: int) -> np.ndarray:
    """Apply a post-norm layer with ReLU."""
    x = layer_norm(x + packed_attention(x, x, below(p, "self_attn"), heads), below(p, "norm1"))
    return layer_norm(x + feed_forward(x, p, relu), below(p, "norm2"))


def sinusoid(place: int, width: int) -> np.ndarray:
    """Return sin(p / 10000^(2i/width)) at 2i and its cosine at 2i + 1."""
    code = np.zeros(width)
    for i in range(width // 2):
        angle = place / 10000 ** (2 * i / width)
        code[2 * i], code[2 * i + 1] = math.sin(angle), math.cos(angle)
    return code


def rotate_half(x: np.ndarray) -> np.ndarray:
    """Turn the pairs (i, i + K/2) of positions 0, 1, ... by position / 10000^(2i/K)."""
    half = x.shape[-1] // 2
    turned = np.empty_like(x)
    for place in range(x.shape[-2]):
        for i in range(half):
            angle = place / 10000 ** (2 * i / x.shape[-1])
            left, right = x[..., place, i], x[..., place, i + half]
            turned[..., place, i] = left * math.cos(angle) - right * math.sin(angle)
            turned[..., place, i + half] = right * math.cos(angle) + left * math.sin(angle)
    return turned


def cross_entropy(logits: np.ndarray, label: int) -> float:
    """Return the negative log-probability of a label."""
    top = logits.max()
    return float(top + math.log(np.exp(logits - top).sum()) - logits[label])
