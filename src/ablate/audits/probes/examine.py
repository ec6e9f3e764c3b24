"""Put one arm on the workbench and write down what it does."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from ablate.audits.evidence import Evidence, Fault, Reading
from ablate.audits.probe_request import ProbeRequest
from ablate.audits.probes import keys, structure
from ablate.audits.probes.beginning import LONGEST_WAIT, Beginning
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.determinism import nondeterministic, unstable
from ablate.audits.probes.drawing import drawing_faults
from ablate.audits.probes.examples import describe, look_at_examples, look_at_test_examples
from ablate.audits.probes.floors import floor_metrics
from ablate.audits.probes.flops import Flops
from ablate.audits.probes.hashing import look, order_matters
from ablate.audits.probes.hook_code import hook_code
from ablate.audits.probes.hooks import reason
from ablate.audits.probes.invariance import batch_invariance
from ablate.audits.probes.leakage import context_faults, overlap
from ablate.audits.probes.leaks import leaks
from ablate.audits.probes.measuring import measure
from ablate.audits.probes.opened import Opened
from ablate.audits.probes.promises import Promises
from ablate.audits.probes.purity import validate_again
from ablate.audits.probes.recipe import rehearse
from ablate.audits.probes.seeding import Beginnings, Initial, reseed
from ablate.audits.probes.served import TRAIN_BATCHES
from ablate.audits.probes.signature import Signature, signature
from ablate.audits.probes.trace import Trace, Values
from ablate.audits.probes.training import first_faults
from ablate.audits.probes.untested import try_again
from ablate.audits.probes.validating import validated
from ablate.audits.standing import standing
from ablate.spec import content_hash, paths

_EVERY = "every probe"
_OUT_OF_TIME = "out of time"
_PATIENCE_S = 3.0
"""How long a module may take to begin to learn."""
_UNTAUGHT = "no parameter had a gradient by then"
_OTHER_EXAMPLES = "no two batches hold the same examples: they are random"
_OUT_OF_REACH = "single examples are out of reach: the loader is no DataLoader over indices"


def examine(
    config: dict[str, Any], request: Mapping[str, Any] | None = None, cli: str | None = None
) -> dict[str, Any]:
    """Examine an arm by its resolved config: a `ProbeRequest` in, `Evidence` out, as plain data.

    `cli` is the entry that builds the project's own LightningCLI.

    A probe that cannot run is named in the evidence, with the reason.
    """
    return _Examination(config, ProbeRequest.of(request or {}), cli).evidence().as_dict()


def examine_standing(
    config: dict[str, Any], request: Mapping[str, Any] | None = None, cli: str | None = None
) -> dict[str, Any]:
    """Examine an arm as `examine` does, and tell what the evidence stands on.

    `evidence` is what `examine` returns, `standing` a `Standing` as plain data, None where the
    evidence may not be used again.
    """
    evidence = examine(config, request, cli)
    skipped = evidence["skipped"]
    hurried = _EVERY in skipped or any(_OUT_OF_TIME in why for why in skipped.values())
    texts = (value for value in paths.flatten(config).values() if isinstance(value, str))
    named = [str(Path(text).absolute()) for text in texts if _is_path(text)]
    stands = None if hurried else standing([*named, *([cli] if cli else [])])
    return {"evidence": evidence, "standing": None if stands is None else stands.as_dict()}


def _is_path(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no path has such a name
        return False


class _Examination:
    """The probes of one arm, one after the other, and what they have found so far."""

    def __init__(
        self, config: dict[str, Any], request: ProbeRequest, cli: str | None = None
    ) -> None:
        self.cli = cli
        seed = config.get("seed_everything")
        self.seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
        self.config = {**config, "seed_everything": self.seed}
        self.request = request
        self.found = Evidence(
            config=self._digest("seed_everything"),
            elsewhere=self._digest("seed_everything", "model"),
        )
        self.faults: list[Fault] = []
        self.skipped: dict[str, str] = {}
        self.broken: list[str] = []
        self.model: LightningModule | None = None
        self.first: Trace | None = None
        self.initial = Initial()
        self.order: str | None = None
        self.unstable: frozenset[str] = frozenset()
        self.learns = False

    def evidence(self) -> Evidence:
        """Run every probe that suits the module."""
        started = time.monotonic()
        opened = Opened()
        with tempfile.TemporaryDirectory() as directory, self._probing(_EVERY):
            with opened.watched(but=Path(directory)):
                self._set_up(Path(directory))
            self._probe()
        return replace(
            self.found,
            files=opened.files,
            made=opened.made,
            faults=tuple(self.faults),
            skipped=self.skipped,
            broken=tuple(self.broken),
            seconds=time.monotonic() - started,
        )

    def _set_up(self, directory: Path) -> None:
        """Build everything, and train or validate for the first time."""
        self.bench = Bench(self.config, directory, self.cli)
        if structure.trainable(self.bench.model):
            # Setting the data up may draw random numbers: only later runs are alike.
            self.bench.fit(steps=1)
            self._train()
        else:
            self.bench.validate()

    @contextmanager
    def _probing(self, name: str) -> Iterator[None]:
        """Note a probe that fails, and go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the module does, it is noted
            self.skipped[name] = reason(error)
            self.broken.append(name)

    def _digest(self, *without: str) -> str:
        return content_hash({k: v for k, v in self.config.items() if k not in without})

    def _probe(self) -> None:
        with self._probing("structure"):
            self._look_inside()
        with self._probing("validation data"):
            limit = (self.config.get("trainer") or {}).get("limit_val_batches")
            self.faults += drawing_faults(self.bench.data, limit)
        self._test_promises()
        with self._probing("data"):
            self._look_at_data()
        with self._probing("repeated validation"):
            self._validate_again()
        if self.first is None:
            with self._probing("floor"):
                self.found = replace(self.found, metrics=floor_metrics(self.bench))
            return
        with self._probing("recipe"):
            recipe, faults = rehearse(self.bench)
            self.found = replace(self.found, recipe=recipe)
            self.faults += faults
        with self._probing("determinism"):
            self._repeat(self.first)
        with self._probing("weights validated"):
            weights, faults = validated(self.bench, self.config)
            self.found = replace(self.found, validated=weights)
            self.faults += faults
        with self._probing("hash seed"):
            self._look_for_order(self.first)
        if self.learns:
            with self._probing("canonical weights"):
                self._sign()
        else:
            self.skipped["canonical weights"] = _UNTAUGHT
        with self._probing("losses"):
            self._measure()

    def _train(self) -> None:
        first, beginning = Trace(), Beginning()
        self.bench.fit(first, beginning, self.initial)
        # Some change their weights without a gradient.
        moves = len({step["weights"] for step in first.steps}) > 1
        if beginning.learns_at != 1 and not moves:
            beginning = self._await_learning()
            self.bench.fit(first, self.initial)
        self.learns = moves or beginning.learns_at is not None
        self.first, self.order, self.model = first, self.bench.order, beginning.model
        self.found = replace(self.found, scales=beginning.scales, buffers=beginning.buffers)
        self.faults += first_faults(first.steps, beginning, self.config)
        self.skipped |= beginning.trouble

    def _await_learning(self) -> Beginning:
        """Train longer and longer until a parameter gets a gradient, and have all runs that long.

        Some modules fill a buffer first. Where patience ends before, runs stay short.
        """
        until = time.monotonic() + _PATIENCE_S
        beginning = Beginning()
        steps = TRAIN_BATCHES
        while beginning.learns_at is None and steps < LONGEST_WAIT and time.monotonic() < until:
            steps *= 4
            self.bench.fit(beginning, steps=steps)
            if beginning.steps < steps:  # the configured training is no longer
                break
        if beginning.learns_at is not None:
            self.bench.waits = beginning.learns_at - 1
        return beginning

    def _look_inside(self) -> None:
        model = self.bench.model if self.model is None else self.model
        self.found = replace(
            self.found,
            parameters=structure.count(model),
            dropouts=structure.dropouts(model),
            settings=model.extra_repr(),
            shapes=structure.shapes(model),
            submodules=structure.submodules(model, {}),
            hooks=hook_code(self.bench.model),
        )
        with self._probing("FLOPs"):
            flops = Flops()
            self.bench.validate(flops)
            submodules = structure.submodules(model, flops.parts)
            self.found = replace(self.found, flops=flops.total, submodules=submodules)

    def _test_promises(self) -> None:
        """Test batch invariance, and what the module declares while it sees the examples alone."""
        promises = Promises(self.bench.data.module)
        sources = self.bench.data.val
        with self._probing("batch invariance"):
            if any(fault.code == "random-validation-data" for fault in self.faults):
                self.skipped["batch invariance"] = _OTHER_EXAMPLES
                self.bench.validate(Canonical(), promises)
            elif sources and all(source.by_example for source in sources):
                invariance = batch_invariance(self.bench, self.request.metrics, promises)
                self.faults += invariance.faults
                self.skipped |= invariance.skipped
            else:
                self.skipped["batch invariance"] = _OUT_OF_REACH
                self.bench.validate(Canonical(), promises)
        self.faults += promises.faults
        self.skipped |= promises.skipped

    def _look_at_data(self) -> None:
        data = self.bench.data
        train, val = look_at_examples(data)
        train_sources = [data.train] if data.train else []
        val_batches = [batch for batches in data.val_batches for batch in batches]
        self.found = replace(
            self.found,
            train=describe(train, train_sources, data.train_batches, self.order),
            val=describe(val, data.val, val_batches, None),
        )
        if train is not None and val is not None:
            self.faults += overlap(train, val)
            with self._probing("leakage by content"):
                test = look_at_test_examples(data.module)
                leaked = leaks(train, val, [data.module, self.bench.model], test)
                self.faults += leaked.faults
                self.skipped |= leaked.skipped
        elif data.train is not None and data.val:
            self.skipped["leakage"] = _OUT_OF_REACH
        with self._probing("contexts"):
            self.faults += context_faults(data, val)

    def _validate_again(self) -> None:
        """Validate the same weights more than once; try metrics again that no weights move."""
        repeated = validate_again(self.bench, self.request.metrics)
        self.faults += repeated.faults
        if self.first is not None and repeated.unmoved:
            self.faults += try_again(self.bench, repeated.unmoved, repeated.seconds)

    def _look_for_order(self, first: Trace) -> None:
        """Keep digests for a look in another process, where one may see something else."""
        if {"loss", "weights"} & self.unstable:
            return
        self.found = replace(
            self.found,
            seen=look(self.bench, first.steps, self.order, self.unstable),
            hashed=order_matters(),
            unstable=tuple(sorted(self.unstable)),
        )

    def _repeat(self, first: Trace) -> None:
        """Train again with the same seed, then with another."""
        again = Trace()
        self.bench.fit(again)
        self.unstable = unstable(first.steps, again.steps)
        self.faults += nondeterministic(self.unstable, self.seed)
        if not {"loss", "weights"} & self.unstable:
            other = {**self.config, "seed_everything": self.seed + 1}
            known = Beginnings(first, self.initial, self.order)
            reseeded = reseed(self.bench, known, other)
            self.found = replace(self.found, seeding=reseeded.seeding)
            self.faults += reseeded.faults

    def _sign(self) -> None:
        """Record what the module does with two sets of canonical weights, and which keys matter."""
        first, second = (signature(self.bench, number) for number in (1, 2))
        self.found = replace(
            self.found,
            trace=tuple(self._stable(step) for step in first.trace),
            responses=(self._stable(first.response), self._stable(second.response)),
        )
        if self.request.keys is not None:
            with self._probing("dead keys"):
                self.found = replace(self.found, keys=self._read_keys(first, self.request.keys))

    def _measure(self) -> None:
        """Record how the module measures itself."""
        measurement = measure(self.bench)
        self.found = replace(self.found, measured=measurement.measured)
        self.faults += measurement.faults
        self.skipped |= measurement.skipped

    def _stable(self, values: Values) -> Values:
        return {name: value for name, value in values.items() if name not in self.unstable}

    def _read_keys(self, seen: Signature, declared: Mapping[str, list[Any]]) -> dict[str, Reading]:
        if "weights" in self.unstable:
            raise ValueError("equal runs differ, so unequal ones prove nothing")
        wanted = keys.wanted(self.config, list(declared), self.request.written)
        observer = keys.Observer(self.bench, self.config, seen, self.unstable)
        until = time.monotonic() + self.request.seconds
        readings, left = keys.read_keys(observer, wanted, declared, until)
        if left:
            self.skipped["dead keys"] = (
                f"{left} of {len(wanted)} keys were not tried: {_OUT_OF_TIME}"
            )
        return readings
