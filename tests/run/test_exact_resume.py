"""A resumed run gives the same numbers whatever its objects keep, or says that it may not."""

from pathlib import Path
from typing import Any

import pytest

from ablate.run import Built, Finished, LocalLauncher, Reported, ResumedInexactly
from ablate.run.jobs import do_all
from ablate.testing.jobs import Record, model, run
from tests.run import stateful
from tests.run.test_resume import do, killed, resumed

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def serves(how: str, **more: Any) -> dict[str, Any]:
    """Return changes for data that is served in some way, and a module that takes it."""
    data = {"class_path": "tests.run.stateful.Serves", "init_args": {"how": how, **more}}
    return {**model(stateful.Validates, width=4), "data": data}


KEPT: dict[str, dict[str, Any]] = {
    "plain things": model(stateful.KeepsPlainThings),
    "generators": model(stateful.KeepsGenerators),
    "tensors": model(stateful.KeepsTensors),
    "metrics": model(stateful.KeepsMetrics),
    "manual optimization": {**model(stateful.Adversarial), "optimizer": None},
    "a callback": {"trainer.callbacks": [{"class_path": "tests.run.stateful.Disturbs"}]},
    "augmentation by torch in workers": serves("plain", kind="torch", workers=2),
    "augmentation by numpy in workers": serves("plain", kind="numpy", workers=2),
    "augmentation by python in workers": serves("plain", kind="python", workers=2),
    "a generator of the transform": serves("plain", kind="own"),
    "a generator of the transform in workers": serves("plain", kind="own", workers=2),
    "a count of the transform": serves("plain", kind="count"),
    "a stream": serves("stream"),
    "a stream in workers": serves("stream", workers=2),
    "a stream of known length": serves("sized stream"),
    "a sampler with a generator": serves("sampler"),
    "weights with a generator": serves("weights"),
    "a batch sampler that counts": serves("batch sampler"),
    "a list of loaders": serves("list"),
    "combined loaders": serves("combined"),
    "an object that collates": serves("collated"),
    "a loader that keeps its state": serves("remembering"),
    "several validations": serves("several validations"),
    "a sanity check of every batch": {
        **serves("several validations"),
        "trainer.num_sanity_val_steps": -1,
    },
    "validation every second epoch": {
        **serves("several validations"),
        "trainer.check_val_every_n_epoch": 2,
    },
    "loaders made anew": {**serves("redrawn"), "trainer.reload_dataloaders_every_n_epochs": 1},
    "loaders made anew every second epoch": {
        **serves("redrawn"),
        "trainer.reload_dataloaders_every_n_epochs": 2,
    },
    "validation amid epochs": {**serves("several validations"), "trainer.val_check_interval": 0.5},
    "accumulation over the end": {
        **serves("plain", kind="own"),
        "trainer.accumulate_grad_batches": 3,
    },
}
BASE = {"trainer.callbacks": None, "trainer.enable_checkpointing": False, "trainer.max_epochs": 3}


@pytest.mark.parametrize("changes", KEPT.values(), ids=KEPT.keys())
def test_a_resumed_run_gives_the_same_numbers(tmp_path: Path, changes):
    changes = {**BASE, **changes}
    whole = do(tmp_path / "whole", changes)
    assert whole.status() == "complete"
    killed(tmp_path / "broken", 1, changes)
    killed(tmp_path / "broken", 2, changes, resume=True)
    record = resumed(tmp_path / "broken", changes)
    assert record.reports() == whole.reports()


def test_a_run_whose_worker_is_killed_gives_the_same_numbers(tmp_path: Path):
    launcher = LocalLauncher(1)
    reports = []
    try:
        for number, name in enumerate(["whole", "broken"]):
            folder = tmp_path / name
            folder.mkdir()
            changes = {**BASE, **model(stateful.DiesOnce, note=str(folder / "died"))}
            more = {"metric": None, "checkpoint_every": 0, "resume": True}
            (events,) = do_all(launcher, [run(number, folder, changes, **more)])
            assert isinstance(events[-1], Finished)
            last = max(n for n, event in enumerate(events) if isinstance(event, Built))
            assert events[last].resumed_epoch == (2 if name == "broken" else None)
            reports.append([e.metrics for e in events[last:] if isinstance(e, Reported)])
    finally:
        launcher.close()
    assert reports[0] == reports[1]


INEXACT = {
    "a Python generator": (model(stateful.Endless), "model.numbers"),
    "persistent workers": (serves("plain", workers=1, persistent=True), "train_dataloader"),
}


class TestInexact:
    def broken(self, directory: Path, changes, **more: Any) -> Record:
        changes = {**BASE, **changes, "trainer.max_epochs": 2}
        killed(directory, 1, changes)
        return resumed(directory, changes, **more)

    @pytest.mark.parametrize(("changes", "what"), INEXACT.values(), ids=INEXACT.keys())
    def test_a_run_says_what_could_not_be_kept(self, tmp_path, changes, what, capfd):
        record = self.broken(tmp_path, changes)
        (event,) = [event for event in record.events if isinstance(event, ResumedInexactly)]
        assert [reason.split()[0] for reason in event.reasons] == [what]
        assert f"not exact: {what}" in capfd.readouterr().err

    def test_a_run_that_must_be_exact_starts_afresh(self, tmp_path):
        changes, _ = INEXACT["a Python generator"]
        record = self.broken(tmp_path / "broken", changes, exact=True)
        assert record.built().resumed_epoch is None
        whole = do(tmp_path / "whole", {**BASE, **changes, "trainer.max_epochs": 2})
        assert record.reports() == whole.reports()

    def test_a_run_that_can_be_exact_continues(self, tmp_path):
        record = self.broken(tmp_path, model(stateful.KeepsGenerators), exact=True)
        assert record.built().resumed_epoch == 1
        assert "ResumedInexactly" not in record.kinds()

    def test_workers_that_only_hand_out_tensors_may_persist(self, tmp_path):
        data = {"class_path": "tests.run.stateful.HandsOut"}
        changes = {"data": data, "trainer.num_sanity_val_steps": 2}
        record = self.broken(tmp_path / "broken", changes, exact=True)
        assert record.built().resumed_epoch == 1
        whole = do(tmp_path / "whole", {**BASE, **changes, "trainer.max_epochs": 2})
        assert record.reports() == whole.reports()

    def test_what_is_built_otherwise_is_noticed(self, tmp_path, monkeypatch):
        changes = {**BASE, **model(stateful.BuildsBy), "trainer.max_epochs": 2}
        killed(tmp_path, 1, changes)
        monkeypatch.setattr(stateful.BuildsBy, "value", 2.0)
        record = resumed(tmp_path, changes)
        (event,) = [event for event in record.events if isinstance(event, ResumedInexactly)]
        assert event.reasons == ["model.table is not built as it was before"]
