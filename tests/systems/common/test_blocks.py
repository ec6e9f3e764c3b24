"""Transformer blocks: the cache changes nothing, no position sees what it must not."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.common.blocks import (
    Block,
    Cache,
    GeluFeedForward,
    SelfAttention,
    SwiGLU,
    rotate,
)

D, HEADS, WIDTH = 16, 2, 24


def block(**arguments) -> Block:
    torch.manual_seed(0)
    return Block(D, HEADS, WIDTH, **arguments).double().eval()


def inputs(batch: int = 2, length: int = 7) -> Tensor:
    return torch.randn(batch, length, D, generator=torch.Generator().manual_seed(1)).double()


def left_padded(batch: int, length: int) -> Tensor:
    keep_BT = torch.ones(batch, length, dtype=torch.bool)
    keep_BT[0, :3] = False
    return keep_BT


# The cache


@settings(max_examples=30)
@given(cuts=st.sets(st.integers(1, 6)), padded=st.booleans(), rotary=st.booleans())
def test_a_cache_gives_what_one_pass_gives_however_the_positions_are_cut(cuts, padded, rotary):
    layer, x_BTD = block(rotary=rotary), inputs()
    keep_BT = left_padded(2, 7) if padded else None
    whole = layer(x_BTD, keep_BT)
    cache, parts = Cache(), []
    edges = [0, *sorted(cuts), 7]
    for start, end in pairwise(edges):
        keep = keep_BT[:, :end] if keep_BT is not None else None
        parts.append(layer(x_BTD[:, start:end], keep, cache))
        assert len(cache) == end
    shown = keep_BT if keep_BT is not None else torch.ones(2, 7, dtype=torch.bool)
    torch.testing.assert_close(torch.cat(parts, 1)[shown], whole[shown])


def test_a_cache_without_causality_attends_to_all_that_came_before():
    attention = SelfAttention(D, HEADS, causal=False).double()
    x_BTD, cache = inputs(), Cache()
    attention(x_BTD[:, :4], None, cache)
    later = attention(x_BTD[:, 4:], None, cache)
    torch.testing.assert_close(later, attention(x_BTD)[:, 4:])


# What is attended to


def test_a_causal_block_does_not_see_later_positions():
    layer, x_BTD = block(), inputs()
    changed = x_BTD.clone()
    changed[:, 4:] += 1
    before, after = layer(x_BTD), layer(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.isclose(before[:, 4:], after[:, 4:]).all(-1).any()


def test_a_block_without_causality_sees_later_positions():
    layer, x_BTD = block(causal=False), inputs()
    changed = x_BTD.clone()
    changed[:, 6] += 1
    assert not torch.isclose(layer(x_BTD), layer(changed)).all(-1).any()


@pytest.mark.parametrize("causal", [True, False])
def test_padding_is_not_attended_to(causal):
    layer, x_BTD = block(causal=causal), inputs()
    keep_BT = torch.tensor([[False, False, True, True, True, False, True], [True] * 7])
    changed = torch.where(keep_BT[..., None], x_BTD, 100.0)
    torch.testing.assert_close(layer(x_BTD, keep_BT)[keep_BT], layer(changed, keep_BT)[keep_BT])
    assert layer(changed, keep_BT).isfinite().all()


def test_rotary_positions_count_from_the_first_kept_one_as_well_as_from_any_other():
    layer, x_BTD = block(), inputs(batch=1, length=5)
    padded = functional.pad(x_BTD, (0, 0, 3, 0), value=9.0)
    keep_BT = torch.tensor([[False] * 3 + [True] * 5])
    torch.testing.assert_close(layer(padded, keep_BT)[:, 3:], layer(x_BTD))


@pytest.mark.parametrize("shown", [True, False])
def test_without_rotary_positions_a_block_knows_no_order(shown):
    layer = block(rotary=shown, causal=False)
    x_BTD, order = inputs(), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    same = torch.allclose(layer(x_BTD)[:, order], layer(x_BTD[:, order]))
    assert same != shown


# Rotary positions


@given(shift=st.integers(0, 500), distance=st.integers(0, 50))
def test_a_rotated_product_depends_on_the_distance_alone(shift, distance):
    both = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1))
    query, key = both.double()

    def product(at: int) -> float:
        return float((rotate(query, at + distance) * rotate(key, at)).sum())

    assert product(shift) == pytest.approx(product(0), abs=1e-3)


def test_a_pair_turns_by_position_times_its_own_pace():
    unit = torch.tensor([1.0, 1.0, 0.0, 0.0])[None, None, None]
    turned = rotate(unit, start=3)[0, 0, 0]
    fast, slow = 3 * 1.0, 3 * 10_000 ** (-2 / 4)
    wanted = [math.cos(fast), math.cos(slow), math.sin(fast), math.sin(slow)]
    torch.testing.assert_close(turned, torch.tensor(wanted))


def test_rotating_keeps_lengths():
    x_BHTK = torch.randn(1, 2, 9, 8)
    torch.testing.assert_close(rotate(x_BHTK).norm(dim=-1), x_BHTK.norm(dim=-1))


# Attention and feed-forward against their definitions


def test_attention_is_the_softmax_of_scaled_products():
    attention = SelfAttention(D, 1, rotary=False, causal=False).double()
    x_BTD = inputs()
    query, key, value = attention.query(x_BTD), attention.key(x_BTD), attention.value(x_BTD)
    weight = (query @ key.transpose(1, 2) / math.sqrt(D)).softmax(-1)
    torch.testing.assert_close(attention(x_BTD), attention.out(weight @ value))


def test_swiglu_and_gelu_are_what_they_are_called():
    x = inputs().float()
    gated, plain = SwiGLU(D, WIDTH), GeluFeedForward(D, WIDTH)
    gate = gated.gate(x)
    torch.testing.assert_close(gated(x), gated.out(gate * gate.sigmoid() * gated.value(x)))
    inner = plain.inner(x)
    normal = 0.5 * inner * (1 + torch.erf(inner / math.sqrt(2)))
    torch.testing.assert_close(plain(x), plain.out(normal))


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_pre_norm_adds_to_what_comes_in(norm):
    layer = block(norm=norm, placement="pre")
    nn.init.zeros_(layer.attention.out.weight)
    nn.init.zeros_(layer.attention.out.bias)
    nn.init.zeros_(layer.feed_forward.out.weight)
    assert torch.equal(layer(100 * inputs()), 100 * inputs())


def test_post_norm_hands_out_normed_values():
    out_BTD = block(norm="layer", placement="post")(100 * inputs())
    torch.testing.assert_close(out_BTD.mean(-1), torch.zeros(2, 7).double(), atol=1e-6, rtol=0)
    variance = out_BTD.var(-1, correction=0)
    torch.testing.assert_close(variance, torch.ones(2, 7).double(), atol=1e-5, rtol=0)


def test_dropout_acts_in_training_alone():
    layer, x_BTD = block(dropout=0.5), inputs()
    assert torch.equal(layer(x_BTD), layer(x_BTD))
    layer.train()
    assert not torch.equal(layer.feed_forward(x_BTD), layer.feed_forward(x_BTD))
    nn.init.zeros_(layer.feed_forward.out.weight)
    assert not torch.equal(layer(x_BTD), layer(x_BTD))


def test_dropout_acts_on_the_weights_of_attention():
    """Without the dropout of outputs, zeroed here, only that within attention is left."""
    layer, x_BTD = block(dropout=0.5).train(), inputs()
    layer.dropout.p = 0.0
    nn.init.zeros_(layer.feed_forward.out.weight)
    assert not torch.equal(layer(x_BTD), layer(x_BTD))
    layer.attention.dropout = 0.0
    assert torch.equal(layer(x_BTD), layer(x_BTD))


# Sizes


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"bias": False}, 4 * D * D + 3 * D * WIDTH + 2 * D),
        ({"bias": True}, 4 * D * D + 4 * D + 3 * D * WIDTH + 2 * D),
        ({"norm": "layer"}, 4 * D * D + 4 * D + 3 * D * WIDTH + 4 * D),
        ({"feed_forward": "gelu"}, 4 * D * D + 4 * D + 2 * D * WIDTH + 2 * D),
    ],
)
def test_a_block_has_the_parameters_it_should(arguments, count):
    assert sum(parameter.numel() for parameter in block(**arguments).parameters()) == count


@pytest.mark.parametrize(
    ("d_model", "heads", "rotary", "message"),
    [(10, 4, False, "10 is not divisible by 4"), (6, 2, True, "even width per head; 6 / 2 is 3")],
)
def test_heads_that_do_not_fit_the_width_are_refused(d_model, heads, rotary, message):
    with pytest.raises(ValueError, match=message):
        SelfAttention(d_model, heads, rotary=rotary)


def test_an_odd_width_of_a_head_will_do_without_rotary_positions():
    assert SelfAttention(6, 2, rotary=False)(torch.randn(1, 3, 6)).shape == (1, 3, 6)
