"""Runs on two devices: two processes on the CPU, joined by gloo."""

import json
import os
import subprocess
import sys

import pytest
import torch

from ablate.run import Probe, Run
from ablate.spec import Cause, Goals, Status
from ablate.spec.goals import NO_GOALS
from ablate.testing.jobs import Record, execute

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TRAIN = """
import json
import os
import signal
import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

class Net(pl.LightningModule):
    def __init__(self, fault: str = "none"):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.3),
                                       torch.nn.Linear(4, 1))
        self.fault = fault

    def is_second(self):
        return os.environ.get("LOCAL_RANK") == "1"

    def loss(self, batch):
        return self.net(batch[0]).sub(batch[1]).square().mean()

    def training_step(self, batch, batch_idx):
        if self.is_second() and self.fault == "error":
            raise ValueError("a bad batch")
        if self.is_second() and self.fault == "death" and self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        noise = torch.rand(3 if self.is_second() else 1).mean(0, keepdim=True)
        self.log("noise", noise, on_step=False, on_epoch=True, sync_dist=True)
        self.log("own", noise, on_step=False, on_epoch=True, rank_zero_only=True)
        return self.loss((batch[0] + noise, batch[1]))

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch), sync_dist=True)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 0.05, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]

class Points(pl.LightningDataModule):
    def setup(self, stage: str):
        inputs = torch.randn(48, 3, generator=torch.Generator().manual_seed(1))
        self.points = TensorDataset(inputs, inputs.sum(1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.points, 4, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.points, 8)

class Save(pl.Callback):
    values = []

    def on_train_epoch_end(self, trainer, module):
        metrics = trainer.callback_metrics
        self.values.append([float(metrics[name]) for name in ("val_loss", "noise")])

    def on_train_end(self, trainer, module):
        if trainer.is_global_zero:
            with open("values.json", "w") as file:
                json.dump(self.values, file)

if __name__ == "__main__":
    LightningCLI(auto_configure_optimizers=False, save_config_callback=None,
                 trainer_defaults={"callbacks": Save()})
"""
CONFIG = {
    "seed_everything": 3,
    "model": {"class_path": "train.Net"},
    "data": {"class_path": "train.Points"},
    "trainer": {
        "max_epochs": 3,
        "accelerator": "cpu",
        "devices": 2,
        "strategy": "ddp",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text(TRAIN)
    return folder


@pytest.fixture(autouse=True)
def inside(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)


def config(fault="none", **trainer):
    model = {"class_path": "train.Net", "init_args": {"fault": fault}}
    return {**CONFIG, "model": model, "trainer": {**CONFIG["trainer"], **trainer}}


def ran(
    folder, fault="none", *, decide=None, interrupt_at=None, resume=False, goals=NO_GOALS, **trainer
):
    """Run the project in this process and return the record of it."""
    record = Record(decide)
    job = Run(
        1, config(fault, **trainer), "val_loss", str(folder), {}, True, resume, 0.0, goals=goals
    )
    folder.mkdir(exist_ok=True)
    execute(job, record, lambda: len(record.reports("train")) == interrupt_at)
    return record


def values(record):
    return list(zip(record.series("val_loss"), record.series("noise"), strict=True))


@pytest.fixture(scope="module")
def native(project):
    (project / "fit.yaml").write_text(json.dumps(config()))
    command = [sys.executable, "train.py", "fit", "--config", "fit.yaml"]
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [tuple(epoch) for epoch in json.loads((project / "values.json").read_text())]


@pytest.mark.long
def test_an_interrupted_run_continues_and_gives_the_values_of_a_native_one(native, tmp_path):
    first = ran(tmp_path, interrupt_at=1)
    assert first.status() == Status.INTERRUPTED, first.outcome()
    second = ran(tmp_path, resume=True)
    assert second.status() == Status.COMPLETE, second.outcome()
    assert second.built().resumed_epoch == 1
    assert values(second) == native
    assert first.reports() == second.reports()[: len(first.reports())]
    assert (second.finished().epochs, second.finished().steps) == (3, 18)
    assert not {"LOCAL_RANK", "MASTER_PORT", "WORLD_SIZE"} & os.environ.keys()


@pytest.mark.long
def test_a_pruned_run_ends_in_all_its_processes_and_equals_a_native_one_so_far(native, tmp_path):
    record = ran(tmp_path, decide=lambda report: "stop" if report.epoch == 1 else "continue")
    assert record.status() == Status.PRUNED, record.outcome()
    assert record.series("val_loss") == [value for value, _ in native[:2]]


@pytest.mark.long
def test_a_goal_that_is_missed_at_the_end_ends_all_processes_as_pruned(tmp_path):
    milestone = {
        "at": {"share": 1.0},
        "expect": {"metric": "val_loss", "below": 0},
        "action": "stop",
    }
    record = ran(tmp_path, goals=Goals.model_validate({"milestones": [milestone]}))
    assert (record.status(), record.cause()) == (Status.PRUNED, Cause.GOAL_MISSED)
    assert record.finished().steps == 18


@pytest.mark.long
def test_a_process_that_dies_ends_the_run_and_the_reason_says_so(tmp_path):
    record = ran(tmp_path, "death")
    assert record.status() == Status.FAILED
    assert record.cause() == Cause.LOST
    assert record.outcome().reason == "rank 1: the process was killed by signal 9"
    assert record.series("val_loss"), "the first epoch was fine"


def probed(changes):
    record = Record()
    execute(Probe(1, changes, "val_loss"), record)
    return record


@pytest.mark.long
def test_the_trial_on_one_batch_takes_all_devices_and_names_the_process_that_fails():
    record = probed(config("error"))
    assert record.kinds() == ["Finished"]
    assert record.outcome().reason.startswith("rank 1: ValueError: a bad batch")
    assert "in training_step" in record.finished().raised.traceback


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ({"num_nodes": 2}, "trainer.num_nodes: 2: a run stays on one machine"),
        ({"strategy": "ddp_spawn"}, "trainer.strategy: ddp_spawn starts its processes by spawn"),
        ({"strategy": "ddp_notebook", "devices": 1}, "trainer.strategy: ddp_notebook starts its"),
        (
            {
                "strategy": {
                    "class_path": "lightning.pytorch.strategies.DDPStrategy",
                    "init_args": {"start_method": "fork"},
                }
            },
            "trainer.strategy: lightning.pytorch.strategies.DDPStrategy starts its processes by",
        ),
        (
            {"strategy": {"class_path": "lightning.pytorch.strategies.DeepSpeedStrategy"}},
            "DeepSpeed",
        ),
    ],
)
def test_what_no_run_can_take_part_in_is_refused_at_once(trainer, reason):
    record = probed(config(**trainer))
    assert record.cause() == Cause.WRONG_CONFIG
    assert reason in record.outcome().reason


def test_a_cluster_that_starts_the_processes_itself_is_refused(monkeypatch):
    for name in ("NTASKS", "NTASKS_PER_NODE"):
        monkeypatch.setenv(f"SLURM_{name}", "2")
    for name in ("NODEID", "LOCALID", "PROCID"):
        monkeypatch.setenv(f"SLURM_{name}", "0")
    monkeypatch.setenv("SLURM_JOB_NAME", "mine")
    record = probed(config())
    assert record.cause() == Cause.WRONG_CONFIG
    assert "started by another program (SLURMEnvironment)" in record.outcome().reason


@pytest.mark.parametrize("devices", [2, [1], [0, 1]])
def test_more_gpus_than_a_worker_sees_are_refused(monkeypatch, devices):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    record = probed(config(devices=devices, accelerator="gpu"))
    assert record.cause() == Cause.WRONG_CONFIG
    said = f"trainer.devices: {devices!r}, but a worker sees 1 of the machine's GPUs"
    assert record.outcome().reason.startswith(said)
    assert "CUDA_VISIBLE_DEVICES=3" in record.outcome().reason
