"""The reward: by hand on small cases, and against a plain reading of the published recipe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.wordle.completions import END, LONGEST, parse, written
from ablate.systems.wordle.rewards import Counts, Rewards, score
from ablate.systems.wordle.states import States, random_states, see
from ablate.systems.wordle.words import lexicon, spelt
from tests.systems.wordle import plain

WORDS = lexicon(60)
RAW = Rewards(no_tag=0.0, trailing=0.0, repeated=0.0, solved=0.0)


def state(secret: str, *guesses: str) -> States:
    number = WORDS.words.index
    found = States.new(np.array([number(secret)]))
    for guess in guesses:
        found, _, _ = found.played(np.array([number(guess)]))
    return found


def scored(states: States, text: str, rewards: Rewards = RAW, progress: float = 0.0):
    row = plain.tokens_of(text)
    parsed = parse(np.array([row + [END] * (LONGEST - len(row))]))
    rows = np.zeros(1, dtype=np.int64)
    return score(parsed, see(states, WORDS), rows, WORDS, rewards, progress=progress)


def well_formed(word: str) -> str:
    return f"</think><guess>{word}</guess>"


@pytest.mark.parametrize(
    ("text", "progress", "reward"),
    [
        (well_formed("FROST"), 0.0, 0.4 + 0.4),
        ("<guess>FROST</guess>", 0.0, 0.2 + 0.4),
        ("FROST", 0.0, 0.0),
        (well_formed("FROS"), 0.0, 0.4 - 0.75),
        (well_formed("FROS"), 1.0, 0.4 - 1.5),
        (well_formed("QQQQQ"), 0.5, 0.4 - 1.5 * 0.75),
    ],
)
def test_the_format_earns_what_is_published(text, progress, reward):
    found = scored(state("CRANE"), text, progress=progress)
    assert found.format_N[0] == pytest.approx(reward)


def test_the_first_guess_earns_a_bonus_for_each_letter_and_no_more():
    assert scored(state("CRANE"), well_formed("WHICH")).feedback_N[0] == pytest.approx(0.2)


def test_feedback_is_counted_by_hand():
    # OTHER for THERE: T, H and E yellow, R grey: no, R is in THERE, at the fourth place: yellow.
    past = state("THERE", "OTHER")
    assert plain.marks("THERE", "OTHER") == ".yyyy"
    secret = scored(past, well_formed("THERE")).feedback_N[0]
    assert secret == pytest.approx(4 * 0.3)
    # WHICH: T, E, R are omitted; H stands at a new place; W, I, C are new.
    assert scored(past, well_formed("WHICH")).feedback_N[0] == pytest.approx(-1.2 + 0.3 + 0.15)
    # The guess again: O is dead, four letters stand where they were tried.
    again = scored(past, well_formed("OTHER"), Rewards(floor=None))
    assert again.feedback_N[0] == pytest.approx(-0.5 - 4 * 0.2)
    assert scored(past, well_formed("OTHER")).feedback_N[0] == pytest.approx(-1.2)


def test_the_additions_are_for_silence_trailing_text_repetition_and_solving():
    past, more = state("THERE", "OTHER"), Rewards()

    def gain(text: str) -> float:
        return float(scored(past, text, more).total_N[0] - scored(past, text).total_N[0])

    assert gain("OTHER") == pytest.approx(-0.5)
    assert gain(well_formed("WHICH") + "~") == pytest.approx(-0.5)
    assert gain(well_formed("OTHER")) == pytest.approx(-0.5)
    assert gain(well_formed("THERE")) == pytest.approx(1.0)
    assert gain(well_formed("WHICH")) == 0


def test_accuracy_and_information_are_at_most_one():
    past = state("THERE", "OTHER")
    found = scored(past, well_formed("THERE"))
    assert found.accuracy_N[0] == pytest.approx(1.0)
    # Of T, H, E and R, four letters, all are possible and common: 0.6 * 4/5 + 0.4 * 4/5.
    assert found.information_N[0] == pytest.approx(0.8)
    assert scored(past, well_formed("QQQQQ")).information_N[0] == 0


texts = st.one_of(
    st.sampled_from([well_formed(word) for word in WORDS.words]),
    st.text("ABCEHORTWI", max_size=7).map(well_formed),
    st.sampled_from(["", "~", "<guess>OTHER</guess>", "</think><guess>THERE</guess>~~"]),
)


@given(st.integers(0, 10_000), st.integers(0, 5), texts, st.floats(0, 1))
def test_the_total_is_that_of_a_plain_reading(seed, turns, text, progress):
    rng = np.random.default_rng(seed)
    secret = int(rng.integers(len(WORDS)))
    states = random_states(secret, turns, WORDS, rng, consistent=False)
    past = [WORDS.words[guess] for guess in states.guess_BH[0] if guess >= 0]
    found = scored(states, text, Rewards(), progress)
    assert found.total_N[0] == pytest.approx(by_hand(WORDS.words[secret], past, text, progress))


def by_hand(secret: str, past: list[str], text: str, progress: float) -> float:
    """Read the recipe in plain Python."""
    head, tag, rest = text.partition("<guess>")
    if not tag or "</guess>" not in rest:
        return -0.5
    guess, _, tail = rest.partition("</guess>")
    total = (0.4 if "</think>" in head else 0.2) - 0.5 * bool(tail)
    if len(guess) != 5:
        return total - 1.5 * (0.5 + 0.5 * progress)
    known = guess in WORDS.words
    total += 0.4 if known else -1.5 * (0.5 + 0.5 * progress)
    total += (guess == secret) - 0.5 * (known and guess in past)
    marked = [(word, plain.marks(secret, word)) for word in past]
    exact = sum(a == b for a, b in zip(guess, secret, strict=True))
    matched = sum(min(guess.count(letter), secret.count(letter)) for letter in set(guess))
    total += min(1.0, 1.2 * (exact + 0.2 * (matched - exact)) / 6)
    if known:
        fitting = [
            word for word in WORDS.words
            if all(plain.marks(word, own) == mark for own, mark in marked)
        ]  # fmt: skip
        hits = set(guess) & set("".join(fitting))
        total += 0.6 * len(hits) / 5 + 0.4 * len(hits & set("ETAOINSHRDLU")) / 5
    return total + feedback_by_hand(guess, marked)


def feedback_by_hand(guess: str, marked: plain.Past) -> float:
    dead = plain.dead(marked)
    pairs = [(place, *pair) for own in marked for place, pair in enumerate(zip(*own, strict=True))]
    seen = {letter for _, letter, _ in pairs}
    new = 0.05 * len(set(guess) - seen)
    if not marked:
        return new
    greens = {(place, letter) for place, letter, mark in pairs if mark == "g"}
    yellows = {letter for _, letter, mark in pairs if mark == "y"}
    banned = {
        (place, letter) for place, letter, mark in pairs if mark == "y" or
        (mark == "." and letter not in dead)
    }  # fmt: skip
    total = new - 0.5 * sum(letter in dead for letter in guess)
    total += sum(0.4 if guess[place] == letter else -0.2 for place, letter in greens)
    for letter in yellows:
        if letter not in guess:
            total -= 0.4
        else:
            total += -0.2 if (guess.index(letter), letter) in banned else 0.3
    return max(total, -1.2)


def test_metrics_are_means_over_what_they_are_defined_on():
    past = state("THERE", "OTHER")
    texts = ["", well_formed("OTHER"), well_formed("THERE"), well_formed("QQQQQ")]
    counts = sum((scored(past, text).counts() for text in texts), Counts())
    means = counts.means()
    assert means["valid_format"] == (0.75, 4)
    assert means["invalid_word"] == (pytest.approx(1 / 3), 3)
    assert means["feedback_use"] == (pytest.approx(1 / 3), 3)
    assert means["dead_reuse"] == (pytest.approx(1 / 3), 3)
    nothing = scored(state("THERE"), "").counts().means()
    assert not {"invalid_word", "feedback_use", "dead_reuse"} & nothing.keys()


def test_the_random_players_earn_about_what_the_specification_measured():
    rng = np.random.default_rng(0)
    made = [
        random_states(int(secret), 2, WORDS, rng, consistent=True)
        for secret in rng.integers(len(WORDS), size=60)
    ]
    parsed = parse(written(WORDS.letters_L5))
    everything = [
        score(parsed, see(one, WORDS), np.zeros(len(WORDS), np.int64), WORDS, RAW, progress=1.0)
        for one in made
    ]
    fits = [see(one, WORDS).candidate_BL[0] for one in made]
    any_word = np.mean([own.total_N.mean() for own in everything])
    fitting = np.mean([own.total_N[fit].mean() for own, fit in zip(everything, fits, strict=True)])
    dead = np.mean([own.reuses_N.mean() for own in everything])
    # Measured on the published rows: 0.55, 3.25, 0.79.
    assert 0.2 < any_word < 0.9
    assert 2.8 < fitting < 3.7
    assert 0.6 < dead < 0.95
    assert not any(own.reuses_N[fit].any() for own, fit in zip(everything, fits, strict=True))
    assert spelt("A") == [0]
