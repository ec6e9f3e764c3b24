"""The base policy that is trained from: supervised on noisy demonstrations once, then cached."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.common.caching import cache_root
from ablate.systems.common.weights import State, trained_once
from ablate.systems.wordle.completions import (
    END,
    GUESS_CLOSE,
    GUESS_OPEN,
    JUNK,
    LONGEST,
    THINK_CLOSE,
)
from ablate.systems.wordle.policy import Policy, inputs, written_mask
from ablate.systems.wordle.rules import HISTORY, NONE, PLACES, Ints
from ablate.systems.wordle.states import Seen, States, see
from ablate.systems.wordle.words import Lexicon

FORMAT = 1
"""Version of the training and of the cache files."""

REPORT_EVERY = 200
"""Steps between two lines on the progress of the training."""

WRONG_LENGTHS = (3, 4, 6, 7)
MOST_JUNK = 3


@dataclass(frozen=True)
class BaseRecipe:
    """Hold how the base policy is trained: AdamW at a constant rate on new demonstrations.

    `steps` of so many `demonstrations` at `rate`, gradients clipped to `clip`; 0 steps: there is
    none, and training starts from chance. A demonstration is `well_formed` with that probability;
    else it lacks one of its three tags, has a wrong length or goes on behind its end. Its word
    could be the secret with the probability `consistent`; else it is any word. `seed` None: that
    of the run.
    """

    steps: int = 800
    demonstrations: int = 128
    rate: float = 2e-3
    clip: float = 1.0
    well_formed: float = 0.3
    consistent: float = 0.1
    seed: int | None = None

    def violations(self) -> list[str]:
        """Say what is out of range."""
        found = [
            f"base.{name} must be at least {bound}, got {value}"
            for name, value, bound in (
                ("steps", self.steps, 0),
                ("demonstrations", self.demonstrations, 1),
                ("seed", self.seed or 0, 0),
            )
            if value < bound
        ]
        found += [
            f"base.{name} must be above 0, got {value}"
            for name, value in (("rate", self.rate), ("clip", self.clip))
            if not value > 0
        ]
        return found + [
            f"base.{name} must be in [0, 1], got {value}"
            for name, value in (("well_formed", self.well_formed), ("consistent", self.consistent))
            if not 0 <= value <= 1
        ]


@dataclass(frozen=True)
class Shape:
    """Hold what the base policy is: its width, and whether it has the scorer of letters."""

    width: int
    scorer: bool


def pretrained(
    shape: Shape,
    recipe: BaseRecipe,
    lexicon: Lexicon,
    seed: int,
    *,
    cache: Path | None = None,
    device: torch.device | None = None,
) -> State:
    """Return the weights of a base policy, on the CPU: cached, or trained and then cached.

    `cache` is a folder; None: `wordle` in the cache of ablate. Processes that ask for the same
    weights wait for the first. A damaged file is made again. The random number generators are
    afterwards as before.
    """
    device = device or torch.device("cpu")
    folder = cache if cache is not None else cache_root() / "wordle"
    path = folder / f"base-{_key(shape, recipe, lexicon, seed, device.type)[:16]}.pt"
    return trained_once(path, lambda: train(shape, recipe, lexicon, seed, device), "base policy")


def train(
    shape: Shape, recipe: BaseRecipe, lexicon: Lexicon, seed: int, device: torch.device
) -> State:
    """Train a base policy; return its weights on the CPU."""
    rng = np.random.default_rng([seed, FORMAT])
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(seed)
        policy = Policy(shape.width, scorer=shape.scorer).to(device)
        optimizer = torch.optim.AdamW(policy.parameters(), lr=recipe.rate)
        for step in range(recipe.steps):
            seen, tokens_NT = demonstrations(recipe, lexicon, rng)
            loss = demonstration_loss(policy, seen, torch.as_tensor(tokens_NT).to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(policy.parameters(), recipe.clip)
            optimizer.step()
            if step % REPORT_EVERY == 0 or step == recipe.steps - 1:
                print(
                    f"base policy: step {step + 1} of {recipe.steps}, loss {loss:.3f}", flush=True
                )
    return {name: weight.detach().cpu() for name, weight in policy.state_dict().items()}


def demonstration_loss(policy: Policy, seen: Seen, tokens_NT: Tensor) -> Tensor:
    """Return the cross-entropy per token written, one completion for each state."""
    context = policy.encode(inputs(seen, tokens_NT.device))
    logits_NTV = policy.logits(context, tokens_NT)
    mask_NT = written_mask(tokens_NT)
    return functional.cross_entropy(logits_NTV[mask_NT], tokens_NT[mask_NT])


def demonstrations(
    recipe: BaseRecipe, lexicon: Lexicon, rng: np.random.Generator
) -> tuple[Seen, Ints]:
    """Draw states of random games and a completion for each, (B, 12)."""
    count = recipe.demonstrations
    secret_B = rng.choice(np.array(lexicon.training), count)
    depth_B = rng.integers(0, HISTORY + 1, count)
    # One more than a random other word is never the secret itself.
    other_BH = (secret_B[:, None] + rng.integers(1, len(lexicon), (count, HISTORY))) % len(lexicon)
    guess_BH = np.where(np.arange(HISTORY) < depth_B[:, None], other_BH, NONE)
    seen = see(States(secret_B, guess_BH, depth_B), lexicon)
    draw_BL = rng.random(seen.candidate_BL.shape)
    fitting_B = rng.random(count) < recipe.consistent
    allowed_BL = seen.candidate_BL | ~fitting_B[:, None]
    word_B = np.where(allowed_BL, draw_BL, -1.0).argmax(1)
    tokens = [_noisy(lexicon.letters_L5[word].tolist(), recipe.well_formed, rng) for word in word_B]
    return seen, np.array([row + [END] * (LONGEST - len(row)) for row in tokens])


def _noisy(word: list[int], well_formed: float, rng: np.random.Generator) -> list[int]:
    """Return a completion that guesses a word, as it should be or with one fault."""
    whole = [THINK_CLOSE, GUESS_OPEN, *word, GUESS_CLOSE]
    if rng.random() < well_formed:
        return whole
    match rng.integers(5):
        case 0:
            return whole[1:]
        case 1:
            return [THINK_CLOSE, *word, GUESS_CLOSE]
        case 2:
            return whole[:-1]
        case 3:
            length = int(rng.choice(WRONG_LENGTHS))
            more = rng.integers(0, 26, max(0, length - PLACES)).tolist()
            return [THINK_CLOSE, GUESS_OPEN, *word[:length], *more, GUESS_CLOSE]
    return whole + [JUNK] * int(rng.integers(1, MOST_JUNK + 1))


def _key(shape: Shape, recipe: BaseRecipe, lexicon: Lexicon, seed: int, device: str) -> str:
    """Return a hash of all that the weights depend on."""
    description = {
        "format": FORMAT,
        "torch": str(torch.__version__),
        "device": device,
        "words": lexicon.words,
        "training": lexicon.training,
        **asdict(shape),
        **asdict(recipe),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
