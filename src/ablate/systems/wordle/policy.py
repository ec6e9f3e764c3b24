"""The policy: an encoder of what is known, a recurrent decoder, and a scorer of single letters.

Shapes: B states, N completions (row_N says of which state), T tokens, D the width, V tokens to
choose from, A letters, P places.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ablate.systems.wordle.completions import BEGIN, END, GUESS_OPEN, LONGEST, VOCABULARY
from ablate.systems.wordle.rules import FEATURES, LETTERS, PLACES
from ablate.systems.wordle.states import Seen

LETTER_FEATURES = 6
SCORER_WIDTH = 16


@dataclass(frozen=True)
class Context:
    """Hold what the decoder starts from, of B states or of completions of them.

    first_BD: its first state. gates_BG: what the context adds to its gates. codes_BPA: five bits
    on each letter at each place.
    """

    first_BD: Tensor
    gates_BG: Tensor
    codes_BPA: Tensor

    def of(self, row_N: Tensor) -> "Context":
        """Return the contexts of completions."""
        return Context(self.first_BD[row_N], self.gates_BG[row_N], self.codes_BPA[row_N])


@dataclass(frozen=True)
class Inputs:
    """Hold states as the policy reads them: features_BF, and codes_BPA as in `Context`."""

    features_BF: Tensor
    codes_BPA: Tensor


def inputs(seen: Seen, device: torch.device) -> Inputs:
    """Turn what is known into tensors."""
    knowledge = seen.knowledge
    green_BPA = knowledge.green_BPA
    other_BPA = green_BPA.any(-1, keepdims=True) & ~green_BPA
    spread = np.ones_like(green_BPA)
    bits = (
        knowledge.dead_BA[:, None] & spread,
        knowledge.yellow_BA[:, None] & spread,
        green_BPA,
        knowledge.banned_BPA,
        other_BPA,
    )
    codes_BPA = sum(bit.astype(np.int64) << place for place, bit in enumerate(bits))
    return Inputs(
        torch.from_numpy(seen.features()).to(device), torch.as_tensor(codes_BPA).to(device)
    )


class Policy(nn.Module):
    """Write completions token by token from what is known of a game.

    Args:
        width: Width of encoder and decoder.
        scorer: Add to each letter's logit a score of [dead, yellow, green here, banned here,
            another letter green here, used already], from a small network shared by all letters
            and places.
    """

    def __init__(self, width: int, *, scorer: bool) -> None:
        super().__init__()
        self.width = width
        self.encoder = nn.Sequential(
            nn.Linear(FEATURES, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.Tanh(),
        )
        self.embedding = nn.Embedding(VOCABULARY + 1, width)
        self.gru = nn.GRUCell(2 * width, width)
        self.head = nn.Linear(width, VOCABULARY)
        self.scorer: nn.Sequential | None = None
        if scorer:
            last = nn.Linear(SCORER_WIDTH, 1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.scorer = nn.Sequential(nn.Linear(LETTER_FEATURES, SCORER_WIDTH), nn.ReLU(), last)
        bits = torch.arange(2**LETTER_FEATURES)[:, None] >> torch.arange(LETTER_FEATURES)
        self.register_buffer("bits_CF", (bits & 1).float(), persistent=False)

    def encode(self, given: Inputs) -> Context:
        """Read states."""
        first_BD = self.encoder(given.features_BF)
        _, context_GD = self.gru.weight_ih.chunk(2, 1)
        gates_BG = functional.linear(first_BD, context_GD, self.gru.bias_ih)
        return Context(first_BD, gates_BG, given.codes_BPA)

    def logits(self, context_N: Context, tokens_NT: Tensor) -> Tensor:
        """Return the logits of each token of completions given those before, (N, T, V)."""
        read_NT = functional.pad(tokens_NT[:, :-1], (1, 0), value=BEGIN)
        table_VG = self._token_gates()
        hidden_ND = context_N.first_BD
        hidden = []
        for gates_NG in (table_VG[read_NT] + context_N.gates_BG[:, None]).unbind(1):
            hidden_ND = self._step(gates_NG, hidden_ND)
            hidden.append(hidden_ND)
        logits_NTV: Tensor = self.head(torch.stack(hidden, 1))
        if self.scorer is None:
            return logits_NTV
        scores_NTA = self._scores(context_N.codes_BPA, read_NT)
        return logits_NTV + functional.pad(scores_NTA, (0, VOCABULARY - LETTERS))

    @torch.no_grad()
    def write(self, context_N: Context, uniform_NT: Tensor, temperature: float) -> Tensor:
        """Write completions, (N, 12), by the inverse of the cumulated probabilities.

        uniform_NT: numbers in [0, 1), one per token. At temperature 0 the most probable token is
        written. Behind its first END a completion has nothing else.
        """
        count = len(uniform_NT)
        device = uniform_NT.device
        table_VG = self._token_gates()
        scores_C = self._score_table()
        tokens_NT = torch.full((count, LONGEST), END, device=device)
        token_N = torch.full((count,), BEGIN, device=device)
        ended_N = torch.zeros(count, dtype=torch.bool, device=device)
        opened_N = torch.zeros_like(ended_N)
        place_N = torch.zeros(count, dtype=torch.long, device=device)
        used_NA = torch.zeros(count, LETTERS, dtype=torch.long, device=device)
        row_N = torch.arange(count, device=device)
        hidden_ND = context_N.first_BD
        for step in range(LONGEST):
            hidden_ND = self._step(table_VG[token_N] + context_N.gates_BG, hidden_ND)
            logits_NV = self.head(hidden_ND)
            if scores_C is not None:
                spelling_N = opened_N & (place_N < PLACES)
                code_NA = context_N.codes_BPA[row_N, place_N.clamp(max=PLACES - 1)]
                score_NA = scores_C[code_NA + 32 * used_NA]
                logits_NV[:, :LETTERS] += torch.where(spelling_N[:, None], score_NA, 0.0)
            token_N = _chosen(logits_NV, uniform_NT[:, step], temperature)
            token_N = torch.where(ended_N, END, token_N)
            tokens_NT[:, step] = token_N
            ended_N = ended_N | (token_N == END)
            if bool(ended_N.all()):
                break
            letter_N = opened_N & (token_N < LETTERS)
            used_NA[row_N[letter_N], token_N[letter_N]] = 1
            place_N = place_N + letter_N
            opened_N = opened_N | (token_N == GUESS_OPEN)
        return tokens_NT

    def _token_gates(self) -> Tensor:
        """Return what each token that is read adds to the gates, (V + 1, 3D)."""
        token_GD, _ = self.gru.weight_ih.chunk(2, 1)
        return functional.linear(self.embedding.weight, token_GD)

    def _step(self, gates_NG: Tensor, hidden_ND: Tensor) -> Tensor:
        """Make a step of the recurrent unit (Cho et al. 2014, in torch's form)."""
        past_NG = functional.linear(hidden_ND, self.gru.weight_hh, self.gru.bias_hh)
        split = 2 * self.width
        reset_ND, update_ND = (gates_NG[:, :split] + past_NG[:, :split]).sigmoid().chunk(2, 1)
        new_ND = torch.tanh(gates_NG[:, split:] + reset_ND * past_NG[:, split:])
        return torch.lerp(new_ND, hidden_ND, update_ND)

    def _score_table(self) -> Tensor | None:
        """Return the score of every combination of a letter's features, (64,)."""
        if self.scorer is None:
            return None
        scores_C: Tensor = self.scorer(self.bits_CF).squeeze(-1)
        return scores_C

    def _scores(self, codes_NPA: Tensor, read_NT: Tensor) -> Tensor:
        """Return the score of each letter behind tokens that were read, (N, T, A)."""
        scores_C = self._score_table()
        assert scores_C is not None  # noqa: S101
        opened_NT = (read_NT == GUESS_OPEN).cumsum(1) > 0
        # The opening tag itself is no letter, so a letter counts only behind it.
        letter_NT = opened_NT & (read_NT < LETTERS)
        place_NT = letter_NT.cumsum(1)
        letters_NTA = functional.one_hot(torch.where(letter_NT, read_NT, LETTERS), LETTERS + 1)
        used_NTA = (letters_NTA[..., :LETTERS].cumsum(1) > 0).long()
        row_N1 = torch.arange(len(read_NT), device=read_NT.device)[:, None]
        code_NTA = codes_NPA[row_N1, place_NT.clamp(max=PLACES - 1)] + 32 * used_NTA
        spelling_NT = opened_NT & (place_NT < PLACES)
        return scores_C[code_NTA] * spelling_NT[..., None]


def log_probabilities(logits_NTV: Tensor, tokens_NT: Tensor, temperature: float) -> Tensor:
    """Return the log-probability of each token at a temperature above 0, (N, T)."""
    scaled_NTV = (logits_NTV / temperature).log_softmax(-1)
    return scaled_NTV.gather(-1, tokens_NT[..., None]).squeeze(-1)


def written_mask(tokens_NT: Tensor) -> Tensor:
    """Say which tokens were written: all up to the first END, that included, (N, T)."""
    ended_NT = (tokens_NT == END).cumsum(1)
    return (ended_NT == 0) | ((ended_NT == 1) & (tokens_NT == END))


def _chosen(logits_NV: Tensor, uniform_N: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return logits_NV.argmax(-1)
    cumulated_NV = (logits_NV / temperature).softmax(-1).cumsum(-1)
    limit_N1 = uniform_N[:, None] * cumulated_NV[:, -1:]
    return (cumulated_NV <= limit_N1).sum(-1).clamp(max=VOCABULARY - 1)
