"""The base model that fine-tuning starts from: trained once on untagged answers, then cached."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ablate.systems.common.caching import cache_root
from ablate.systems.common.weights import State, trained_once
from ablate.systems.worldmodel.model import LanguageModel, Sizes, next_token_loss
from ablate.systems.worldmodel.records import IGNORED, base_document
from ablate.systems.worldmodel.tokenizer import PAD

FORMAT = 1
"""Version of the training loop and of the cache files."""

REPORT_EVERY = 100
"""Steps between two lines on the progress of the training."""

SAMPLED_DOCUMENTS = 256
"""Documents that stand for the whole corpus in the key of the cache."""


@dataclass(frozen=True)
class BaseRecipe:
    """Hold everything that the weights of a base model depend on.

    AdamW with the rate rising in a straight line over `warmup` steps, then falling along half a
    cosine to `final` of `lr`. Every step sees `batch_size` new documents of the corpus `seed`.
    """

    sizes: Sizes = field(default_factory=Sizes)
    steps: int = 1000
    batch_size: int = 32
    lr: float = 2e-3
    warmup: int = 100
    final: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        low = {"steps": 1, "batch_size": 1, "warmup": 0, "seed": 0}
        problems = [
            f"{name} must be at least {bound}, got {getattr(self, name)}"
            for name, bound in low.items()
            if getattr(self, name) < bound
        ]
        if problems:
            raise ValueError(f"base model: {'; '.join(problems)}")

    def key(self, device: str = "cpu") -> str:
        """Return a hash of the recipe, the documents, the kind of device and torch's version."""
        documents = [base_document(self.seed, index) for index in range(SAMPLED_DOCUMENTS)]
        description = {
            "format": FORMAT,
            "torch": str(torch.__version__),
            "device": device,
            "documents": hashlib.sha256(json.dumps(documents).encode()).hexdigest(),
            **asdict(self),
        }
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (self.final + (1 - self.final) * (1 + math.cos(math.pi * share)) / 2)


def pretrained(
    recipe: BaseRecipe, cache: Path | None = None, device: torch.device | None = None
) -> State:
    """Return the weights of a base model, on the CPU: cached, or trained and then cached.

    `cache` is a folder; None: `worldmodel` in the cache of ablate. Processes that ask for the same
    weights wait for the first. A damaged file is made again. The random number generators are
    afterwards as before.
    """
    device = device or torch.device("cpu")
    folder = cache if cache is not None else cache_root() / "worldmodel"
    path = folder / f"base-{recipe.key(device.type)[:16]}.pt"
    return trained_once(path, lambda: train(recipe, device), "base model")


def train(recipe: BaseRecipe, device: torch.device) -> State:
    """Train a base model; return its weights on the CPU."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(recipe.seed)
        model = LanguageModel(recipe.sizes).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
        for step in range(recipe.steps):
            ids_BT, labels_BT = (tensor.to(device) for tensor in _batch(recipe, step))
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step)
            loss, _ = next_token_loss(model(ids_BT), labels_BT)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            if step % REPORT_EVERY == 0 or step == recipe.steps - 1:
                print(f"base model: step {step + 1} of {recipe.steps}, loss {loss:.3f}", flush=True)
    return {name: weight.detach().cpu() for name, weight in model.state_dict().items()}


def _batch(recipe: BaseRecipe, step: int) -> tuple[Tensor, Tensor]:
    first = step * recipe.batch_size
    documents = [
        torch.tensor(base_document(recipe.seed, first + row)) for row in range(recipe.batch_size)
    ]
    ids_BT = pad_sequence(documents, batch_first=True, padding_value=PAD)
    labels_BT = pad_sequence(documents, batch_first=True, padding_value=IGNORED)
    return ids_BT, labels_BT
