"""The policy: what it writes is what it says it would, letter by letter."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ablate.systems.wordle.completions import BEGIN, END, GUESS_OPEN, LONGEST, written
from ablate.systems.wordle.policy import (
    Policy,
    inputs,
    log_probabilities,
    written_mask,
)
from ablate.systems.wordle.properties import sample_states, steps_write_as_the_whole
from ablate.systems.wordle.states import States, see
from ablate.systems.wordle.words import lexicon

WORDS = lexicon(60)


def policy(*, scorer: bool = True, scale: float = 4.0) -> Policy:
    torch.manual_seed(0)
    made = Policy(16, scorer=scorer)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(scale)
        if made.scorer is not None:
            for weight in made.scorer.parameters():
                torch.nn.init.normal_(weight)
    return made


def seen():
    return see(sample_states(WORDS), WORDS)


@pytest.mark.parametrize("scorer", [True, False])
def test_the_policy_of_the_specification_has_its_parameters(scorer):
    count = sum(weight.numel() for weight in Policy(192, scorer=scorer).parameters())
    assert count == 485_407 + scorer * (6 * 16 + 16 + 16 + 1)


@pytest.mark.parametrize("scorer", [True, False])
def test_token_by_token_it_writes_what_one_pass_finds_most_probable(scorer):
    assert steps_write_as_the_whole(policy(scorer=scorer), WORDS) is None


@torch.no_grad()
def test_tokens_are_drawn_with_the_probabilities_of_one_pass():
    made, one = policy(scale=1.0), seen()
    context = made.encode(inputs(one, torch.device("cpu"))).of(torch.zeros(4000, dtype=torch.long))
    uniform = torch.rand((4000, LONGEST), generator=torch.Generator().manual_seed(0))
    for heat in (1.0, 0.5):
        tokens = made.write(context, uniform, heat)
        logits = made.logits(context, tokens)[0, 0]
        shares = torch.bincount(tokens[:, 0], minlength=31) / 4000
        assert torch.allclose(shares, (logits / heat).softmax(-1), atol=0.03)


@torch.no_grad()
def test_behind_its_end_a_completion_has_nothing():
    made, one = policy(scale=1.0), seen()
    context = made.encode(inputs(one, torch.device("cpu"))).of(torch.arange(24).repeat(20))
    uniform = torch.rand((480, LONGEST), generator=torch.Generator().manual_seed(1))
    tokens = made.write(context, uniform, 1.0)
    mask = written_mask(tokens)
    assert (tokens[~mask] == END).all()
    assert (mask.sum(1) == (tokens != END).sum(1) + (tokens == END).any(1).long()).all()


@torch.no_grad()
def test_no_token_sees_itself_or_a_later_one():
    made, one = policy(), seen()
    context = made.encode(inputs(one, torch.device("cpu")))
    tokens = torch.from_numpy(written(WORDS.letters_L5[:24]))
    before = made.logits(context, tokens)
    for place in range(LONGEST):
        other = tokens.clone()
        other[:, place:] = (other[:, place:] + 1) % 31
        after = made.logits(context, other)
        assert torch.equal(after[:, : place + 1], before[:, : place + 1])


@torch.no_grad()
def test_the_scorer_reads_what_is_known_of_a_letter_at_its_place():
    number = WORDS.words.index
    # THERE after OTHER: O dead, T, H, E and R yellow at places 2 to 5.
    state, _, _ = States.new(np.array([number("THERE")])).played(np.array([number("OTHER")]))
    made = policy()
    given = inputs(see(state, WORDS), torch.device("cpu"))
    codes_PA = given.codes_BPA[0]
    letter = {name: ord(name) - ord("A") for name in "OTHERA"}
    dead, yellow, banned = 1, 2, 8
    assert codes_PA[:, letter["O"]].tolist() == [dead] * 5
    assert codes_PA[:, letter["T"]].tolist() == [yellow, yellow + banned, *[yellow] * 3]
    assert codes_PA[:, letter["A"]].tolist() == [0] * 5
    # A letter that was written has a bit of its own from then on, within the guess alone.
    table = made.scorer(made.bits_CF).squeeze(-1)
    tokens = torch.from_numpy(written(WORDS.letters_L5[[number("OTHER")]]))
    reading = functional.pad(tokens[:, :-1], (1, 0), value=BEGIN)
    scores = made._scores(given.codes_BPA, reading)[0]
    first = int((tokens[0] == GUESS_OPEN).nonzero()) + 1
    assert (scores[:first] == 0).all()
    assert (scores[first + 5 :] == 0).all()
    assert scores[first, letter["O"]] == table[dead]
    assert scores[first + 1, letter["O"]] == table[dead + 32]
    assert scores[first + 1, letter["T"]] == table[yellow + banned]
    assert scores[first + 2, letter["T"]] == table[yellow + 32]


def test_a_new_scorer_says_nothing():
    torch.manual_seed(0)
    made = Policy(16, scorer=True)
    assert (made._score_table() == 0).all()


@torch.no_grad()
def test_probabilities_are_those_at_the_temperature():
    logits = torch.tensor([[[1.0, 0.0, -1.0]]])
    tokens = torch.tensor([[1]])
    found = log_probabilities(logits, tokens, 0.5)
    assert torch.equal(found, (logits * 2).log_softmax(-1)[..., 1])
