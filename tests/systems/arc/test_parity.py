"""The published arms against a second implementation in numpy, and against golden numbers.

All parameters and cells are given by formulas. `python -m tests.systems.arc.test_parity` prints the
numbers of the numpy implementation, which are those of golden.json.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ablate.systems.arc.batches import ArcBatch
from ablate.systems.arc.models.build import ARMS
from ablate.systems.arc.module import ArcModule
from ablate.systems.arc.sequences import merge
from ablate.systems.arc.tasks import CATEGORIES, category_index_of_task
from tests.systems import plain
from tests.systems.arc.test_module import trainer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GOLDEN = Path(__file__).with_name("golden.json")
PAD = 10
WIDTH, HEADS, CONTEXT_WIDTH, CONTEXT_HEADS = 16, 2, 8, 2
TINY = {
    "d_model": WIDTH,
    "d_ff": 24,
    "heads": HEADS,
    "decoder_layers": 2,
    "context_d_model": CONTEXT_WIDTH,
    "context_heads": CONTEXT_HEADS,
    "context_ff": 12,
}
DECODER_ONLY = {"seed_decoder_only", "baseline"}
GRID2D = {"grid2d", "champion", "seed_champion"}
CONTEXT = {"context_only", "champion", "seed_champion"}
READS_ANSWER = {"seed_encoder_decoder", "seed_champion"}

SHAPES = [
    [((2, 3), (2, 3)), ((3, 2), (1, 4)), ((1, 5), (2, 2))],
    [((2, 2), (3, 3)), ((1, 3), (1, 1)), ((2, 4), (2, 2))],
    [((2, 2), (1, 1)), ((3, 1), (1, 1))],
]
"""Sizes of source and target of the examples of each batch; the last one has single cells alone."""


# Cells by formula


def source(example: int, shape: tuple[int, int]) -> list[int]:
    return [(example + 3 * j * j + j) % 10 for j in range(math.prod(shape))]


def target(example: int, shape: tuple[int, int]) -> list[int]:
    return [(2 * example + j * (j + 1)) % 10 for j in range(math.prod(shape))]


def context(example: int) -> np.ndarray:
    """Return two pairs of 2 x 3 grids, (input or output, pair, row, column); one is 2 x 2."""
    role, pair, row, column = np.indices((2, 2, 2, 3))
    grids = (example + 4 * role + pair + 2 * row + 3 * column * column) % 10
    grids[0, 1, :, 2] = PAD
    return grids


def numbered() -> list[list[tuple[int, tuple[int, int], tuple[int, int]]]]:
    """Number the examples through all batches."""
    number, found = 0, []
    for shapes in SHAPES:
        found.append([(number + e, *pair) for e, pair in enumerate(shapes)])
        number += len(shapes)
    return found


def tensors(example: int, of: tuple[int, int], to: tuple[int, int]) -> ArcBatch:
    shown = torch.from_numpy(context(example))[:, None]
    return ArcBatch(
        source_BS=torch.tensor([source(example, of)]),
        source_size_B2=torch.tensor([of]),
        target_BT=torch.tensor([target(example, to)]),
        target_size_B2=torch.tensor([to]),
        context_inputs_BKHW=shown[0],
        context_outputs_BKHW=shown[1],
        task_B=torch.tensor([example]),
        index_B=torch.tensor([0]),
    )


BATCHES = [merge([tensors(*each) for each in examples]) for examples in numbered()]


def padded(rows: list[list[int]]) -> np.ndarray:
    """Put rows into one array, PAD behind the shorter ones."""
    longest = max(map(len, rows))
    return np.array([row + [PAD] * (longest - len(row)) for row in rows])


# The arms, a second time


def positions(arch: str, length: int, width: int) -> np.ndarray:
    if arch not in GRID2D:
        return np.stack([plain.sinusoid(k, width) for k in range(length)])
    return np.stack(
        [
            np.concatenate(
                [plain.sinusoid(k // 30, width // 2), plain.sinusoid(k % 30, width // 2)]
            )
            for k in range(length)
        ]
    )


def layers(p: plain.Parameters, prefix: str) -> list[dict[str, np.ndarray]]:
    own = plain.below(p, f"{prefix}.layers")
    return [plain.below(own, str(n)) for n in sorted({int(name.split(".")[0]) for name in own})]


def context_vectors(p: plain.Parameters, examples: list[int]) -> np.ndarray:
    """Turn the pairs of each example into one vector."""
    found = []
    for example in examples:
        grids = context(example).reshape(4, 6)  # both inputs, then both outputs
        place = positions("champion", 6, CONTEXT_WIDTH)
        x = p["embedding.weight"][grids] * math.sqrt(CONTEXT_WIDTH) + place
        x = plain.post_norm_layer(x, plain.below(p, "layer"), CONTEXT_HEADS)
        real = grids != PAD
        vectors = np.stack([x[g][real[g]].mean(0) for g in range(4)])
        vectors = vectors + p["slots.weight"][:4] + p["roles.weight"][[0, 0, 1, 1]]
        shown, made = vectors[:2], vectors[2:]
        pair = made + plain.packed_attention(
            made, shown, plain.below(p, "attention"), CONTEXT_HEADS
        )
        weight = plain.softmax((np.tanh(pair) @ p["score.weight"].T)[:, 0])
        found.append(weight @ pair)
    return np.stack(found)


def encoder_decoder_logits(arch: str, p: plain.Parameters, examples, src, read) -> np.ndarray:
    table = p["embedding.weight"] * math.sqrt(WIDTH)
    memory = table[src] + positions(arch, src.shape[1], WIDTH)
    for layer in layers(p, "encoder"):
        memory = plain.encoder_layer(memory, layer, HEADS)
    x = table[read]
    if read.shape[1]:
        x = x + positions(arch, read.shape[1], WIDTH)
    for layer in layers(p, "decoder"):
        x = plain.decoder_layer(x, memory, layer, HEADS)
    if arch in CONTEXT:
        vectors = context_vectors(plain.below(p, "context"), examples)
        beside = np.repeat(vectors[:, None], x.shape[1], axis=1)
        x = plain.linear(np.concatenate([x, beside], -1), plain.below(p, "bridge.project"))
        x = plain.layer_norm(plain.relu(x), plain.below(p, "bridge.norm"))
    return plain.linear(x, plain.below(p, "head"))


def decoder_only_logits(p: plain.Parameters, read: np.ndarray) -> np.ndarray:
    x = memory = p["embedding.weight"][read]
    for layer in layers(p, "decoder"):
        x = plain.decoder_layer(x, memory, layer, HEADS)
    return x @ p["embedding.weight"].T


# The metrics, a second time


def share(part: int, whole: int, empty: float) -> float:
    return part / whole if whole else empty


def changes(said, due, before) -> dict[str, float]:
    """Compare what was changed with what had to be, over every position given."""
    if not len(due):
        return dict.fromkeys(
            ("copy_rate", "change_recall", "change_precision", "transformation_f1"), 0.0
        )
    both = sum(s not in {p, y} for p, y, s in zip(said, due, before, strict=True))
    recall = share(both, sum(y != s for y, s in zip(due, before, strict=True)), 1.0)
    precision = share(both, sum(p != s for p, s in zip(said, before, strict=True)), 1.0)
    copied = sum(p == s for p, s in zip(said, before, strict=True))
    return {
        "copy_rate": copied / len(due),
        "change_recall": recall,
        "change_precision": precision,
        "transformation_f1": 2 * precision * recall / (precision + recall + 1e-8),
    }


def batch_values(said, due, before, losses) -> list[dict[str, float]]:
    """Return the published metrics of each example; `losses` are those of the scored tokens."""
    scored = [[t for t, y in enumerate(row) if y != PAD] for row in due]
    right = [sum(p[t] == y[t] for t in at) for p, y, at in zip(said, due, scored, strict=True)]
    cells = [len(at) for at in scored]
    of_batch = sum(right) / (sum(cells) + 1e-6)
    loss = sum(losses) / len(losses) if losses else math.nan
    found = []
    for row, (good, count) in enumerate(zip(right, cells, strict=True)):
        length = min(len(due[row]), len(before[row]))
        own = changes(said[row][:length], due[row][:length], before[row][:length])
        own["transformation_quality"] = own["transformation_f1"] * share(good, count, 0.0)
        own |= {"right": good, "cells": count, "loss": loss, "cell_accuracy_batch": of_batch}
        found.append({**own, "grid_accuracy": float(count > 0 and good == count)})
    return found


def metrics_of(values: list[dict[str, float]]) -> dict[str, float]:
    """Average over examples, but for the pooled cells."""
    names = set(values[0]) - {"right", "cells"}
    means = {name: sum(v[name] for v in values) / len(values) for name in names}
    cells = sum(v["cells"] for v in values)
    if cells:
        means["cell_accuracy_pooled"] = sum(v["right"] for v in values) / cells
    return {**means, "grids": len(values)}


def published_names(arch: str) -> dict[str, str]:
    """Map the names above to those that are logged."""
    plain_names = ["loss", "grids"]
    whole = ["grid_accuracy", "cell_accuracy_batch", "cell_accuracy_pooled"]
    moved = [
        *("copy_rate", "change_recall", "change_precision", "transformation_f1"),
        "transformation_quality",
    ]
    if arch in DECODER_ONLY:
        suffixed = {name: f"val_{name}_sequence" for name in [*whole, *moved]}
    else:
        suffixed = {name: f"val_{name}" for name in whole}
        suffixed |= {name: f"val_{name}_padded" for name in moved}
    return {**{name: f"val_{name}" for name in plain_names}, **suffixed}


# Logits and metrics of all batches

Logits = list[np.ndarray]


def tokens(arch: str, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what an arm reads, what it has to say, and what a change is a change from."""
    examples = numbered()[batch]
    sources = [source(e, of) for e, of, _ in examples]
    targets = [target(e, to) for e, _, to in examples]
    if arch in DECODER_ONLY:
        whole = padded([[*s, PAD, *t] for s, t in zip(sources, targets, strict=True)])
        return whole[:, :-1], whole[:, 1:], whole[:, :-1]
    src, tgt = padded(sources), padded(targets)
    due = tgt if arch in READS_ANSWER else tgt[:, 1:]
    read = tgt if arch in READS_ANSWER else tgt[:, :-1]
    before = src[:, 1:] if src.shape[1] == tgt.shape[1] else src
    return read, due, before[:, : due.shape[1]]


def plain_logits(arch: str, p: plain.Parameters, batch: int) -> np.ndarray:
    examples = [number for number, _, _ in numbered()[batch]]
    read = tokens(arch, batch)[0]
    if arch in DECODER_ONLY:
        return decoder_only_logits(p, read)
    src = padded([source(e, of) for e, of, _ in numbered()[batch]])
    return encoder_decoder_logits(arch, p, examples, src, read)


def formula_logits(arch: str, batch: int) -> np.ndarray:
    """Return logits that are right about half of the time, whatever the arm computes."""
    _, due, before = tokens(arch, batch)
    rows, length = due.shape
    logits = np.zeros((rows, length, PAD + 1))
    for b in range(rows):
        for t in range(length):
            logits[b, t] = 0.3 * np.sin(1.0 + b + 2 * t + 3 * np.arange(PAD + 1))
            kind = (3 * b + 2 * t + batch) % 5
            if kind < 2 or (kind == 3 and t >= before.shape[1]):
                logits[b, t, due[b, t]] += 2
            elif kind == 3:
                logits[b, t, before[b, t]] += 2
    return logits


def is_passed_over(arch: str, batch: int) -> bool:
    """Say whether the published arm skips a batch: padded targets of one cell, and a guard."""
    unguarded = DECODER_ONLY | READS_ANSWER | {"grid2d"}
    longest = max(math.prod(to) for _, _, to in numbered()[batch])
    return arch not in unguarded and longest <= 1


def plain_values(arch: str, logits: Logits) -> list[tuple[int, dict[str, float]]]:
    """Return the number of each example that counts, and its values."""
    found: list[tuple[int, dict[str, float]]] = []
    for batch, given in enumerate(logits):
        if is_passed_over(arch, batch):
            continue
        _, due, before = tokens(arch, batch)
        losses = [
            plain.cross_entropy(given[b, t], due[b, t]) for b, t in np.argwhere(due != PAD).tolist()
        ]
        said = given.argmax(-1) if given.size else np.zeros(due.shape, dtype=int)
        numbers = [number for number, _, _ in numbered()[batch]]
        values = batch_values(said.tolist(), due.tolist(), before.tolist(), losses)
        found += zip(numbers, values, strict=True)
    return found


def plain_metrics(arch: str, logits: Logits) -> dict[str, float]:
    return metrics_of([values for _, values in plain_values(arch, logits)])


def module(arch: str) -> tuple[ArcModule, dict[str, np.ndarray]]:
    made = ArcModule(arch=arch, flavour="faithful", per_category=True, **TINY).eval()
    return made, plain.below(plain.fill(made), "network")


def logged(made: ArcModule) -> dict[str, float]:
    served = DataLoader(BATCHES, batch_size=None)
    return dict(trainer().validate(made, served, verbose=False)[0])


def golden_of(arch: str) -> dict[str, dict[str, float] | list[float]]:
    """Return the golden numbers of an arm, by the numpy implementation."""
    _, p = module(arch)
    computed = [plain_logits(arch, p, batch) for batch in range(len(BATCHES))]
    given = [formula_logits(arch, batch) for batch in range(len(BATCHES))]
    rounded = {
        "computed": plain_metrics(arch, computed),
        "given": plain_metrics(arch, given),
    }
    return {
        "logits": [round(float(x), 7) for x in computed[0][1, -1]],
        **{k: {n: round(v, 7) for n, v in sorted(m.items())} for k, m in rounded.items()},
    }


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("arch", ARMS)
@torch.no_grad()
def test_logits_are_those_of_plain_numpy_and_the_golden_ones(arch, golden):
    made, p = module(arch)
    for number, batch in enumerate(BATCHES):
        computed = plain_logits(arch, p, number)
        np.testing.assert_allclose(
            made.network.objective(batch)[0].logits_BTV.numpy(), computed, atol=2e-6
        )
        if number == 0:
            assert computed[1, -1].tolist() == pytest.approx(golden[arch]["logits"], abs=1e-6)


@pytest.mark.parametrize("arch", ARMS)
def test_losses_and_metrics_are_those_of_plain_numpy_and_the_golden_ones(arch, golden):
    made, p = module(arch)
    computed = [plain_logits(arch, p, batch) for batch in range(len(BATCHES))]
    expected = plain_metrics(arch, computed)
    assert expected == pytest.approx(golden[arch]["computed"], abs=1e-6, nan_ok=True)
    found = logged(made)
    for name, published in published_names(arch).items():
        assert found[published] == pytest.approx(expected[name], abs=2e-6, nan_ok=True), name


@pytest.mark.parametrize("arch", ARMS)
def test_metrics_of_given_logits_are_those_of_plain_numpy_and_the_golden_ones(
    arch, golden, monkeypatch
):
    made, _ = module(arch)
    answers = iter(
        [n for n in range(len(BATCHES)) if not is_passed_over(arch, n)],
    )

    def answer(*_):
        return torch.from_numpy(formula_logits(arch, next(answers))).float()

    where = "score_sequence" if arch in DECODER_ONLY else "decode"
    monkeypatch.setattr(made.network, where, answer)
    given = [formula_logits(arch, batch) for batch in range(len(BATCHES))]
    expected = plain_metrics(arch, given)
    assert expected == pytest.approx(golden[arch]["given"], abs=1e-6, nan_ok=True)
    found = logged(made)
    for name, published in published_names(arch).items():
        assert found[published] == pytest.approx(expected[name], abs=2e-6, nan_ok=True), name
    by_category: dict[str, list[dict[str, float]]] = {}
    for number, values in plain_values(arch, given):
        category = CATEGORIES[category_index_of_task()[number]]
        by_category.setdefault(category, []).append(values)
    assert len(by_category) > 1
    for category, values in by_category.items():
        own = metrics_of(values)
        for name, published in published_names(arch).items():
            of_category = f"{published}/{category}"
            assert (of_category in found) == (name in own and name in PUBLISHED_TABLE)
            if of_category in found:
                assert found[of_category] == pytest.approx(own[name], abs=2e-6)


PUBLISHED_TABLE = {
    *("grids", "grid_accuracy", "cell_accuracy_pooled", "copy_rate", "change_recall"),
    "transformation_quality",
}


if __name__ == "__main__":
    print(json.dumps({arch: golden_of(arch) for arch in ARMS}, indent=1))
