"""A training that is watched for a few steps and then left."""

import functools
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.flop_counter import FlopCounterMode

from ablate.measure import devices, structure
from ablate.measure.allocations import Allocations
from ablate.measure.asking import Asked
from ablate.measure.loaders import Loaded, loaded
from ablate.measure.parts import bytes_in, examples_in, part_of
from ablate.measure.schedules import rates_of
from ablate.plan.facts import Facts, Timing
from ablate.plan.memory import Line, Memory, Moment, growth
from ablate.plan.rates import Rates
from ablate.plan.steps import Loading, run_length
from ablate.run.counting import countable
from ablate.run.run_objects import load_validation

FEWEST_CYCLES = 3
_NEVER = 10**12
_CYCLES = 3
"""How many cycles a size is tried for."""
_SEEN = 12
"""How many batches go by before any is tried, so that the one to try is no short one."""
_LARGE, _SMALL = 4, 2
"""Examples of the batches that are tried."""


class Enough(BaseException):
    """Leaves a fit; no `except Exception` of the module's stops it."""


class Trial(Callback):
    """Reads a fit's length and schedule as it begins, then tries some steps and ends it.

    A cycle is one optimizer step: of one micro-batch, or of two where batches are accumulated. For
    each of two sizes of a batch there is a cycle that counts operations, then two that record what
    is allocated: the second begins with gradients, as most do. With `parts` these batches are of a
    few examples of one batch, so that what does not fit is found out without filling the memory: of
    the first dozen, that whose examples are the largest, as padding may make them. A row of a batch
    may stand for several samples of its loader, as a prompt does for its completions, or for a part
    of one. `schedule` has the factors of accumulation by epoch, if the trainer changes them.
    """

    def __init__(
        self, config: Mapping[str, Any], asked: Asked, schedule: dict[int, int] | None, parts: bool
    ) -> None:
        self._asked = asked
        self._schedule = schedule
        self._parts = parts
        self._trainer_config: Mapping[str, Any] = config.get("trainer") or {}
        self._devices = _devices(self._trainer_config)
        self._known: dict[str, Any] = {}
        self._problems: dict[str, str] = {}
        self._open = ExitStack()
        self._cycles = ExitStack()
        self._loaded = Loaded(None, None, False)
        self._cycle = 1
        self._done = 0 if not parts else -_SEEN
        self._sizes: list[int] = []
        self._per_row = 1.0
        self._batch: Any = None
        self._flops: list[int] = []
        self._moments: list[list[Moment]] = []
        self._held = 0
        self._counter: FlopCounterMode | None = None
        self._recorder: Allocations | None = None
        self._native: Any = None
        self._mark = 0.0
        self._plain: list[float] = []
        self._stepped: list[float] = []
        self._validating_since: float | None = None
        self._validated = 0
        self._validation_batches_seconds = 0.0
        self._batch_since = 0.0
        self._timing_since: float | None = None
        self._step_before = 0

    # --- the beginning ----------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Divide the batches among the devices that the run is to have, before schedules ask."""
        if self._devices > 1:
            trainer.fit_loop.setup_data()
            told = loaded(trainer.train_dataloader, trainer.num_training_batches)
            trainer.fit_loop.max_batches = _share(trainer.num_training_batches, self._devices, told)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read what is known before the first step, and have as many steps as the trial needs."""
        if trainer.enable_validation:
            load_validation(trainer)
        batches = trainer.num_training_batches
        told = loaded(trainer.train_dataloader, batches)
        self._loaded = told
        sized = not math.isinf(batches)
        accumulate = self._schedule or {0: trainer.accumulate_grad_batches}
        if 0 not in accumulate:
            accumulate = {0: 1, **accumulate}
        epochs = None if trainer.max_epochs in (None, -1) else trainer.max_epochs
        steps = None if trainer.max_steps == -1 else trainer.max_steps
        self._known = {
            "samples": told.samples,
            "batch": told.batch,
            "drop_last": told.drop_last,
            "batches": int(batches) if sized else None,
            "devices": self._devices,
            "accumulate": accumulate,
            "max_epochs": epochs,
            "max_steps": steps,
            "automatic": pl_module.automatic_optimization,
            "validation_batches": self._validation_batches(trainer),
            "val_check_batch": self._val_check_batch(trainer, batches),
            "check_val_every_n_epoch": trainer.check_val_every_n_epoch,
            "components": structure.components(pl_module),
        }
        self._known["rates"] = self._rates(trainer, pl_module)
        if not self._asked.steps:
            raise Enough
        self._let_run(trainer, pl_module)

    def _validation_batches(self, trainer: Trainer) -> int:
        if not trainer.enable_validation:
            return 0
        counts = trainer.num_val_batches
        counts = counts if isinstance(counts, list) else [counts]
        if any(math.isinf(count) for count in counts):
            self._problems["evaluations"] = "the loaders of validation have no length"
            return 0
        return int(sum(counts))

    def _val_check_batch(self, trainer: Trainer, batches: float) -> float | None:
        every: Any = getattr(trainer, "val_check_batch", None)
        if every is None:
            self._problems["evaluations"] = "validations come by time, not by steps"
            return None
        if math.isinf(every):
            return None if math.isinf(batches) else batches
        interval = self._trainer_config.get("val_check_interval")
        if isinstance(interval, float) and not math.isinf(batches):
            return max(1, int(batches * interval))
        return float(every)

    def _rates(self, trainer: Trainer, module: LightningModule) -> tuple[Rates, ...]:
        known = self._known
        ends = known["max_epochs"] is not None or known["max_steps"] is not None
        if known["batches"] is None or not ends:
            return ()
        length = run_length(
            known["batches"], known["accumulate"], epochs=known["max_epochs"],
            steps=known["max_steps"],
        )  # fmt: skip
        if not module.automatic_optimization:
            if trainer.lr_scheduler_configs:
                self._problems["schedule"] = "the module steps its schedule itself"
            return ()
        found = []
        for config in trainer.lr_scheduler_configs:
            intervals = length.steps if config.interval == "step" else math.ceil(length.epochs)
            found.append(rates_of(config, intervals))
        return tuple(found)

    def _let_run(self, trainer: Trainer, module: LightningModule) -> None:
        """Take away what would end the fit, validate or change the rate while it is tried."""
        trainer.fit_loop.max_epochs = -1
        trainer.fit_loop.epoch_loop.max_steps = -1
        trainer.check_val_every_n_epoch = _NEVER
        trainer.accumulate_grad_batches = min(2, max(self._known["accumulate"].values()))
        self._cycle = trainer.accumulate_grad_batches
        if module.automatic_optimization:
            trainer.strategy.lr_scheduler_configs = []
        torch.compiler.set_stance("force_eager")
        self._open.callback(torch.compiler.set_stance, "default")
        self._native = module.training_step

        @functools.wraps(self._native)
        def tried(*args: Any, **kwargs: Any) -> Any:
            if args:
                return self._native(self._cut(args[0]), *args[1:], **kwargs)
            name = next(iter(kwargs))
            return self._native(**{**kwargs, name: self._cut(kwargs[name])})

        module.training_step = tried  # type: ignore[method-assign]
        self._open.callback(setattr, module, "training_step", self._native)
        device = module.device
        tensors = structure.size_of([*module.parameters(), *module.buffers()])
        self._known["device"] = str(device)
        self._known["device_memory"] = devices.memory_of(device)
        self._process = devices.beside(device, tensors)

    def _cut(self, batch: Any) -> Any:
        own = examples_in(batch)
        size = self._loaded.batch or own
        if not self._sizes:
            if self._loaded.batch is None and own:
                self._loaded = Loaded(self._loaded.samples, own, self._loaded.drop_last)
                self._known["batch"] = own
            if self._parts and own:
                large = min(_LARGE, max(own, _SMALL))
                self._sizes = [large // _SMALL, large]
                self._per_row = min(size, self._loaded.samples or size) / own
            else:
                self._sizes = [size or 1]
                self._done = max(self._done, -1)  # there is no batch to choose
        if self._parts and own and (count := self._wanted()) is not None:
            if self._stage() >= 0:
                return part_of(self._batch, count)
            if self._batch is None or _example_size(batch) > _example_size(self._batch):
                self._batch = batch
            return part_of(batch, count)
        self._batch = None
        return batch

    # --- the steps --------------------------------------------------------------------------

    def _stage(self) -> int:
        """Return which cycle it is: three for every size, then those that are timed."""
        return self._done // self._cycle

    def _tried(self) -> int:
        """Return how many cycles are tried before any is timed."""
        return _CYCLES * (len(self._sizes) or 1)

    def _wanted(self) -> int | None:
        stage = max(0, self._stage())
        return self._sizes[stage // _CYCLES] if stage < _CYCLES * len(self._sizes) else None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Begin to count or to record at the beginning of a cycle."""
        self._step_before = trainer.global_step
        first = self._done % self._cycle == 0
        stage = self._stage()
        if stage < 0 or (self._sizes and stage >= self._tried()) or not first:
            return
        if stage % _CYCLES == 0:
            self._cycles.enter_context(countable())
            self._counter = self._cycles.enter_context(FlopCounterMode(display=False))
        elif self._recorder is None:
            self._record(trainer, pl_module)

    def _record(self, trainer: Trainer, module: LightningModule) -> None:
        # What is freed is only seen if it was allocated while that was recorded.
        module.zero_grad(set_to_none=True)
        self._held = structure.size_of(
            [*module.parameters(), *module.buffers(), *structure.states(trainer.optimizers)]
        )
        self._recorder = Allocations(module.device)
        self._recorder.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """End what a cycle counts or records; leave when there is enough."""
        stage = self._stage()
        self._done += 1
        if stage < 0:
            return
        last = self._done % self._cycle == 0
        if stage < self._tried():
            if last:
                self._end_cycle(trainer, pl_module, stage)
            return
        self._time(trainer, pl_module)

    def _end_cycle(self, trainer: Trainer, module: LightningModule, stage: int) -> None:
        if self._counter is not None:
            self._cycles.close()
            self._flops.append(self._counter.get_total_flops() // self._cycle)
            self._counter = None
        elif self._recorder is not None and stage % _CYCLES == _CYCLES - 1:
            self._moments.append(self._recorder.stop())
            self._recorder = None
            self._gradients = structure.size_of(structure.gradients(module))
            self._states = structure.size_of(structure.states(trainer.optimizers))
        if stage + 1 < self._tried():
            return
        if not self._asked.time:
            raise Enough
        torch.compiler.set_stance("default")

    def _time(self, trainer: Trainer, module: LightningModule) -> None:
        devices.wait_for(module.device)
        now = time.perf_counter()
        cycles = self._stage() - self._tried()
        if self._timing_since is None:
            # The first whole batches are slower: they have their memory to find.
            if cycles >= 1:
                self._timing_since = now
        else:
            stepped = trainer.global_step > self._step_before
            (self._stepped if stepped else self._plain).append(now - self._mark)
            enough = cycles > FEWEST_CYCLES and self._stepped
            if enough and now - self._timing_since >= self._asked.seconds:
                self._validate(trainer)
        self._mark = now

    def _validate(self, trainer: Trainer) -> None:
        """Have the trainer validate behind this batch, or leave."""
        if not self._known["validation_batches"] or not trainer.enable_validation:
            raise Enough
        trainer.check_val_every_n_epoch = None
        trainer.val_check_batch = 1

    # --- a validation -----------------------------------------------------------------------

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin to time."""
        self._validating_since = time.perf_counter()

    def on_validation_batch_start(self, *_: Any) -> None:
        """Begin to time a batch."""
        self._batch_since = time.perf_counter()

    def on_validation_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        *_: Any,
    ) -> None:
        """Note a batch; leave a long validation before its end."""
        devices.wait_for(pl_module.device)
        now = time.perf_counter()
        self._validated += 1
        self._validation_batches_seconds += now - self._batch_since
        started = self._validating_since or now
        if now - started > self._asked.seconds and self._validated >= FEWEST_CYCLES:
            raise Enough

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note what a validation takes beside its batches, and leave."""
        whole = time.perf_counter() - (self._validating_since or 0.0)
        self._validation_rest = max(0.0, whole - self._validation_batches_seconds)
        raise Enough

    # --- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Put back what was changed of the module and of torch, wherever the fit was left."""
        self._cycles.close()
        if self._recorder is not None:
            self._recorder.stop()
        self._open.close()

    def facts(self, parameters: int, frozen: int) -> Facts:
        """Return what has been found out."""
        return Facts(
            **self._known,
            parameters=parameters,
            frozen=frozen,
            memory=self._memory(),
            flops=self._flops_line(),
            timing=self._timing(),
            problems=self._problems,
        )

    def _memory(self) -> Memory | None:
        if not any(moment.held for moments in self._moments for moment in moments):
            if self._asked.steps:
                self._problems["memory"] = "no allocations could be recorded"
            return None
        small, large = self._moments[0], self._moments[-1]
        weights = structure.size_of(self._weights)
        buffers = structure.size_of(self._buffers)
        return Memory(
            weights, buffers, self._gradients, self._states, self._held,
            growth(small, self._samples(0), large, self._samples(-1)), self._process,
            devices.SLACK.get(self._known["device"].partition(":")[0], 0.0),
        )  # fmt: skip

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Remember the module's tensors, whose sizes are read at the end."""
        self._weights = list(pl_module.parameters())
        self._buffers = list(pl_module.buffers())

    def _flops_line(self) -> Line | None:
        if not self._flops or not self._flops[-1]:
            return None
        if len(self._sizes) == 1:
            return Line(0.0, self._flops[0] / self._samples(0))
        return Line.through((self._samples(0), self._flops[0]), (self._samples(1), self._flops[1]))

    def _samples(self, place: int) -> float:
        """Return for how many samples of the loader the rows of a size stand."""
        return self._per_row * self._sizes[place]

    def _timing(self) -> Timing | None:
        if not self._stepped:
            return None
        stepped = sum(self._stepped) / len(self._stepped)
        plain = sum(self._plain) / len(self._plain) if self._plain else stepped
        batch = min(plain, stepped)
        per_batch = rest = None
        if self._validated:
            per_batch = self._validation_batches_seconds / self._validated
            rest = getattr(self, "_validation_rest", 0.0)
        count = len(self._stepped) + len(self._plain)
        return Timing(batch, stepped - batch, count, per_batch, rest)


def _devices(trainer: Mapping[str, Any]) -> int:
    """Return how many devices a trainer is configured for, as far as a config can say."""
    counts = []
    for key in ("devices", "num_nodes"):
        value = trainer.get(key)
        count = len(value) if isinstance(value, list) else value
        if isinstance(count, str) and count.isdecimal():
            count = int(count)
        counts.append(count if isinstance(count, int) and count > 0 else 1)
    return math.prod(counts)


def _example_size(batch: Any) -> float:
    """Return the bytes of an example of a batch."""
    return bytes_in(batch) / examples_in(batch)


def _share(batches: float, count: int, told: Loaded) -> float:
    """Return the batches of each of several devices."""
    if math.isinf(batches):
        return batches
    if told.samples is None or told.batch is None:
        return math.ceil(batches / count)
    loading = Loading(told.samples, told.batch, devices=count, drop_last=told.drop_last)
    return min(batches, loading.batches)
