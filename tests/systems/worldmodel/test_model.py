"""The language model and its sampling: sizes, losses, the same tokens as without a cache."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ablate.systems.worldmodel.generation import choose, generate
from ablate.systems.worldmodel.model import LanguageModel, Sizes, next_token_loss
from ablate.systems.worldmodel.records import IGNORED
from ablate.systems.worldmodel.tokenizer import END, PAD

SMALL = Sizes(d_model=16, heads=2, layers=2)
PROMPTS = ([65, 66, 67, 68, 69, 70, 71], [72, 73], [80, 81, 82, 83], [90])


def model(sizes: Sizes = SMALL, seed: int = 0, spread: float = 1.0) -> LanguageModel:
    """Return a model whose predictions differ from position to position."""
    torch.manual_seed(seed)
    built = LanguageModel(sizes).double().eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(torch.randn_like(weight), alpha=spread if weight.dim() > 1 else 0)
    return built


def padded(prompts: list[list[int]] | tuple[list[int], ...]) -> tuple[Tensor, Tensor]:
    length = max(map(len, prompts))
    rows = [[PAD] * (length - len(prompt)) + prompt for prompt in prompts]
    keep = [[False] * (length - len(prompt)) + [True] * len(prompt) for prompt in prompts]
    return torch.tensor(rows), torch.tensor(keep)


def answer(built: LanguageModel, prompts, temperature: float = 0.0, seed: int = 1, length=12):
    return generate(
        built,
        *padded(prompts),
        max_new_tokens=length,
        temperature=temperature,
        generator=torch.Generator().manual_seed(seed),
    )


# The model


@pytest.mark.parametrize(
    ("sizes", "count"), [((96, 4, 3), 357_024), ((128, 4, 4), 824_448), ((48, 4, 2), 67_824)]
)
def test_the_sizes_have_the_published_numbers_of_parameters(sizes, count):
    built = LanguageModel(Sizes(*sizes))
    assert sum(parameter.numel() for parameter in built.parameters()) == count


def test_weights_are_drawn_small_and_those_into_the_residual_stream_smaller():
    torch.manual_seed(0)
    built = LanguageModel(Sizes(d_model=192, heads=4, layers=3))
    for name, weight in built.named_parameters():
        if weight.dim() > 1:
            std = 0.02 / math.sqrt(6) if name.endswith("out.weight") else 0.02
            assert weight.std().item() == pytest.approx(std, rel=0.03), name
        else:
            assert weight.eq(1).all(), name
    assert not [name for name, _ in built.named_parameters() if name.endswith("bias")]


def test_an_untrained_model_knows_nothing():
    torch.manual_seed(0)
    ids_BT = torch.randint(4, 256, (4, 60))
    loss, count = next_token_loss(LanguageModel(Sizes())(ids_BT), ids_BT)
    assert loss.item() == pytest.approx(math.log(256), abs=0.1)
    assert count == 4 * 59


@pytest.mark.parametrize("bad", [{"d_model": 0}, {"heads": 0}, {"layers": 0}, {"d_model": 20}])
def test_sizes_that_do_not_fit_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Sizes(**{"heads": 4, **bad})


def test_all_sizes_that_are_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"d_model .*heads .*layers"):
        Sizes(0, 0, 0)


def test_the_loss_of_a_token_is_that_of_the_prediction_before_it():
    logits_BTV = torch.randn(2, 5, 256, generator=torch.Generator().manual_seed(0))
    labels_BT = torch.full((2, 5), IGNORED)
    labels_BT[0, 2], labels_BT[1, 4] = 7, 9
    loss, count = next_token_loss(logits_BTV, labels_BT)
    log_probability_BTV = logits_BTV.log_softmax(-1)
    wanted = -(log_probability_BTV[0, 1, 7] + log_probability_BTV[1, 3, 9]) / 2
    torch.testing.assert_close(loss, wanted)
    assert count == 2


def test_the_loss_of_no_tokens_is_zero():
    loss, count = next_token_loss(torch.randn(1, 3, 256), torch.full((1, 3), IGNORED))
    assert (loss.item(), count.item()) == (0, 0)


# Sampling


def step_by_step(built: LanguageModel, prompt: list[int], length: int) -> list[int]:
    """Continue one prompt without padding and without a cache."""
    ids = list(prompt)
    while len(ids) < len(prompt) + length:
        ids.append(int(built(torch.tensor([ids]))[0, -1].argmax()))
        if ids[-1] == END:
            break
    new = ids[len(prompt) :]
    return new + [PAD] * (length - len(new))


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_answers_are_those_without_a_cache_and_without_neighbours(seed):
    built = model(seed=seed)
    together = answer(built, PROMPTS).tolist()
    assert together == [step_by_step(built, prompt, 12) for prompt in PROMPTS]


@pytest.mark.parametrize("temperature", [0.0, 0.7, 2.0])
def test_an_answer_does_not_depend_on_how_the_prompts_are_batched(temperature):
    built = model(spread=0.3)
    together = answer(built, PROMPTS, temperature)
    generator = torch.Generator().manual_seed(1)
    for number, prompt in enumerate(PROMPTS):
        alone = generate(
            built,
            *padded([prompt]),
            max_new_tokens=12,
            temperature=temperature,
            generator=generator,
        )
        assert torch.equal(alone[0], together[number])
    assert len(together.unique(dim=0)) == len(PROMPTS)


class Scripted(LanguageModel):
    """Writes the same letters whatever it is asked; then, at a step of its own each row, END."""

    def __init__(self, ends: list[int]) -> None:
        super().__init__(SMALL)
        self.ends = torch.tensor(ends)
        self.step = 0

    def forward(self, ids_BT, keep_BS=None, caches=None):
        logits_BTV = torch.zeros(*ids_BT.shape, 256)
        letter_B = torch.where(self.ends == self.step, END, 65 + self.step)
        logits_BTV[:, -1].scatter_(1, letter_B[:, None], 50.0)
        self.step += 1
        return logits_BTV


def test_an_answer_ends_with_its_end_and_is_filled_up():
    written = answer(Scripted([0, 2, 9, 1]), PROMPTS, length=4).tolist()
    assert written == [
        [END, PAD, PAD, PAD],
        [65, 66, END, PAD],
        [65, 66, 67, 68],
        [65, END, PAD, PAD],
    ]


def test_nothing_more_is_computed_once_every_answer_has_ended():
    built = Scripted([0, 2, 1, 1])
    assert answer(built, PROMPTS, length=50).shape == (4, 50)
    assert built.step == 3


def test_sampling_neither_disturbs_nor_uses_the_global_generator():
    built = model(spread=0.3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = answer(built, PROMPTS, temperature=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(answer(built, PROMPTS, temperature=1.0), first)
    assert not torch.equal(answer(built, PROMPTS, temperature=1.0, seed=2), first)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    logits_BV = torch.tensor([[0.0, 1.0, 2.0, -30.0]]).expand(20_000, -1)
    chance_B = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    drawn_B = choose(logits_BV, 0.7, chance_B)
    share = torch.bincount(drawn_B, minlength=4) / 20_000
    wanted = torch.tensor([0.0, 1.0, 2.0, -30.0]).div(0.7).softmax(0)
    torch.testing.assert_close(share, wanted, atol=0.01, rtol=0)


@given(chance=st.floats(0, 1, exclude_max=True, width=32), best=st.integers(0, 3))
def test_a_token_without_probability_is_never_drawn(chance, best):
    logits_BV = torch.full((1, 4), -math.inf)
    logits_BV[0, best] = 0
    assert choose(logits_BV, 1.0, torch.tensor([chance])) == best
