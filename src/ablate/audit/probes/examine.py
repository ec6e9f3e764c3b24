"""Put one arm on the workbench and write down what it does."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from ablate.audit.evidence import Evidence, Fault, Reading
from ablate.audit.probes import behaviour, keys, leakage, structure
from ablate.audit.probes.bench import (
    Bench,
    Canonical,
    Signature,
    Trace,
    Values,
    reason,
    signature,
    trainable,
)
from ablate.audit.probes.training import (
    Beginning,
    first_faults,
    nondeterministic,
    seedless,
    unstable,
)
from ablate.spec import content_hash

SECONDS_FOR_KEYS = 20.0
_OUT_OF_REACH = "single examples are out of reach: the loader is no DataLoader over indices"


def examine(config: dict[str, Any], request: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Examine an arm by its resolved config; return `Evidence` as plain data.

    The request may hold `keys` (declared path -> other values it takes in the study; without it
    no key is tried), `metrics` (the names the study reports) and `seconds` (the time for trying
    keys). A probe that cannot run is named in the evidence, with the reason.
    """
    return _Examination(config, dict(request or {})).evidence().as_dict()


class _Examination:
    """The probes of one arm, one after the other, and what they have found so far."""

    def __init__(self, config: dict[str, Any], request: dict[str, Any]) -> None:
        seed = config.get("seed_everything")
        self.seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
        self.config = {**config, "seed_everything": self.seed}
        self.declared: dict[str, Sequence[Any]] | None = request.get("keys")
        self.metrics: Sequence[str] = request.get("metrics") or ()
        self.seconds = float(request.get("seconds", SECONDS_FOR_KEYS))
        self.found: dict[str, Any] = {
            "config": self._digest("seed_everything"),
            "elsewhere": self._digest("seed_everything", "model"),
        }
        self.faults: list[Fault] = []
        self.skipped: dict[str, str] = {}
        self.model: LightningModule | None = None
        self.first: Trace | None = None
        self.order: str | None = None
        self.unstable: frozenset[str] = frozenset()

    def evidence(self) -> Evidence:
        """Run every probe that suits the module."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as directory, self._probing("every probe"):
            self.bench = Bench(self.config, Path(directory))
            if trainable(self.bench.model):
                # Setting the data up may draw random numbers: only later runs are alike.
                self.bench.fit(steps=1)
                self._train()
            else:
                self.bench.validate()
            self._probe()
        return Evidence(
            **self.found,
            faults=tuple(self.faults),
            skipped=self.skipped,
            seconds=time.monotonic() - started,
        )

    @contextmanager
    def _probing(self, name: str) -> Iterator[None]:
        """Note a probe that fails, and go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the module does, it is noted
            self.skipped[name] = reason(error)

    def _digest(self, *without: str) -> str:
        return content_hash({k: v for k, v in self.config.items() if k not in without})

    def _probe(self) -> None:
        with self._probing("structure"):
            self._look_inside()
        promises = behaviour.Promises(self.bench.data.module)
        with self._probing("batch invariance"):
            if behaviour.by_example(self.bench.data.val):
                faults, unsure = behaviour.invariance(self.bench, self.metrics, promises)
                self.faults += faults
                self.skipped |= unsure
            else:
                self.skipped["batch invariance"] = _OUT_OF_REACH
                self.bench.validate(Canonical(), promises)
        self.faults += promises.faults
        self.skipped |= promises.skipped
        with self._probing("data"):
            self._look_at_data()
        if self.first is None:
            with self._probing("floor"):
                batches = [behaviour.many(source) for source in self.bench.data.val]
                self.found["metrics"] = self.bench.validate(batches=batches)
            return
        with self._probing("determinism"):
            self._repeat(self.first)
        with self._probing("canonical weights"):
            self._sign()

    def _train(self) -> None:
        first, beginning = Trace(), Beginning()
        self.bench.fit(first, beginning)
        self.first, self.order, self.model = first, self.bench.order, beginning.model
        self.found["scales"] = beginning.scales
        self.faults += first_faults(first.steps, beginning)
        self.skipped |= beginning.trouble

    def _look_inside(self) -> None:
        model = self.model or self.bench.model
        self.found |= {
            "parameters": structure.count(model),
            "dropouts": structure.dropouts(model),
            "settings": model.extra_repr(),
            "shapes": structure.shapes(model),
            "components": structure.components(model, {}),
        }
        with self._probing("FLOPs"):
            flops = structure.Flops()
            self.bench.validate(flops)
            self.found["flops"] = flops.total
            self.found["components"] = structure.components(model, flops.parts)

    def _look_at_data(self) -> None:
        data = self.bench.data
        train, val = leakage.contents(data)
        sources = [data.train] if data.train else []
        self.found["train"] = leakage.split(train, sources, data.train_batches, self.order)
        self.found["val"] = leakage.split(
            val, data.val, [batch for batches in data.val_batches for batch in batches], None
        )
        if train is not None and val is not None:
            self.faults += leakage.overlap(train, val)
        elif data.train is not None and data.val:
            self.skipped["leakage"] = _OUT_OF_REACH
        with self._probing("contexts"):
            self.faults += leakage.context(data, val)

    def _repeat(self, first: Trace) -> None:
        """Train again with the same seed, then with another."""
        again = Trace()
        self.bench.fit(again)
        self.unstable = unstable(first.steps, again.steps)
        self.faults += nondeterministic(self.unstable, self.seed)
        if not {"loss", "weights"} & self.unstable:
            other = {**self.config, "seed_everything": self.seed + 1}
            self.faults += seedless(self.bench, first, self.order, other)

    def _sign(self) -> None:
        """Record what the module does with two sets of canonical weights, and which keys matter."""
        first, second = (signature(self.bench, number) for number in (1, 2))
        self.found["trace"] = tuple(self._stable(step) for step in first.trace)
        self.found["responses"] = tuple(self._stable(each.response) for each in (first, second))
        if self.declared is not None:
            with self._probing("dead keys"):
                self.found["keys"] = self._keys(first, self.declared)

    def _stable(self, values: Values) -> Values:
        return {name: value for name, value in values.items() if name not in self.unstable}

    def _keys(self, seen: Signature, declared: Mapping[str, Sequence[Any]]) -> dict[str, Reading]:
        if "weights" in self.unstable:
            raise ValueError("equal runs differ, so unequal ones prove nothing")
        wanted = keys.wanted(self.config, list(declared))
        observer = keys.Observer(self.bench, self.config, seen, self.unstable)
        until = time.monotonic() + self.seconds
        found, left = keys.read_keys(observer, wanted, declared, until)
        if left:
            self.skipped["dead keys"] = f"{left} of {len(wanted)} keys were not tried: out of time"
        return found
