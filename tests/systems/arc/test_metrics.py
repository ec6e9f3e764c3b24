"""The metrics of the ARC system, against numbers worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.arc.batches import PAD
from ablate.systems.arc.metrics import (
    Totals,
    batch_cell_accuracy,
    batch_cross_entropy,
    batch_mean_accuracy,
    cell_accuracy,
    correct_cells,
    dense_grid_objective,
    example_cross_entropy,
    grid_correct,
    published_source,
    published_transformation,
    scored,
    source_at_target,
    transformation,
)

LABELS = torch.tensor([[1, 2, 3, 4], [5, 6, PAD, PAD], [PAD, PAD, PAD, PAD]])
PREDICTED = torch.tensor([[1, 2, 3, 0], [5, 6, 7, 8], [PAD, PAD, 1, 2]])

grids = st.lists(st.integers(0, 9), min_size=1, max_size=12)


def test_grid_and_cell_accuracy_by_hand():
    assert correct_cells(PREDICTED, LABELS).tolist() == [3, 2, 0]
    assert grid_correct(PREDICTED, LABELS).tolist() == [0, 1, 0]
    assert cell_accuracy(PREDICTED, LABELS).tolist() == [0.75, 1, 0]


def test_batch_cell_accuracy_pools_the_cells_of_the_batch():
    assert batch_cell_accuracy(PREDICTED, LABELS).item() == pytest.approx(5 / (6 + 1e-6))


def test_dense_grid_objective_by_hand():
    grid, cell = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.96, 0.94])
    assert dense_grid_objective(grid, cell).tolist() == pytest.approx([1.0, 0.8, 0.0])


def test_cross_entropy_weighs_examples_or_cells():
    logits = torch.zeros(2, 4, 10)
    logits[0, :, 1] = math.log(11)  # probability 11/20 of colour 1, 1/20 of every other
    labels = torch.tensor([[1, 1, 1, 2], [3, PAD, PAD, PAD]])
    first = -(3 * math.log(11 / 20) + math.log(1 / 20)) / 4
    per_example = example_cross_entropy(logits, labels)
    assert per_example.tolist() == pytest.approx([first, math.log(10)])
    pooled = (4 * first + math.log(10)) / 5
    assert batch_cross_entropy(logits, labels).item() == pytest.approx(pooled)


def test_a_batch_without_scored_cells_has_no_loss_in_the_published_form():
    labels = torch.full((2, 3), PAD)
    assert batch_cross_entropy(torch.zeros(2, 3, 11), labels).isnan()
    assert batch_cross_entropy(torch.zeros(2, 0, 11), labels[:, :0]).isnan()


def test_transformation_by_hand():
    source = torch.tensor([[1, 1, 1, 1, 1]])
    labels = torch.tensor([[1, 2, 2, 2, 1]])
    predicted = torch.tensor([[1, 2, 3, 1, 4]])
    got = transformation(predicted, labels, source, torch.ones(1, 5, dtype=torch.bool))
    assert got["copy_rate"].item() == pytest.approx(2 / 5)
    assert got["change_recall"].item() == pytest.approx(2 / 3)
    assert got["change_precision"].item() == pytest.approx(2 / 3)
    assert got["transformation_f1"].item() == pytest.approx(2 / 3)


def test_transformation_counts_only_where_it_is_asked_to():
    source = torch.tensor([[1, 1, 1]])
    labels = torch.tensor([[1, 2, 9]])
    predicted = torch.tensor([[1, 2, 1]])
    got = transformation(predicted, labels, source, torch.tensor([[True, True, False]]))
    assert got["change_recall"].item() == 1
    assert got["copy_rate"].item() == pytest.approx(1 / 2)


def test_nothing_to_change_and_nothing_changed_is_perfect():
    same = torch.tensor([[3, 3]])
    got = transformation(same, same, same, torch.ones(1, 2, dtype=torch.bool))
    assert [got[name].item() for name in ("change_recall", "change_precision")] == [1, 1]
    assert got["transformation_f1"].item() == pytest.approx(1)


@given(labels=grids, data=st.data())
def test_a_right_answer_has_full_marks(labels, data):
    source = data.draw(st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels)))
    y, x = torch.tensor([labels]), torch.tensor([source])
    got = transformation(y, y, x, scored(y))
    assert grid_correct(y, y).item() == cell_accuracy(y, y).item() == 1
    assert got["change_recall"].item() == got["change_precision"].item() == 1
    assert got["copy_rate"].item() == pytest.approx((y == x).float().mean().item())


@given(labels=grids, data=st.data(), extra=st.integers(1, 5))
def test_padding_changes_no_metric_of_an_example(labels, data, extra):
    same = st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels))
    p, x, y = (torch.tensor([cells]) for cells in (data.draw(same), data.draw(same), labels))
    pad, junk = torch.full((1, extra), PAD), torch.full((1, extra), 3)
    p2, x2, y2 = torch.cat([p, junk], 1), torch.cat([x, pad], 1), torch.cat([y, pad], 1)
    assert grid_correct(p, y) == grid_correct(p2, y2)
    assert cell_accuracy(p, y) == cell_accuracy(p2, y2)
    plain, padded = transformation(p, y, x, scored(y)), transformation(p2, y2, x2, scored(y2))
    assert all(torch.equal(plain[name], padded[name]) for name in plain)


def test_source_is_found_at_the_same_row_and_column():
    source = torch.tensor([[1, 2, 3, 4, 5, 6]])  # 2 x 3
    sizes = torch.tensor([[2, 3]]), torch.tensor([[3, 2]])
    assert source_at_target(source, *sizes, 0, 6).tolist() == [[1, 2, 4, 5, PAD, PAD]]
    assert source_at_target(source, *sizes, 1, 5).tolist() == [[2, 4, 5, PAD, PAD]]
    wider = sizes[0], torch.tensor([[2, 4]])
    assert source_at_target(source, *wider, 0, 8).tolist() == [[1, 2, 3, PAD, 4, 5, 6, PAD]]


def test_published_source_is_misaligned_by_one_unless_the_lengths_agree():
    source = torch.tensor([[1, 2, 3, 4]])
    assert published_source(source, padded_target=4, length=3).tolist() == [[2, 3, 4]]
    assert published_source(source, padded_target=3, length=2).tolist() == [[1, 2]]
    assert published_source(source, padded_target=6, length=5).tolist() == [[1, 2, 3, 4]]


def test_published_transformation_depends_on_padding():
    labels, source = torch.tensor([[1, 2]]), torch.tensor([[1, 1]])
    predicted = torch.tensor([[1, 2]])
    pad = torch.full((1, 2), PAD)
    plain = published_transformation(predicted, labels, source)
    padded = published_transformation(
        *(torch.cat([grid, pad], 1) for grid in (predicted, labels, source))
    )
    assert plain["copy_rate_padded"].item() == pytest.approx(1 / 2)
    assert padded["copy_rate_padded"].item() == pytest.approx(3 / 4)
    assert plain["transformation_quality_padded"].item() == pytest.approx(1)


CLASS_SIZES = {"S1": 10, "S2": 7, "S3": 21, "C1": 19, "C2": 5, "K1": 1, "L1": 4, "A1": 1, "A2": 5}


@pytest.mark.parametrize(
    ("batch_size", "published"), [(8, 0.2625), (16, 0.2625), (32, 0.21875), (64, 0.1640625)]
)
def test_mean_of_batch_means_measures_the_batch_size(batch_size, published):
    """A constant answer, right for 21 of 73 sorted examples (28.77 %), gets four accuracies."""
    correct = torch.tensor(
        [name == "S3" for name, size in CLASS_SIZES.items() for _ in range(size)]
    )
    assert batch_mean_accuracy(correct, batch_size) == pytest.approx(published, abs=1e-9)


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    size=st.integers(1, 30),
)
def test_totals_do_not_depend_on_the_batch_size(values, size):
    value_N = torch.tensor(values)
    group_N = torch.arange(len(values)) % 3
    totals = Totals()
    for part, group in zip(torch.split(value_N, size), torch.split(group_N, size), strict=True):
        totals.update({"a": part}, group)
    each = torch.arange(3)
    sums, counts = totals.compute(["a", "never"], each, 3, lambda tensor: tensor)
    assert sums[0].sum().item() == pytest.approx(sum(values), abs=1e-5)
    assert counts[0].tolist() == [(group_N == group).sum().item() for group in range(3)]
    assert counts[1].tolist() == [0, 0, 0]
    merged, _ = totals.compute(["a"], torch.tensor([1, 0, 1]), 2, lambda tensor: tensor)
    first, second, third = sums[0].tolist()
    assert merged[0].tolist() == pytest.approx([second, first + third], abs=1e-5)


def test_totals_add_up_over_processes_and_forget_on_demand():
    totals, all_of_one = Totals(), torch.tensor([0])
    totals.update({"a": torch.tensor([1.0, 3.0])}, torch.tensor([0, 0]))
    sums, counts = totals.compute(["a"], all_of_one, 1, lambda tensor: 2 * tensor)
    assert (sums.item(), counts.item()) == (8, 4)
    totals.clear()
    assert totals.compute(["a"], all_of_one, 1, lambda tensor: tensor)[1].item() == 0
