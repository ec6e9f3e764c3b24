"""The data half of the world model system: bytes, records, splits, batches, data module."""

import re
from collections import Counter
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback

from ablate.systems.common.order import EpochOrder
from ablate.systems.worldmodel import WorldModelDataModule
from ablate.systems.worldmodel.data import collate_probes, collate_records
from ablate.systems.worldmodel.problems import LONGEST_PROMPT, REQUIRES, draw_problem
from ablate.systems.worldmodel.records import (
    IGNORED,
    Record,
    base_document,
    fine_tuning_records,
    make_record,
    probe_problems,
    training_count,
    truncated_indices,
)
from ablate.systems.worldmodel.tokenizer import END, PAD, VOCABULARY, decode, encode


def ready(**arguments):
    module = WorldModelDataModule(**arguments)
    module.setup()
    return module


# Bytes


@given(st.text().filter(lambda text: not {"\x00", "\x03"} & set(text)))
def test_text_survives_its_encoding(text):
    ids = encode(text)
    assert decode(ids) == decode([PAD, *ids, PAD, END, *ids]) == text
    assert all(0 < token < VOCABULARY for token in ids)


@pytest.mark.parametrize("text", ["a\x00", "\x03"])
def test_reserved_bytes_are_refused(text):
    with pytest.raises(ValueError, match="reserved"):
        encode(text)


@given(st.lists(st.integers(0, VOCABULARY - 1)))
def test_any_bytes_decode(ids):
    assert isinstance(decode(ids), str)


# Records


def test_a_record_is_prompt_answer_and_end():
    problem = draw_problem(42, 0)
    record = make_record(problem)
    assert decode(record.ids) == problem.prompt + problem.answer
    assert decode(record.prompt) == problem.prompt
    assert (record.ids[-1], record.ids.count(END), len(record)) == (END, 1, len(record.ids))


def test_the_prompt_is_masked_or_not():
    record = Record((1, 2), (5, 6, END))
    assert record.labels(mask_prompt=True) == (IGNORED, IGNORED, 5, 6, END)
    assert record.labels(mask_prompt=False) == (1, 2, 5, 6, END)


@given(st.integers(LONGEST_PROMPT + 1, 300))
def test_clipping_cuts_the_end_off(max_length):
    record = fine_tuning_records(1, 42)[0]
    clipped = record.clipped(max_length)
    assert clipped.ids == record.ids[:max_length]
    assert clipped.prompt == record.prompt
    assert clipped.answer


def test_a_truncated_answer_ends_before_the_model_is_closed():
    problem = draw_problem(42, 0)
    text = decode(make_record(problem, truncated=True).answer)
    assert problem.answer == f"{text}\n</model>\n<requires>{problem.requires}</requires>"


@pytest.mark.parametrize(
    ("count", "share", "cut"), [(184, 0.0, 0), (184, 0.45, 83), (1_346, 0.16, 215), (20, 1.0, 20)]
)
def test_the_share_of_truncated_records_is_exact(count, share, cut):
    assert len(truncated_indices(count, 42, share)) == cut
    whole, both = fine_tuning_records(count, 42), fine_tuning_records(count, 42, share)
    assert sum(left != right for left, right in zip(whole, both, strict=True)) == cut


def test_which_records_are_truncated_depends_on_the_seed():
    indices = [truncated_indices(1_000, seed, 0.5) for seed in (1, 2, 3)]
    assert len(set(indices)) == 3
    assert all(200 < sum(index < 500 for index in cut) < 300 for cut in indices)


@given(st.integers(1, 300), st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_more_truncation_truncates_more_records_beside_the_same(count, seed, one, other):
    low, high = sorted([one, other])
    assert truncated_indices(count, seed, low) <= truncated_indices(count, seed, high)


def test_base_documents_are_of_three_forms_and_never_show_the_answer():
    forms = Counter()
    for index in range(2_000):
        problem = draw_problem(7, index)
        ids = base_document(7, index)
        text = decode(ids)
        assert ids == [*encode(text), END]
        body = text.removeprefix(problem.prompt)
        bodies = {
            problem.thought: "thought",
            f"<think>{problem.thought}</think>": "tagged thought",
            problem.code: "code",
        }
        forms[bodies[body]] += 1
    for form, share in {"thought": 0.25, "tagged thought": 0.25, "code": 0.5}.items():
        assert abs(forms[form] / 2_000 - share) < 0.03


# Splits


@pytest.mark.parametrize(
    ("count", "share", "training"),
    [(184, 0.1, 165), (1_346, 0.15, 1_144), (1_346, 0.1, 1_211), (950, 0.15, 807), (10, 0.9, 1)],
)
def test_splits_have_their_published_sizes(count, share, training):
    assert training_count(count, share) == training


def test_the_split_follows_the_order_drawn():
    module = ready()
    whole = fine_tuning_records(184, 42)
    assert [*module.train_records, *module.val_records] == whole
    assert (len(module.train_records), len(module.val_records)) == (165, 19)


@pytest.mark.parametrize("eval_share", [0.15, 0.9])
def test_no_probe_prompt_is_a_training_prompt(eval_share):
    module = ready(records=1_346, eval_share=eval_share, probe_prompts=256)
    training = {decode(record.prompt) for record in module.train_records}
    assert len(module.probes) == 256
    assert training.isdisjoint(problem.prompt for problem in module.probes)
    drawn = [draw_problem(4242, index) for index in range(300)]
    kept = [problem for problem in drawn if problem.prompt not in training]
    assert len(kept) < 300
    assert list(module.probes) == kept[:256]


def test_probe_prompts_start_alike_whatever_their_number():
    assert probe_problems(10, 1, []) == probe_problems(64, 1, [])[:10]


# Batches


def test_records_are_padded_on_the_right_to_the_longest():
    batch = collate_records(
        [Record((65,), (66, 67, END)), Record((65, 66), (END,))], mask_prompt=True
    )
    assert batch.ids_BT.tolist() == [[65, 66, 67, END], [65, 66, END, PAD]]
    assert batch.labels_BT.tolist() == [
        [IGNORED, 66, 67, END],
        [IGNORED, IGNORED, END, IGNORED],
    ]
    assert batch.keep_BT.tolist() == [[True] * 4, [True, True, True, False]]
    assert (batch.ids_BT.dtype, batch.labels_BT.dtype) == (torch.int64, torch.int64)


def test_prompts_are_padded_on_the_left_to_the_longest():
    problems = [draw_problem(0, index) for index in range(8)]
    batch = collate_probes(problems)
    longest = max(len(problem.prompt) for problem in problems)
    assert batch.prompt_BT.shape == batch.keep_BT.shape == (8, longest)
    for row, problem in enumerate(problems):
        width = len(problem.prompt)
        assert batch.prompt_BT[row, longest - width :].tolist() == encode(problem.prompt)
        assert batch.prompt_BT[row, : longest - width].eq(PAD).all()
        assert batch.keep_BT[row].tolist() == [False] * (longest - width) + [True] * width
    assert batch.value_B.dtype == torch.float64
    assert batch.value_B.tolist() == [problem.value for problem in problems]
    assert [REQUIRES[number] for number in batch.requires_B] == [p.requires for p in problems]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_an_epoch_has_every_position_at_most_once(count, batch_size, epoch, drop_last):
    order = EpochOrder(count, batch_size, 3, drop_last=drop_last)
    order.set_epoch(epoch)
    batches = list(order)
    positions = list(chain.from_iterable(batches))
    assert len(order) == len(batches)
    assert len(set(positions)) == len(positions)
    dropped = count % batch_size if drop_last else 0
    assert len(positions) == count - dropped
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert batches == list(order)


def test_an_order_without_a_seed_is_that_of_the_records():
    order = EpochOrder(5, 2)
    order.set_epoch(3)
    assert list(order) == [[0, 1], [2, 3], [4]]


# Data module


def test_the_loaders_serve_batches_of_the_sizes_given():
    module = ready(batch_size=4, eval_batch_size=3, probe_batch_size=10, probe_prompts=25)
    train, (val, probes) = module.train_dataloader(), module.val_dataloader()
    assert [len(batch.ids_BT) for batch in train] == [4] * 41 + [1]
    assert [len(batch.ids_BT) for batch in val] == [3] * 6 + [1]
    assert [len(batch.prompt_BT) for batch in probes] == [10, 10, 5]
    assert len(ready(batch_size=4, drop_last=True).train_dataloader()) == 41


def test_the_evaluation_batches_hold_the_held_out_records_in_order():
    module = ready()
    val, probes = module.val_dataloader()
    rows = [row[row != PAD].tolist() for batch in val for row in batch.ids_BT]
    assert rows == [list(record.ids) for record in module.val_records]
    (batch,) = probes
    assert [decode(row) for row in batch.prompt_BT] == [p.prompt for p in module.probes]


@pytest.mark.parametrize("mask_prompt", [True, False])
def test_the_mask_reaches_training_and_evaluation(mask_prompt):
    module = ready(mask_prompt=mask_prompt)
    for loader in (module.train_dataloader(), module.val_dataloader()[0]):
        for batch in loader:
            assert batch.labels_BT[:, 0].eq(IGNORED).all() == mask_prompt


def test_clipping_and_truncation_reach_the_records():
    module = ready(max_length=160, truncated=0.45)
    manifest = module.manifest()
    assert max(map(len, module.train_records)) == 160
    assert manifest["truncated"] == 83
    assert manifest["clipped"] == sum(
        len(record) > 160 for record in fine_tuning_records(184, 42, 0.45)
    )
    assert (manifest["train_records"], manifest["val_records"]) == (165, 19)


def test_worker_processes_serve_the_same_batches():
    seed_everything(1)
    alone = ready(records=20).train_dataloader()
    helped = ready(records=20, num_workers=1).train_dataloader()
    for left, right in zip(alone, helped, strict=True):
        assert torch.equal(left.ids_BT, right.ids_BT)


def test_equal_fingerprints_mean_equal_data():
    base = ready().fingerprint()
    assert ready(batch_size=3, drop_last=True).fingerprint() == base
    assert ready(max_length=768).fingerprint() == base  # longer than any record
    changed = {
        "seed": {"seed": 1},
        "test_seed": {"test_seed": 1},
        "probe_prompts": {"probe_prompts": 65},
        "eval_share": {"eval_share": 0.15},
        "max_length": {"max_length": 192},
        "mask_prompt": {"mask_prompt": False},
        "truncated": {"truncated": 0.45},
    }
    prints = {name: ready(**how).fingerprint() for name, how in changed.items()}
    differing = {
        name: {split for split in base if found[split] != base[split]} - {"probe"}
        for name, found in prints.items()
    }
    both = {"train", "val"}
    assert differing == {
        "seed": both,
        "test_seed": set(),
        "probe_prompts": set(),
        "eval_share": both,
        "max_length": both,
        "mask_prompt": both,
        "truncated": both,
    }
    assert prints["test_seed"]["probe"] != base["probe"] != prints["probe_prompts"]["probe"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"records": 1},
        {"batch_size": 0, "eval_batch_size": 0, "probe_batch_size": 0},
        {"max_length": LONGEST_PROMPT},
        {"seed": -1, "test_seed": -1},
        {"probe_prompts": 0, "num_workers": -1},
        {"truncated": 1.1},
        {"truncated": float("nan"), "eval_share": float("nan")},
        {"eval_share": 0.0},
        {"eval_share": 1.0, "records": 0},
        {"eval_share": 0.999},
        {"eval_share": 0.99, "records": 20},
        {"batch_size": 166, "drop_last": True},
        {"test_seed": 42},
    ],
)
def test_arguments_out_of_range_are_refused_together(arguments):
    with pytest.raises(ValueError, match=r"must|leaves") as refusal:
        WorldModelDataModule(**arguments)
    message = str(refusal.value)
    blamed = set(re.findall(r"(?:^|; )(\w+): ", message))
    expected = set(arguments) - {"drop_last"}
    if "leaves" in message:
        expected = expected - {"records", "batch_size"} | {"eval_share"}
    assert blamed >= expected


def test_nothing_is_served_before_setup():
    module = WorldModelDataModule()
    for reach in (module.train_dataloader, module.val_dataloader, module.fingerprint):
        with pytest.raises(RuntimeError, match="setup"):
            reach()


class Recorder(LightningModule):
    """A model that learns nothing and writes down what it is served."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.served = {}
        self.validated = []

    def training_step(self, batch, batch_idx):
        texts = [decode(row) for row in batch.ids_BT]
        self.served.setdefault(self.current_epoch, []).append(texts)
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx, dataloader_idx):
        self.validated.append((dataloader_idx, type(batch).__name__))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StopAfter(Callback):
    """Stop in the middle of a run, as a crash would, keeping a checkpoint."""

    def __init__(self, epoch, path):
        self.epoch, self.path = epoch, path

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)


def fit(root, epochs, callbacks=(), module=None, ckpt_path=None, **arguments):
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
        **arguments,
    )
    module = module or WorldModelDataModule(records=20)
    trainer.fit(recorder, datamodule=module, ckpt_path=ckpt_path, weights_only=False)
    return recorder, trainer


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_lightning_serves_each_epoch_its_own_order_also_after_resuming(tmp_path):
    seed_everything(307)
    whole = fit(tmp_path, 3)[0].served
    assert sorted(whole) == [0, 1, 2]
    assert whole[0] != whole[1] != whole[2]
    epochs = [sorted(chain.from_iterable(batches)) for batches in whole.values()]
    assert epochs == [epochs[0]] * 3

    seed_everything(307)
    checkpoint = tmp_path / "stopped.ckpt"
    first = fit(tmp_path, 1, [StopAfter(0, checkpoint)])[0].served
    seed_everything(0)  # a resumed process may have drawn another seed
    rest = fit(tmp_path, 3, ckpt_path=checkpoint)[0].served
    assert {**first, **rest} == whole
    assert 0 not in rest

    seed_everything(308)
    assert fit(tmp_path, 1)[0].served[0] != whole[0]


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_the_published_development_run_has_63_steps(tmp_path):
    module = WorldModelDataModule(records=184, eval_share=0.1, batch_size=2)
    recorder, trainer = fit(tmp_path, 3, module=module, accumulate_grad_batches=4)
    assert [len(batches) for batches in recorder.served.values()] == [83] * 3
    assert trainer.global_step == 63
    assert set(recorder.validated) == {(0, "LmBatch"), (1, "ProbeBatch")}
