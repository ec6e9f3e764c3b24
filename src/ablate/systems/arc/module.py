"""The Lightning module of the ARC system: one arm, its loss and its metrics."""

import math
from collections.abc import Callable, Sequence, Sized
from dataclasses import replace
from functools import partial

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.metrics import (
    Totals,
    batch_cell_accuracy,
    batch_cross_entropy,
    cell_accuracy,
    correct_cells,
    dense_grid_objective,
    example_cross_entropy,
    grid_correct,
    published_source,
    published_transformation,
    scored,
    sequence_values,
    source_at_target,
    transformation,
)
from ablate.systems.arc.models.build import ARMS, Arch, Flavour, Parts, Sizes, build_network
from ablate.systems.arc.models.network import Scores
from ablate.systems.arc.models.transformer import LeakyDecoderOnly
from ablate.systems.arc.predictors import Predictor
from ablate.systems.arc.properties import (
    colours_commute,
    coordinates_are_true,
    every_cell_is_predicted,
)
from ablate.systems.arc.sequences import examples, merge
from ablate.systems.arc.tasks import CATEGORIES, TASK_NAMES, category_index_of_task

DECODE_BATCH = 64
"""Examples that are written together when decoding without a teacher."""

MEANS = (
    "loss",
    "grid_accuracy",
    "cell_accuracy",
    "copy_rate",
    "change_recall",
    "change_precision",
    "transformation_f1",
    "transformation_quality",
    "dense_grid_objective",
)
PUBLISHED_MEANS = (
    "cell_accuracy_batch",
    "copy_rate_padded",
    "change_recall_padded",
    "change_precision_padded",
    "transformation_f1_padded",
    "transformation_quality_padded",
)
SEQUENCE_MEANS = (
    "cell_accuracy_batch",
    "grid_accuracy_sequence",
    "cell_accuracy_batch_sequence",
    "copy_rate_sequence",
    "change_recall_sequence",
    "change_precision_sequence",
    "transformation_f1_sequence",
    "transformation_quality_sequence",
)
EXACT_MATCH = "exact_match"
GRIDS = "grids"
ACCURACIES = ("grid_accuracy", "cell_accuracy")
RATIOS = {
    "cell_accuracy_pooled": ("correct_cells", "cells"),
    "cell_accuracy_pooled_sequence": ("correct_cells_sequence", "cells_sequence"),
}
"""Metrics that are a ratio of totals, and the names of the two totals."""
PER_CATEGORY = (
    "grid_accuracy",
    "cell_accuracy",
    "cell_accuracy_pooled",
    "copy_rate",
    "change_recall",
    "transformation_quality",
    EXACT_MATCH,
    GRIDS,
)
"""Metrics that are logged per category, in every form that is logged at all."""


class ArcModule(LightningModule):
    """Train and evaluate one arm of the ARC ladder; metrics are declared in `metrics.py`.

    The optimizer and its schedule are not chosen here. The four predictors have no parameters:
    they can be validated, not trained.

    Args:
        arch: Arm of the ladder, or a parameter-free predictor.
        flavour: "corrected", or "faithful" with the defects of the published runs; `build.py`
            lists the differences.
        d_model: Width of the token vectors: a multiple of `heads`, and of 4 with Grid2D.
        d_ff: Width of the feed-forward layers.
        heads: Attention heads.
        encoder_layers: Encoder layers; not used by decoder-only arms.
        decoder_layers: Decoder layers.
        dropout: Rate behind embedding and positions; not used by the faithful decoder-only arms.
        encoder_dropout: Rate within the encoder; not used by decoder-only arms.
        decoder_dropout: Rate within the decoder.
        context_d_model: Width of the context encoder: a multiple of `context_heads` and of 4.
            This and the other context arguments are used by context_only and champion.
        context_heads: Attention heads of the context encoder.
        context_dropout: Rate within the context encoder.
        context_ff: Width of the feed-forward layer of the context encoder.
        exact_match_examples: Validation examples written without a teacher in every epoch, evenly
            spread over the validation set and always the same for a given number of devices; 0
            writes none.
        per_category: Log main metrics per task category too.

    Raises:
        ValueError: An argument is unknown, out of range or does not fit the others.
    """

    def __init__(
        self,
        *,
        arch: Arch,
        flavour: Flavour = "corrected",
        d_model: int = 64,
        d_ff: int = 256,
        heads: int = 4,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        dropout: float = 0.0,
        encoder_dropout: float = 0.0,
        decoder_dropout: float = 0.0,
        context_d_model: int = 32,
        context_heads: int = 8,
        context_dropout: float = 0.0,
        context_ff: int = 2048,
        exact_match_examples: int = 0,
        per_category: bool = False,
    ) -> None:
        super().__init__()
        if exact_match_examples < 0:
            raise ValueError(f"exact_match_examples must be at least 0; got {exact_match_examples}")
        self.save_hyperparameters()
        sizes = Sizes(
            d_model=d_model,
            d_ff=d_ff,
            heads=heads,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            dropout=dropout,
            encoder_dropout=encoder_dropout,
            decoder_dropout=decoder_dropout,
            context_d_model=context_d_model,
            context_heads=context_heads,
            context_dropout=context_dropout,
            context_ff=context_ff,
        )
        self.network = build_network(arch, flavour, sizes)
        self.faithful = flavour == "faithful"
        self.parts = ARMS.get(arch, Parts())
        self.exact_match_examples = exact_match_examples
        self.per_category = per_category
        self.totals = Totals()
        self.seen = 0
        self.chosen: list[ArcBatch] = []
        self.category_of_task: Tensor
        categories = torch.tensor(category_index_of_task())
        self.register_buffer("category_of_task", categories, persistent=False)

    def forward(self, batch: ArcBatch) -> Tensor:
        """Return the logits of the output cells under teacher forcing, (B, T, V)."""
        scores: Scores = self.network(batch)
        return scores.logits_BTV

    def training_step(self, batch: ArcBatch, batch_idx: int) -> Tensor | None:  # noqa: ARG002
        """Return the loss; None where the published arm skips the batch."""
        if self._skips(batch):
            return None
        loss = self._example_losses(self.network.objective(batch)[0]).mean()
        size = len(batch.task_B)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the examples of the epoch before."""
        self.totals.clear()
        self.chosen.clear()
        self.seen = 0

    def validation_step(self, batch: ArcBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Collect the values of each example, and the examples to be written without a teacher."""
        self._choose(batch)
        if not self._skips(batch):
            self.totals.update(self._values(batch), batch.task_B)

    def on_validation_epoch_end(self) -> None:
        """Write the chosen examples, then log every metric once."""
        self._write_chosen()
        means = [*MEANS, *([EXACT_MATCH] if self.exact_match_examples else [])]
        ratios = ["cell_accuracy_pooled"]
        if isinstance(self.network, LeakyDecoderOnly):
            means += SEQUENCE_MEANS
            ratios.append("cell_accuracy_pooled_sequence")
        elif self.faithful:
            means += PUBLISHED_MEANS
        names = [*means, *(total for ratio in ratios for total in RATIOS[ratio])]
        sums, counts = self._by_category(names)
        for name, value in _summary(means, ratios, names, sums.sum(1), counts.sum(1)).items():
            self._log(f"val_{name}", value)
        if self.per_category:
            for column, category in enumerate(CATEGORIES):
                own = _summary(means, ratios, names, sums[:, column], counts[:, column])
                for name, value in own.items():
                    if _plain(name) in PER_CATEGORY:
                        self._log(f"val_{name}/{category}", value)

    def group_metrics(self) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        """Return (mean, examples) of the accuracies in each task and category of the validation."""
        names = [*ACCURACIES, *([EXACT_MATCH] if self.exact_match_examples else [])]
        by_grouping = {
            "task": (TASK_NAMES, self._by_task(names)),
            "category": (CATEGORIES, self._by_category(names)),
        }
        return {
            grouping: {
                f"val_{name}": {
                    group: (total / int(count), int(count))
                    for group, total, count in zip(groups, row, counted, strict=True)
                    if count > 0
                }
                for name, row, counted in zip(names, sums.tolist(), counts.tolist(), strict=True)
            }
            for grouping, (groups, (sums, counts)) in by_grouping.items()
        }

    # What the module says of itself, to be tested

    def example_losses(self, batch: ArcBatch) -> Tensor:
        """Return the mean cross-entropy over each example's own scored positions, (B,)."""
        scores = self.network.objective(batch)[0]
        return example_cross_entropy(scores.logits_BTV, scores.labels_BT)

    def chance_loss(self, batch: ArcBatch) -> float:
        """Return the cross-entropy of a uniform guess."""
        return math.log(self(batch).shape[-1])

    def autoregression(self, batch: ArcBatch) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the cells to be predicted, (B, T), and the logits for them given other cells.

        Cells that the convention gives away are not among them.
        """
        first = self.network.convention.first_cell
        given_BT = batch.target_BT[:, :first]

        def logits(cells_BT: Tensor) -> Tensor:
            altered: Tensor = self(replace(batch, target_BT=torch.cat([given_BT, cells_BT], 1)))
            return altered[:, -cells_BT.shape[1] :]

        return batch.target_BT[:, first:], logits

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the parts are named for."""
        network = self.network
        if isinstance(network, Predictor):
            return {}
        tests: dict[str, Callable[[], str | None]] = {
            "every cell is predicted": partial(every_cell_is_predicted, network)
        }
        if self.parts.grid2d:
            tests["coordinates"] = partial(coordinates_are_true, network)
        if self.parts.perminv:
            tests["colour equivariance"] = partial(colours_commute, network)
        return tests

    def _skips(self, batch: ArcBatch) -> bool:
        """Return whether the published arm has nothing to predict here, and knows it."""
        guarded = self.faithful and not (self.parts.scores_empty or self.parts.decoder_only)
        shortest = 1 if self.parts.reads_answer else 2
        return guarded and batch.target_BT.shape[1] < shortest

    def _example_losses(self, scores: Scores) -> Tensor:
        if self.faithful:
            loss = batch_cross_entropy(scores.logits_BTV, scores.labels_BT)
            return loss.expand(len(scores.labels_BT))
        return example_cross_entropy(scores.logits_BTV, scores.labels_BT)

    def _values(self, batch: ArcBatch) -> dict[str, Tensor]:
        objective, cells = self.network.objective(batch)
        labels_BT, predicted_BT = cells.labels_BT, cells.logits_BTV.argmax(-1)
        grid_B = grid_correct(predicted_BT, labels_BT)
        accuracy_B = cell_accuracy(predicted_BT, labels_BT)
        length = labels_BT.shape[1]
        source_BT = source_at_target(
            batch.source_BS,
            batch.source_size_B2,
            batch.target_size_B2,
            batch.target_BT.shape[1] - length,
            length,
        )
        comparable_BT = scored(labels_BT) & scored(source_BT)
        changes = transformation(predicted_BT, labels_BT, source_BT, comparable_BT)
        values = {
            "loss": self._example_losses(objective),
            "grid_accuracy": grid_B,
            "cell_accuracy": accuracy_B,
            "correct_cells": correct_cells(predicted_BT, labels_BT),
            "cells": scored(labels_BT).sum(1),
            **changes,
            "transformation_quality": changes["transformation_f1"] * accuracy_B,
            "dense_grid_objective": dense_grid_objective(grid_B, accuracy_B),
        }
        if self.faithful:
            accuracy = batch_cell_accuracy(predicted_BT, labels_BT)
            values["cell_accuracy_batch"] = accuracy.expand(len(labels_BT))
        if isinstance(self.network, LeakyDecoderOnly):
            read_BL = torch.cat([batch.source_BS[:, :1], objective.labels_BT[:, :-1]], 1)
            said_BL = objective.logits_BTV.argmax(-1)
            values |= sequence_values(said_BL, objective.labels_BT, read_BL)
        elif self.faithful:
            published_BT = published_source(batch.source_BS, batch.target_BT.shape[1], length)
            values |= published_transformation(predicted_BT, labels_BT, published_BT)
        return values

    def _choose(self, batch: ArcBatch) -> None:
        """Keep every example at which the share of chosen ones passes a whole number."""
        dataset = getattr(self.trainer.val_dataloaders, "dataset", None)
        size = len(dataset) if isinstance(dataset, Sized) else self.exact_match_examples
        wanted = min(self.exact_match_examples, size)
        rows = []
        for row in range(len(batch.task_B)):
            number = self.seen + row
            if (number + 1) * wanted // max(size, 1) > number * wanted // max(size, 1):
                rows.append(row)
        self.seen += len(batch.task_B)
        self.chosen += examples(batch, rows)

    def _write_chosen(self) -> None:
        self.chosen.sort(key=lambda example: example.target_BT.shape[1])
        for start in range(0, len(self.chosen), DECODE_BATCH):
            batch = merge(self.chosen[start : start + DECODE_BATCH])
            written_BT = self.network.generate(batch)
            exact_B = ((written_BT == batch.target_BT) | (batch.target_BT == PAD)).all(1)
            self.totals.update({EXACT_MATCH: exact_B}, batch.task_B)

    def _by_category(self, names: list[str]) -> tuple[Tensor, Tensor]:
        """Return sums and counts of values in each category, both (len(names), categories)."""
        groups, reduce = len(CATEGORIES), self._sum_across_processes
        return self.totals.compute(names, self.category_of_task, groups, reduce)

    def _by_task(self, names: list[str]) -> tuple[Tensor, Tensor]:
        """Return sums and counts of values in each task, both (len(names), tasks)."""
        tasks = torch.arange(len(TASK_NAMES), device=self.device)
        return self.totals.compute(names, tasks, len(TASK_NAMES), self._sum_across_processes)

    def _sum_across_processes(self, values: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return values
        gathered = self.all_gather(values)
        if not isinstance(gathered, Tensor):
            raise TypeError("all_gather of a tensor did not return one")
        return gathered.sum(0)

    def _log(self, name: str, value: Tensor) -> None:
        self.log(name, value.float(), prog_bar=name in {"val_loss", "val_grid_accuracy"})


def _summary(
    means: Sequence[str], ratios: Sequence[str], names: Sequence[str], sums: Tensor, counts: Tensor
) -> dict[str, Tensor]:
    """Return the metrics that have a value: means, ratios of totals, and the number of grids.

    `sums` and `counts` are those of `names`, in their order.
    """
    total = dict(zip(names, sums, strict=True))
    count = dict(zip(names, counts, strict=True))
    values = {name: total[name] / count[name] for name in means if count[name] > 0}
    for ratio in ratios:
        part, whole = RATIOS[ratio]
        if total[whole] > 0:
            values[ratio] = total[part] / total[whole]
    if count["grid_accuracy"] > 0:
        values[GRIDS] = count["grid_accuracy"]
    return values


def _plain(name: str) -> str:
    """Return the name of a metric without the form in which it is counted."""
    return name.removesuffix("_padded").removesuffix("_sequence")
