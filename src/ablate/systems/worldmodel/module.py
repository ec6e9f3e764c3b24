"""The Lightning module of the world model system: fine-tuning, its loss and its probe."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.nn import functional

from ablate.systems.common.accumulation import WeightedAccumulation
from ablate.systems.common.arguments import check
from ablate.systems.worldmodel.base import BaseRecipe, pretrained
from ablate.systems.worldmodel.data import LmBatch, ProbeBatch
from ablate.systems.worldmodel.generation import generate
from ablate.systems.worldmodel.model import LanguageModel, Sizes, next_token_loss
from ablate.systems.worldmodel.problems import REQUIRES
from ablate.systems.worldmodel.properties import (
    empty_answers_score_nothing,
    perfect_answers_score_fully,
    steps_predict_as_the_whole,
)
from ablate.systems.worldmodel.records import IGNORED
from ablate.systems.worldmodel.scores import Scorer, score
from ablate.systems.worldmodel.tokenizer import VOCABULARY

Probe = Literal["every", "last"]


class WorldModelModule(WeightedAccumulation):
    """Fine-tune a small base model to answer with thought, code and the capability it needs.

    Logs the token-weighted `train_loss` and `val_loss`, and what the probe's answers score, as
    means over its prompts: `val_structure` and `val_opening_tags` (0 to 3), `val_strict`,
    `val_executable`, `val_correct` and `val_requires` (0 to 1).

    Weights once loaded, from a checkpoint or by `load_state_dict`, are kept. A module without any
    starts from the base model, which it trains if it is not cached, or from chance under
    `fast_dev_run`.

    Args:
        d_model: Width, a multiple of twice `heads`; the default sizes have 357,024 parameters.
        heads: Attention heads.
        layers: Transformer blocks.
        dropout: Rate within the blocks.
        base_steps: Training steps of the base model; 0 starts from chance.
        base_seed: Seed of the base model's first weights and documents.
        base_cache: Folder of cached base models; None: `worldmodel` in $ABLATE_CACHE, else in
            $XDG_CACHE_HOME/ablate, else in ~/.cache/ablate.
        token_weighted: Give every answer token of an optimizer step the same weight; else every
            micro-batch.
        probe: "every": answer the probe's prompts in every validation. "last": in the validation
            of the final weights only, as found by the number of steps that the trainer plans, and
            in a validation apart from training. A run that stops early has no such validation
            unless it is validated afterwards.
        max_new_tokens: Longest answer, in bytes.
        temperature: Temperature of sampling; 0 takes the most probable byte.
        scorer: "exact"; "clipped" with a defect of both published scorers;
            "production-as-published", which ignores the order of tags, too. See `scores.py`.
        probe_seed: Seed of sampling, the same in every validation.

    Raises:
        ValueError: An argument is unknown or out of range.
    """

    def __init__(
        self,
        *,
        d_model: int = 96,
        heads: int = 4,
        layers: int = 3,
        dropout: float = 0.0,
        base_steps: int = 1000,
        base_seed: int = 0,
        base_cache: str | None = None,
        token_weighted: bool = True,
        probe: Probe = "every",
        max_new_tokens: int = 200,
        temperature: float = 0.7,
        scorer: Scorer = "exact",
        probe_seed: int = 0,
    ) -> None:
        super().__init__()
        check(
            dropout=(dropout, 0 <= dropout < 1, "in [0, 1)"),
            base_steps=(base_steps, base_steps >= 0, "at least 0"),
            base_seed=(base_seed, base_seed >= 0, "at least 0"),
            probe=(probe, probe in get_args(Probe), f"one of {get_args(Probe)}"),
            max_new_tokens=(max_new_tokens, max_new_tokens >= 1, "at least 1"),
            temperature=(temperature, temperature >= 0, "at least 0"),
            scorer=(scorer, scorer in get_args(Scorer), f"one of {get_args(Scorer)}"),
            probe_seed=(probe_seed, probe_seed >= 0, "at least 0"),
        )
        self.save_hyperparameters()
        sizes = Sizes(d_model, heads, layers)
        self.model = LanguageModel(sizes, dropout)
        self.base = BaseRecipe(sizes, steps=base_steps, seed=base_seed) if base_steps else None
        self.base_cache = Path(base_cache).expanduser() if base_cache else None
        self.token_weighted = token_weighted
        self.probe: Probe = probe
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.scorer: Scorer = scorer
        self.probe_seed = probe_seed
        self.chances = torch.Generator()
        self.loaded = False

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights, which the base model's no longer replace."""
        self.loaded = True
        return super().load_state_dict(*args, **kwargs)

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Start from the base model, unless weights have been loaded."""
        fast_dev_run = self.trainer.fast_dev_run  # type: ignore[attr-defined]
        if self.base is None or self.loaded or fast_dev_run:
            return
        device = self.trainer.strategy.root_device
        self.model.load_state_dict(pretrained(self.base, self.base_cache, device))
        self.loaded = True

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Return the logits of the next token at every position, (B, T, V)."""
        logits_BTV: Tensor = self.model(ids_BT)
        return logits_BTV

    def training_step(self, batch: LmBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the mean loss of the batch's answer tokens."""
        loss, count = next_token_loss(self(batch.ids_BT), batch.labels_BT)
        self.log(
            "train_loss",
            loss,
            on_step=True,
            on_epoch=True,
            batch_size=int(count),
            sync_dist=True,
        )
        return self.accumulate(loss, count) if self.token_weighted else loss

    def on_validation_epoch_start(self) -> None:
        """Sample as in every other validation."""
        self.chances.manual_seed(self.probe_seed)

    def validation_step(
        self,
        batch: LmBatch | ProbeBatch,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Log the loss of held-out records, the scores of a probe's prompts."""
        if isinstance(batch, LmBatch):
            loss, count = next_token_loss(self(batch.ids_BT), batch.labels_BT)
            self._log({"val_loss": loss}, int(count))
        elif self._probes():
            # A development run asks whether it works, which one byte tells.
            longest = 1 if self.trainer.fast_dev_run else self.max_new_tokens  # type: ignore[attr-defined]
            self._log(self.scores(batch, longest), len(batch.prompt_BT))

    def scores(self, batch: ProbeBatch, longest: int) -> dict[str, Tensor]:
        """Answer prompts in `longest` bytes at most; return the mean scores as they are logged."""
        answers_BN = generate(
            self.model,
            batch.prompt_BT,
            batch.keep_BT,
            max_new_tokens=longest,
            temperature=self.temperature,
            generator=self.chances,
        )
        wanted = zip(batch.value_B.tolist(), batch.requires_B.tolist(), strict=True)
        scored = [
            score(answer, value, REQUIRES[requires], self.scorer)
            for answer, (value, requires) in zip(answers_BN.tolist(), wanted, strict=True)
        ]
        names = vars(scored[0])
        return {
            f"val_{name}": torch.tensor([float(getattr(one, name)) for one in scored]).mean()
            for name in names
        }

    def extra_repr(self) -> str:
        """Say what shows in no weight: heads, the base model, how answers are made and scored."""
        names = (
            "heads",
            "base_steps",
            "base_seed",
            "token_weighted",
            "probe",
            "max_new_tokens",
            "temperature",
            "scorer",
            "probe_seed",
        )
        return ", ".join(f"{name}={self.hparams[name]!r}" for name in names)

    # What the module says of itself, to be tested

    def example_losses(self, batch: LmBatch | ProbeBatch) -> Tensor:
        """Return the mean loss of each record's labels, of each prompt's own bytes, (B,)."""
        if isinstance(batch, LmBatch):
            labels_BT = batch.labels_BT
        else:
            # Nothing predicts the first byte: before it there is padding.
            inner_BT = batch.keep_BT & functional.pad(batch.keep_BT[:, :-1], (1, 0))
            labels_BT = batch.prompt_BT.masked_fill(~inner_BT, IGNORED)
        logits_BTV = self.model(*_read(batch))
        rows = zip(logits_BTV.unbind(), labels_BT.unbind(), strict=True)
        return torch.stack([next_token_loss(out[None], due[None])[0] for out, due in rows])

    def chance_loss(self, batch: LmBatch) -> float:  # noqa: ARG002
        """Return the cross-entropy of a uniform guess; NaN if a base model knows better."""
        return math.nan if self.base else math.log(VOCABULARY)

    def autoregression(
        self, batch: LmBatch | ProbeBatch
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return all bytes but the first, (B, T), and the logits for them given other bytes."""
        ids_BT, keep_BT = _read(batch)

        def logits(next_BT: Tensor) -> Tensor:
            altered: Tensor = self.model(torch.cat([ids_BT[:, :1], next_BT], 1), keep_BT)
            return altered[:, :-1]

        return ids_BT[:, 1:], logits

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the parts are named for."""
        return {
            "a perfect answer scores 3 of 3": partial(perfect_answers_score_fully, self.scorer),
            "an empty answer scores 0": partial(empty_answers_score_nothing, self.scorer),
            "steps predict as the whole": partial(steps_predict_as_the_whole, self.model),
        }

    # Parts

    def _probes(self) -> bool:
        """Say whether this validation answers prompts."""
        trainer = self.trainer
        if trainer.sanity_checking:
            return False
        if self.probe == "every" or trainer.state.fn != TrainerFn.FITTING:
            return True
        return trainer.global_step >= trainer.estimated_stepping_batches

    def _log(self, values: dict[str, Tensor], weight: int) -> None:
        for name, value in values.items():
            self.log(
                name,
                value,
                batch_size=weight,
                prog_bar=name in {"val_loss", "val_structure"},
                add_dataloader_idx=False,
                sync_dist=True,
            )


def _read(batch: LmBatch | ProbeBatch) -> tuple[Tensor, Tensor | None]:
    """Return the bytes that the model reads, and which of them it may attend to if not all."""
    if isinstance(batch, LmBatch):
        return batch.ids_BT, None
    return batch.prompt_BT, batch.keep_BT
