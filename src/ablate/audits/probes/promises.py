"""What modules declare of themselves, put to the test: causality, and properties."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer

from ablate.audits.evidence import Fault
from ablate.audits.probes.causality import future_positions
from ablate.audits.probes.hooks import hook, reason

SEQUENCES = 3


class Promises(Callback):
    """Tests causality and the declared properties of model and data on validation batches.

    `faults` is what does not hold, `skipped` what could not be tested, with the reason.
    """

    def __init__(self, data: LightningDataModule | None = None) -> None:
        self._data = data
        self.faults: list[Fault] = []
        self.skipped: dict[str, str] = {}
        self._sequences = 0
        self._leaking = self._tested = 0
        self._asked = False

    def on_validation_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        batch: Any,
        *_: Any,
    ) -> None:
        """Test the module on one batch."""
        if not self._asked:
            self._asked = True
            for owner in (pl_module, self._data):
                self._test_properties(owner)
        if self._sequences < SEQUENCES:
            self._test_causality(pl_module, batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the sequences together."""
        if self._leaking:
            self.faults.append(
                Fault(
                    "sees-the-future",
                    f"altering the targets from a position on changes the outputs up to it, at "
                    f"{self._leaking} of {self._tested} positions tried",
                    "autoregression",
                )
            )

    def _test_causality(self, model: LightningModule, batch: Any) -> None:
        autoregression = hook(model, "autoregression")
        if autoregression is None:
            return
        try:
            targets, outputs = autoregression(batch)
            if targets.shape[1] < 2:
                return
            leaking, tested = future_positions(targets, outputs)
        except Exception as error:  # noqa: BLE001 - a hook may fail in any way
            self.skipped["causality"] = reason(error)
            return
        self._sequences += 1
        self._leaking += leaking
        self._tested += tested

    def _test_properties(self, owner: object) -> None:
        properties = hook(owner, "properties")
        if properties is None:
            return
        try:
            declared: Mapping[str, Callable[[], str | None]] = properties()
        except Exception as error:  # noqa: BLE001 - a hook may fail in any way
            self.skipped["properties"] = reason(error)
            return
        for name, test in declared.items():
            try:
                wrong = test()
            except Exception as error:  # noqa: BLE001 - so may a test
                self.skipped[f"property {name}"] = reason(error)
                continue
            if wrong is not None:
                self.faults.append(Fault("property-violated", wrong, f"property {name}"))
