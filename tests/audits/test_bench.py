"""The workbench: every run from the same beginning, a validation where training needs one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, callbacks

from ablate.audits.probes.bench import Bench, Validations
from ablate.audits.probes.content import content_digest
from ablate.audits.probes.trace import Trace
from ablate.run.batches import batch_digest
from tests.audits.examined import SGD, changed, plain
from tests.audits.modules import Translator

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CONFIG = plain("Translator", "Translations", SGD)
PLATEAU = {
    "class_path": "lightning.pytorch.cli.ReduceLROnPlateau",
    "init_args": {"monitor": "val_loss"},
}


class Counter(Callback):
    """Counts trainings that begin, and validations."""

    def __init__(self) -> None:
        self.trainings = self.validations = 0

    def on_train_start(self, *_: Any) -> None:
        self.trainings += 1

    def on_validation_start(self, *_: Any) -> None:
        self.validations += 1


def counted(bench: Bench, **arguments: Any) -> tuple[int, int]:
    counter = Counter()
    bench.fit(counter, **arguments)
    return counter.trainings, counter.validations


def test_a_training_validates_behind_its_last_step_and_only_if_that_is_wanted() -> None:
    bench = Bench(CONFIG)
    assert counted(bench) == (1, 0)
    assert counted(bench, validates=True) == (1, 1)


def test_a_schedule_that_needs_a_metric_gets_one_at_every_step_from_then_on() -> None:
    bench = Bench(changed(CONFIG, {"lr_scheduler": PLATEAU}))
    assert counted(bench) == (2, 3)
    assert counted(bench) == (1, 3)
    assert counted(bench, config=CONFIG) == (1, 3)


def test_the_module_of_another_config_is_not_tried_twice() -> None:
    bench = Bench(CONFIG)
    with pytest.raises(Exception, match="val_loss"):
        bench.fit(config=changed(CONFIG, {"lr_scheduler": PLATEAU}))
    assert counted(bench) == (1, 0)


def test_what_a_second_attempt_does_not_cure_is_raised() -> None:
    class Failing(Counter):
        def on_train_end(self, *_: Any) -> None:
            raise ZeroDivisionError

    failing = Failing()
    with pytest.raises(ZeroDivisionError):
        Bench(CONFIG).fit(failing)
    assert failing.trainings == 2


@pytest.mark.parametrize("wanted", [True, False])
def test_settings_are_those_of_so_many_epochs_of_one_step(wanted: bool) -> None:
    last, every = (each.settings(3, wanted=wanted) for each in Validations)
    assert last == {"limit_val_batches": int(wanted), "check_val_every_n_epoch": 3}
    assert every == {"limit_val_batches": 1, "check_val_every_n_epoch": 1}


def test_every_training_begins_with_the_same_module_and_the_same_random_numbers() -> None:
    bench = Bench(changed(CONFIG, {"model.init_args.dropout": 0.3}))
    bench.fit(steps=1)
    traces = Trace(), Trace()
    for trace in traces:
        bench.fit(trace)
        torch.rand(7)
    assert traces[0].steps == traces[1].steps


def test_every_validation_begins_with_the_same_random_numbers() -> None:
    class Draw(Callback):
        def on_validation_end(self, *_: Any) -> None:
            draws.append(float(torch.rand(())))

    draws: list[float] = []
    bench = Bench(CONFIG)
    bench.validate()
    for _ in range(2):
        bench.validate(Draw())
    assert draws[0] == draws[1]


def test_texts_of_a_batch_are_content_too() -> None:
    """Single examples may be out of reach: then what tells data apart may be no tensor."""
    x = torch.arange(3)
    left, right = {"x": x, "text": "a"}, {"x": x, "text": "b"}
    assert batch_digest(left) == batch_digest(right)
    assert content_digest(left) != content_digest(right)
    assert content_digest(left) == content_digest({"x": x.clone(), "text": "a"})


@pytest.mark.parametrize("name", ["LearningRateMonitor", "DeviceStatsMonitor"])
def test_a_module_that_brings_a_monitor_is_run_all_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monitors refuse to be without a logger; the module writes into its folder as before."""
    monitor = getattr(callbacks, name)()
    monkeypatch.setattr(Translator, "configure_callbacks", lambda self: [monitor])
    bench = Bench(CONFIG, tmp_path)
    assert counted(bench, validates=True) == (1, 1)
    bench.validate()
    assert bench.model.logger is None
    seen: list[Any] = []

    class Look(Callback):
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            seen.append(trainer.log_dir)

    bench.fit(Look(), steps=1)
    assert seen == [str(tmp_path)]
    assert not any(tmp_path.iterdir())
