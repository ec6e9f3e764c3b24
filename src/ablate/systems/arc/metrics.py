"""Metrics of ARC arms, each with one declared aggregation.

For one example: `y` are the labels, `p` the most probable tokens, `M` the scored positions
(label not PAD), `x` the source cell at the same row and column as `y`, `O` the part of `M` where
there is such a cell. "Mean" is over examples, each with the same weight; an example without a
scored cell (faithful, one-cell output) counts 0.

Both flavours:

| name                       | per example                                      | aggregation     |
|----------------------------|--------------------------------------------------|-----------------|
| val_grid_accuracy          | 1 if p = y on all of M                           | mean            |
| val_cell_accuracy          | share of M where p = y                           | mean            |
| val_cell_accuracy_pooled   | correct cells, cells                             | ratio of totals |
| val_copy_rate              | share of O where p = x                           | mean            |
| val_change_recall          | #(p != x, y != x) / #(y != x) on O; 1 if 0/0     | mean            |
| val_change_precision       | #(p != x, y != x) / #(p != x) on O; 1 if 0/0     | mean            |
| val_transformation_f1      | 2PR / (P + R + 1e-8) of the two above            | mean            |
| val_transformation_quality | f1 x cell accuracy                               | mean            |
| val_dense_grid_objective   | 0.8 [cell accuracy >= 0.95] + 0.2 grid accuracy  | mean            |
| val_exact_match            | 1 if the grid written without a teacher is y     | mean of written |
| val_loss, train_loss       | corrected: mean cross-entropy on M               | mean            |
|                            | faithful: that of the batch, over all its M      | mean            |

Change precision asks "changed where a change was due", not "changed correctly". In the published
decoder-only arms the loss covers the input grid too; the other rows score output cells only.
The loss of a predictor is that of its smoothed answers, see `predictors.py`. `val_grids` is how
many examples the means are over: the published arms pass over batches without a cell to predict.

Faithful only, as published; these depend on the composition of the batches:

| name                       | per example                                       | aggregation     |
|----------------------------|---------------------------------------------------|-----------------|
| val_cell_accuracy_batch    | correct cells / (cells + 1e-6) of the batch       | mean            |
| val_copy_rate_padded, val_change_recall_padded, val_change_precision_padded,                 |||
| val_transformation_f1_padded, val_transformation_quality_padded                              |||
|                            | as above, on all positions of the padded overlap  | mean            |
|                            | of labels and source, the source misaligned by    |                 |
|                            | one unless both are padded to the same length;    |                 |
|                            | all 0 if the overlap is empty                     |                 |

The published decoder-only arms are scored on the whole sequence, the input grid included. They
have no `*_padded`; in their place, with y the sequence after its first token:

| name                       | per example                                       | aggregation     |
|----------------------------|---------------------------------------------------|-----------------|
| val_grid_accuracy_sequence | 1 if p = y on all of M                            | mean            |
| val_cell_accuracy_batch_sequence  | correct tokens / (tokens + 1e-6) of the batch | mean         |
| val_cell_accuracy_pooled_sequence | correct tokens, tokens                     | ratio of totals |
| val_copy_rate_sequence, val_change_recall_sequence, val_change_precision_sequence,           |||
| val_transformation_f1_sequence, val_transformation_quality_sequence                          |||
|                            | as above, on all positions, padding included;     | mean            |
|                            | x is the token read there, the one before y       |                 |

Means by group (`ArcModule.group_metrics`) are those of grid accuracy, cell accuracy and exact match
over the examples of each task, and of each category of tasks.

With `per_category`, `val_grid_accuracy/S3` and the like hold the value over the examples of one
category: grid accuracy, cell accuracy (also pooled), copy rate, change recall and transformation
quality, in every form that is logged, exact match and the number of grids.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ablate.systems.arc.batches import PAD
from ablate.systems.arc.models.positions import coordinates


def scored(labels_BT: Tensor) -> Tensor:
    """Return where a label counts."""
    return labels_BT != PAD


def correct_cells(predicted_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Count the scored positions that are right, per example."""
    return ((predicted_BT == labels_BT) & scored(labels_BT)).sum(1)


def grid_correct(predicted_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Return 1 where an example has scored positions and all are right, else 0."""
    cells_B = scored(labels_BT).sum(1)
    return ((correct_cells(predicted_BT, labels_BT) == cells_B) & (cells_B > 0)).float()


def cell_accuracy(predicted_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Return the share of scored positions that are right, per example; 0 if there are none."""
    return correct_cells(predicted_BT, labels_BT) / scored(labels_BT).sum(1).clamp(min=1)


def batch_cell_accuracy(predicted_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Return correct cells / (cells + 1e-6) of a whole batch, a scalar."""
    return correct_cells(predicted_BT, labels_BT).sum() / (scored(labels_BT).sum() + 1e-6)


def dense_grid_objective(grid_correct_B: Tensor, cell_accuracy_B: Tensor) -> Tensor:
    """Return 0.8 [cell accuracy >= 0.95] + 0.2 grid accuracy, per example."""
    return 0.8 * (cell_accuracy_B >= 0.95).float() + 0.2 * grid_correct_B


def example_cross_entropy(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Return the mean cross-entropy over the scored positions of each example; 0 if none."""
    loss_BT = functional.cross_entropy(
        logits_BTV.transpose(1, 2), labels_BT, ignore_index=PAD, reduction="none"
    )
    return loss_BT.sum(1) / scored(labels_BT).sum(1).clamp(min=1)


def batch_cross_entropy(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Return the mean cross-entropy over the scored positions of a batch; NaN if there are none."""
    return functional.cross_entropy(logits_BTV.flatten(0, 1), labels_BT.flatten(), ignore_index=PAD)


def transformation(
    predicted_BT: Tensor, labels_BT: Tensor, source_BT: Tensor, where_BT: Tensor
) -> dict[str, Tensor]:
    """Compare what was changed with what had to be changed, at the positions `where_BT`.

    Return copy_rate, change_recall, change_precision and transformation_f1 per example. Ratios
    with an empty denominator are 1; the copy rate of an empty set is 0.
    """
    changed_BT = (predicted_BT != source_BT) & where_BT
    due_BT = (labels_BT != source_BT) & where_BT
    both_B = (changed_BT & due_BT).sum(1)
    recall_B = _ratio_or_one(both_B, due_BT.sum(1))
    precision_B = _ratio_or_one(both_B, changed_BT.sum(1))
    copied_B = ((predicted_BT == source_BT) & where_BT).sum(1)
    return {
        "copy_rate": copied_B / where_BT.sum(1).clamp(min=1),
        "change_recall": recall_B,
        "change_precision": precision_B,
        "transformation_f1": 2 * precision_B * recall_B / (precision_B + recall_B + 1e-8),
    }


def _ratio_or_one(part_B: Tensor, whole_B: Tensor) -> Tensor:
    return torch.where(whole_B == 0, 1.0, part_B / whole_B.clamp(min=1))


def source_at_target(
    source_BS: Tensor, source_size_B2: Tensor, target_size_B2: Tensor, first: int, length: int
) -> Tensor:
    """Return the source cell at the row and column of each output cell, PAD outside the source.

    The cells are first .. first + length - 1; the shape is (B, length).
    """
    row_BT, column_BT = coordinates(first, length, target_size_B2)
    height_B1, width_B1 = source_size_B2[:, :1], source_size_B2[:, 1:]
    inside_BT = (row_BT < height_B1) & (column_BT < width_B1)
    index_BT = (row_BT * width_B1 + column_BT).masked_fill(~inside_BT, 0)
    return source_BS.gather(1, index_BT).masked_fill(~inside_BT, PAD)


def published_source(source_BS: Tensor, padded_target: int, length: int) -> Tensor:
    """Return the source as published for `length` labels of a target padded to `padded_target`.

    The first cell is dropped if source and target are padded to the same length; otherwise it is
    kept, which misaligns the source by one.
    """
    first = 1 if source_BS.shape[1] == padded_target else 0
    return source_BS[:, first : first + length]


def published_transformation(
    predicted_BT: Tensor, labels_BT: Tensor, source_BT: Tensor
) -> dict[str, Tensor]:
    """Return the transformation metrics as published, padding included, named `*_padded`."""
    length = min(labels_BT.shape[1], source_BT.shape[1])
    predicted, labels, source = (t[:, :length] for t in (predicted_BT, labels_BT, source_BT))
    values = transformation(predicted, labels, source, torch.ones_like(labels, dtype=torch.bool))
    if length == 0:
        values = {name: torch.zeros_like(value) for name, value in values.items()}
    accuracy_B = cell_accuracy(predicted_BT, labels_BT)
    values["transformation_quality"] = values["transformation_f1"] * accuracy_B
    return {f"{name}_padded": value for name, value in values.items()}


def sequence_values(predicted_BL: Tensor, labels_BL: Tensor, read_BL: Tensor) -> dict[str, Tensor]:
    """Return the metrics of whole sequences as published, padding included, named `*_sequence`.

    `read_BL` are the tokens read, which are also what a change is a change from.
    """
    everywhere_BL = torch.ones_like(labels_BL, dtype=torch.bool)
    changes = transformation(predicted_BL, labels_BL, read_BL, everywhere_BL)
    accuracy_B = cell_accuracy(predicted_BL, labels_BL)
    of_batch = batch_cell_accuracy(predicted_BL, labels_BL)
    values = {
        "grid_accuracy": grid_correct(predicted_BL, labels_BL),
        "cell_accuracy_batch": of_batch.expand(len(labels_BL)),
        "correct_cells": correct_cells(predicted_BL, labels_BL),
        "cells": scored(labels_BL).sum(1),
        **changes,
        "transformation_quality": changes["transformation_f1"] * accuracy_B,
    }
    return {f"{name}_sequence": value for name, value in values.items()}


def batch_mean_accuracy(correct_N: Tensor, batch_size: int) -> float:
    """Return the unweighted mean of per-batch accuracies.

    A defective aggregation, kept because published searches used it: it depends on the batch size
    and on the order of the examples.
    """
    batches = torch.split(correct_N.double(), batch_size)
    return torch.stack([batch.mean() for batch in batches]).mean().item()


class Totals:
    """Collect values of examples and average them once, whatever the batches were."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}
        self.members: dict[str, list[Tensor]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.values.clear()
        self.members.clear()

    def update(self, values: dict[str, Tensor], member_B: Tensor) -> None:
        """Add one value per example and name, with what each example is of (its task)."""
        for name, value_B in values.items():
            self.values.setdefault(name, []).append(value_B.detach().float())
            self.members.setdefault(name, []).append(member_B)

    def compute(
        self,
        names: list[str],
        group_M: Tensor,
        groups: int,
        reduce: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return sums and counts of each name in each group, both (len(names), groups).

        `group_M` has the group of every member. `reduce` adds a tensor up across processes. Names
        without values, which another process may have, sum to 0.
        """
        dtype = torch.float32 if group_M.device.type == "mps" else torch.float64
        both = torch.zeros(2, len(names), groups, dtype=dtype, device=group_M.device)
        for row, name in enumerate(names):
            if name in self.values:
                value_N = torch.cat(self.values[name]).to(dtype)
                group_N = group_M[torch.cat(self.members[name])]
                both[0, row].index_add_(0, group_N, value_N)
                both[1, row].index_add_(0, group_N, torch.ones_like(value_N))
        sums, counts = reduce(both)
        return sums, counts
