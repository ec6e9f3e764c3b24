"""Projects that import Lightning as `pytorch_lightning`."""

import importlib
import json
import subprocess
import sys
from importlib.metadata import version

import lightning
import pytest

from ablate.run import InProcessLauncher, LocalLauncher, Resolve, Resolved, Run
from ablate.run.flavours import unify
from ablate.spec import Status
from ablate.testing.jobs import toy
from ablate.testing.launcher import do

TRAIN = """
import json
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks.early_stopping import EarlyStopping
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from lightning_fabric.utilities.seed import seed_everything
from torch.utils.data import DataLoader, TensorDataset, get_worker_info

class Data(TensorDataset):
    def __getitem__(self, index):
        if get_worker_info():
            assert pl.__name__ == "lightning.pytorch"
        return super().__getitem__(index)

class Net(pl.LightningModule):
    def __init__(self, width: int = 4):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Dropout(0.3),
                                       torch.nn.Linear(width, 1))

    def loss(self, batch):
        return self.net(batch[0]).sub(batch[1]).square().mean()

    def training_step(self, batch, _):
        return self.loss(batch)

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.05)

class Points(pl.LightningDataModule):
    def __init__(self, workers: int = 0):
        super().__init__()
        self.workers = workers

    def setup(self, stage: str):
        inputs = torch.randn(48, 3)
        self.points = Data(inputs, inputs.sum(1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.points, 8, shuffle=True, num_workers=self.workers,
                          multiprocessing_context="spawn" if self.workers else None)

    def val_dataloader(self):
        return DataLoader(self.points, 16)

class Save(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_epoch_end(self, trainer, module):
        self.values.append(float(trainer.callback_metrics["val_loss"]))

    def on_train_end(self, trainer, module):
        with open("values.json", "w") as file:
            json.dump([type(trainer).__module__, self.values], file)

if __name__ == "__main__":
    LightningCLI(auto_configure_optimizers=False)
"""
OTHER = """
import lightning.pytorch as pl
import pytorch_lightning
import train

class Net(train.Net, pl.LightningModule):
    pass

class Points(pl.LightningDataModule):
    def __init__(self):
        super().__init__()
        assert isinstance(train.Points(), pl.LightningDataModule)
        assert isinstance(self, pytorch_lightning.LightningDataModule)
        self.points = train.Points(workers=1)
        self.setup = self.points.setup
        self.train_dataloader = self.points.train_dataloader
        self.val_dataloader = self.points.val_dataloader
"""
STOPPING = {"monitor": "val_loss", "patience": 1}
CONFIG = {
    "seed_everything": 3,
    "model": {"class_path": "train.Net", "init_args": {"width": 6}},
    "data": {"class_path": "train.Points"},
    "trainer": {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "callbacks": [
            {"class_path": "train.Save"},
            {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": STOPPING},
        ],
    },
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "other.py").write_text(OTHER)
    return tmp_path


@pytest.mark.long
def test_a_project_runs_as_it_does_natively_and_beside_one_of_the_other_flavour(project):
    (project / "fit.yaml").write_text(json.dumps(CONFIG))
    command = [sys.executable, "train.py", "fit", "--config", "fit.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    flavour, native = json.loads((project / "values.json").read_text())
    assert flavour == "pytorch_lightning.trainer.trainer", "the native run is of the other flavour"

    mixed = {**CONFIG, "model": {"class_path": "other.Net", "init_args": {"width": 6}}}
    mixed["data"] = {"class_path": "other.Points"}
    mixed["trainer"] = {**CONFIG["trainer"], "max_epochs": 1}
    launcher = LocalLauncher(1)
    try:
        for number, config in enumerate([CONFIG, mixed]):
            resolved = do(launcher, Resolve(8, config)).events[0]
            assert isinstance(resolved, Resolved), resolved
            folder = str(project / f"run-{number}")
            job = Run(number, resolved.config, "val_loss", folder, {}, False, False, 60)
            record = do(launcher, job)
            assert record.status(number) == Status.COMPLETE, record.outcome(number)
            epochs = config["trainer"]["max_epochs"]
            assert record.series("val_loss", number) == native[:epochs]
        libraries = record.started(number).facts.libraries
        assert libraries["pytorch-lightning"] == libraries["lightning"]
    finally:
        launcher.close()


@pytest.fixture
def unimported(monkeypatch):
    """Forget what earlier tests of this process have imported under the other names."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {"pytorch_lightning", "lightning_fabric"}:
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("unimported")
def test_both_names_lead_to_the_same_modules():
    unify()
    ours = importlib.import_module("lightning.pytorch")
    assert importlib.import_module("pytorch_lightning") is ours
    deep = importlib.import_module("pytorch_lightning.trainer.connectors.data_connector")
    assert deep is ours.trainer.connectors.data_connector
    assert (
        deep.__spec__.name
        == deep.__name__
        == "lightning.pytorch.trainer.connectors." + ("data_connector")
    )
    fabric = importlib.import_module("lightning_fabric.utilities.seed")
    assert fabric is lightning.fabric.utilities.seed
    assert version("pytorch_lightning") == ours.__version__
    with pytest.raises(ModuleNotFoundError, match=r"pytorch_lightning\.nothing"):
        importlib.import_module("pytorch_lightning.nothing")


@pytest.mark.usefixtures("unimported")
def test_a_copy_of_another_version_is_refused_before_it_is_used(tmp_path, monkeypatch):
    metadata = tmp_path / "pytorch_lightning-2.5.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: pytorch-lightning\nVersion: 2.5.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    stopping = {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": STOPPING}
    record = do(InProcessLauncher(), Resolve(1, toy({"trainer.callbacks": [stopping]})))
    assert record.status() == Status.FAILED
    ours = lightning.__version__
    reason = record.outcome().reason
    assert reason.startswith("trainer.callbacks[0].class_path: importing 'pytorch_lightning.")
    assert f"pytorch-lightning 2.5.0 is installed beside lightning {ours}" in reason
    assert f"pip install pytorch-lightning=={ours}" in reason


def test_a_process_that_has_the_other_copy_refuses_its_classes_and_runs_the_rest(project):
    script = """
import pytorch_lightning
from ablate.run import InProcessLauncher, Resolve
from ablate.testing.jobs import toy
from ablate.testing.launcher import do

own = toy({"model": {"class_path": "train.Net"}})
print(do(InProcessLauncher(), Resolve(1, own)).outcome().reason)
print(do(InProcessLauncher(), Resolve(1, toy())).outcome().reason)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    refused, accepted = done.stdout.splitlines()
    assert refused.startswith("model: train.Net is no LightningModule: it derives from pytorch_")
    assert "LocalLauncher" in refused
    assert accepted == "None"
