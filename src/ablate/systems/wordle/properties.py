"""Tests of what the parts of the system are named for: None if it holds, else what is wrong."""

from collections import Counter

import numpy as np
import torch

from ablate.systems.wordle.completions import END, LONGEST, parse, written
from ablate.systems.wordle.grpo import Scale, advantages, kl_terms
from ablate.systems.wordle.policy import Policy, inputs
from ablate.systems.wordle.rewards import Rewards, score
from ablate.systems.wordle.rows import PAST, VALIDATION
from ablate.systems.wordle.rules import NONE, consistent, feedback, known
from ablate.systems.wordle.states import States, random_states, see
from ablate.systems.wordle.words import OPENING, Lexicon, spelt

STATES = 24
"""States in which words are scored."""

TOLERANCE = 1e-4

MARKED = (
    ("ABBEY", "BABES", "yygg."),
    ("CRANE", "EERIE", "..y.g"),
    ("ALLOY", "LLAMA", "ygy.."),
    ("FROST", "SPOTS", "y.gy."),
    ("STATE", "TASTE", "yyygg"),
)
"""Secrets, guesses and marks with copies of one letter."""


def copies_are_marked_once() -> str | None:
    """Test that of several copies of a letter only as many are marked as the secret has."""
    for secret, guess, wanted in MARKED:
        marks = feedback(np.array(spelt(secret)), np.array(spelt(guess))).tolist()
        found = "".join(".yg"[mark] for mark in marks)
        if found != wanted:
            return f"{guess} is marked {found} where the secret is {secret}, not {wanted}"
    return None


def living_letters_are_not_dead() -> str | None:
    """Test that a letter is not dead if one copy of it is grey and another one is not."""
    secret, guess = np.array([spelt("CRANE")]), np.array([[spelt("EERIE")]])
    told = known(guess, feedback(secret[:, None], guess), np.array([[True]]))
    dead = "".join(chr(ord("A") + letter) for letter in np.flatnonzero(told.dead_BA[0]))
    return None if dead == "I" else f"after EERIE for CRANE dead are {dead or 'none'}, not I alone"


def the_secret_is_consistent(lexicon: Lexicon) -> str | None:
    """Test that no feedback excludes the secret."""
    states = sample_states(lexicon)
    seen = see(states, lexicon)
    fits = consistent(
        lexicon.letters_L5[states.secret_B], seen.guess_BH5, seen.marks_BH5, seen.past_BH
    )
    listed = seen.candidate_BL[np.arange(len(states)), states.secret_B]
    wrong = int((~(fits & listed)).sum())
    return f"the secret is excluded in {wrong} of {len(states)} states" if wrong else None


def words_earn_more_than_silence(rewards: Rewards, lexicon: Lexicon) -> str | None:
    """Test that a well-formed guess of a new word earns more than no guess at all."""
    states = sample_states(lexicon)
    seen, parsed = see(states, lexicon), parse(written(lexicon.letters_L5))
    worse = total = 0
    for row in range(len(states)):
        scored = score(parsed, seen, np.full(len(lexicon), row), lexicon, rewards, progress=1.0)
        new_L = ~np.isin(np.arange(len(lexicon)), states.guess_BH[row])
        worse += int((scored.total_N[new_L] <= rewards.no_tag).sum())
        total += int(new_L.sum())
    if not worse:
        return None
    return (
        f"{worse} of {total} well-formed words earn no more than silence, {rewards.no_tag:g}: "
        "to say nothing is a local optimum"
    )


def a_group_adds_up_to_nothing(scale: Scale) -> str | None:
    """Test that the advantages of every group have the mean 0."""
    reward_PG = torch.tensor([[1.0, 2.0, 4.0], [0.5, 0.5, 0.5], [-3.0, 0.0, 1.0]])
    worst = float(advantages(reward_PG, scale).mean(1).abs().max())
    return None if worst <= TOLERANCE else f"the advantages of a group have the mean {worst:.3g}"


def the_kl_is_bounded(clamp: float) -> str | None:
    """Test that the estimate of the KL is 0 at the reference, and else positive and finite."""
    log_T = torch.linspace(-1e4, 0.0, 9)
    terms_TT = kl_terms(log_T[:, None], log_T, clamp)
    apart_TT = log_T[:, None] != log_T
    sound = bool(terms_TT.isfinite().all()) and bool((terms_TT[apart_TT] > 0).all())
    if sound and float(terms_TT.diagonal().abs().max()) == 0:
        return None
    return f"the estimate of the KL lies between {terms_TT.min():.3g} and {terms_TT.max():.3g}"


@torch.no_grad()
def steps_write_as_the_whole(policy: Policy, lexicon: Lexicon) -> str | None:
    """Test that what is written token by token is what one pass finds most probable."""
    seen = see(sample_states(lexicon), lexicon)
    context = policy.encode(inputs(seen, policy.head.weight.device))
    uniform_NT = torch.zeros(len(seen.states), LONGEST, device=policy.head.weight.device)
    tokens_NT = policy.write(context, uniform_NT, 0.0)
    logits_NTV = policy.logits(context, tokens_NT)
    best_NT = logits_NTV.amax(-1)
    chosen_NT = logits_NTV.gather(-1, tokens_NT[..., None]).squeeze(-1)
    # Behind the end nothing is chosen any more.
    ended_NT = (tokens_NT == END).cumsum(1) > 1
    gap = float((best_NT - chosen_NT).masked_fill(ended_NT, 0.0).max())
    if gap <= TOLERANCE * max(1.0, float(logits_NTV.abs().max())):
        return None
    return f"tokens written one by one lie up to {gap:.3g} below the best logit of one pass"


def secrets_are_held_out(training: set[int], validation: set[int]) -> str | None:
    """Test that no secret of the validation states is one of training."""
    shared = training & validation
    return f"{len(shared)} validation secrets are trained on" if shared else None


def rows_are_as_published(training: States, validation: States) -> str | None:
    """Test that there are 60 and 15 fixed rows with the published lengths of histories."""
    guess_BH = np.concatenate([training.guess_BH, validation.guess_BH])
    found = Counter((guess_BH != NONE).sum(1).tolist())
    if len(validation) == VALIDATION and found == Counter(PAST):
        return None
    return (
        f"{len(training)} and {len(validation)} rows, of which "
        f"{', '.join(f'{found[past]} have {past} guesses' for past in sorted(found))}"
    )


def sample_states(lexicon: Lexicon) -> States:
    """Make states of random games, the same every time, the last of them without a history."""
    rng = np.random.default_rng(0)
    made = [
        random_states(
            int(rng.integers(len(lexicon))), number % 5 + 1, lexicon, rng, consistent=False
        )
        for number in range(STATES - 1)
    ]
    made.append(States.new(np.array([lexicon.words.index(OPENING)])))
    return States(
        np.concatenate([part.secret_B for part in made]),
        np.concatenate([part.guess_BH for part in made]),
        np.concatenate([part.turn_B for part in made]),
    )
