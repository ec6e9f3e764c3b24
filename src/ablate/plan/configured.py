"""The plan of one configuration: what it will do, what is wrong with it, what it takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ablate.plan import checks
from ablate.plan.constraints import DERIVED, Constraint, Severity, Violation
from ablate.plan.facts import Facts
from ablate.plan.fitting import Fit, fit
from ablate.plan.generations import BatchUnit, Generating
from ablate.plan.memory import show_size
from ablate.plan.rates import Rates
from ablate.plan.steps import Length, Proposal, epochs_for, occasions, run_length
from ablate.spec import Config

_ENDLESS = "trainer.max_epochs"


@dataclass(frozen=True)
class Kept:
    """How many checkpoints a callback writes, as far as that is known, and how many it keeps."""

    callback: str
    written: int | None
    kept: int | None


@dataclass(frozen=True)
class Meaning:
    """What the batch size amounts to if it counts prompts, or completions."""

    unit: BatchUnit
    prompts_per_step: float
    steps_per_epoch: int | None
    optimizer_steps: int | None


@dataclass(frozen=True)
class Sizes:
    """Bytes of a training at its worst moment."""

    weights: int
    buffers: int
    gradients: int
    optimizer: int
    activations: int
    process: int


@dataclass(frozen=True)
class Seconds:
    """Predicted seconds: of an epoch with its validations, of a validation, of the whole run."""

    epoch: float
    evaluation: float | None
    total: float


@dataclass(frozen=True)
class Plan:
    """One configuration before it is run; what is not known is None.

    Sizes are bytes, `flops_per_step` those of an optimizer step on all devices.
    """

    samples: int | None
    batch: int | None
    accumulate: int
    devices: int
    drop_last: bool
    effective_batch: int | None
    batches_per_epoch: int | None
    steps_per_epoch: int | None
    optimizer_steps: int | None
    epochs: float | None
    samples_seen: int | None
    evaluations: int | None
    checkpoints: tuple[Kept, ...]
    warmup_steps: int | None
    warmup_share: float | None
    rates: tuple[Rates, ...]
    parameters: int | None
    frozen: int | None
    components: Mapping[str, int]
    flops_per_step: float | None
    memory: Sizes | None
    memory_bytes: int | None
    memory_needed: int | None
    memory_limit: int | None
    seconds: Seconds | None
    meanings: tuple[Meaning, ...]
    proposals: tuple[Proposal, ...]
    violations: tuple[Violation, ...]
    problems: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong that is an error."""
        return all(violation.severity is not Severity.ERROR for violation in self.violations)

    @property
    def fits(self) -> bool | None:
        """Whether the memory suffices; None where either is not known."""
        if self.memory_needed is None or self.memory_limit is None:
            return None
        return self.memory_needed <= self.memory_limit

    def derived(self) -> dict[str, float]:
        """Return the numbers that follow from the configuration, as constraints name them."""
        known = {name: getattr(self, name) for name in NUMBERS}
        return {DERIVED + name: value for name, value in known.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        made = asdict(self)
        made["rates"] = [
            {
                "scheduler": rates.scheduler,
                "interval": rates.interval,
                "warmup_share": rates.warmup_share,
                "milestones": {f"{share:g}": rate for share, rate in rates.milestones.items()},
            }
            for rates in self.rates
        ]
        whole = self.epochs is not None and float(self.epochs).is_integer()
        return {**made, "epochs": int(self.epochs or 0) if whole else self.epochs,
                "fits": self.fits}  # fmt: skip


NUMBERS = tuple(
    field.name for field in fields(Plan) if field.type in (int, int | None, float | None)
)
"""The names of a plan's numbers, which constraints may use."""


@dataclass(frozen=True)
class Wishes:
    """What a plan is asked for beside the configuration.

    `steps` is the fewest optimizer steps, `limit` the memory there is, in bytes; None stands for
    that of the machine which the facts are from.
    """

    steps: int | None = None
    limit: int | None = None
    constraints: tuple[Constraint, ...] = ()


def plan_config(config: Config, facts: Facts, wishes: Wishes | None = None) -> Plan:
    """Say what a resolved configuration will do; `facts` are what was built of it."""
    wishes = wishes or Wishes()
    leaves = checks.flat(config)
    length = _length(facts)
    effective = facts.batch and facts.batch * facts.accumulate[0] * facts.devices
    generations = next(iter(checks.leaves_named(leaves, checks.GENERATIONS).values()), None)
    memory, batch = facts.memory, facts.batch
    flops = facts.flops.at(batch) * effective / batch if facts.flops and batch and effective else 0
    limit = wishes.limit or facts.device_memory or None
    warmup = facts.rates[0] if facts.rates and facts.rates[0].unread is None else None
    made = Plan(
        samples=facts.samples,
        batch=batch,
        accumulate=facts.accumulate[0],
        devices=facts.devices,
        drop_last=facts.drop_last,
        effective_batch=effective or None,
        batches_per_epoch=facts.batches,
        steps_per_epoch=length.steps_per_epoch if length else None,
        optimizer_steps=length.steps if length else (facts.max_steps if facts.trains else None),
        epochs=length.epochs if length else None,
        samples_seen=_seen(facts, length),
        evaluations=_evaluations(facts, length),
        checkpoints=tuple(_kept(config, facts, length)),
        warmup_steps=_warmup(warmup, length),
        warmup_share=warmup.warmup_share if warmup else None,
        rates=facts.rates,
        parameters=facts.parameters,
        frozen=facts.frozen,
        components=facts.components,
        flops_per_step=flops or None,
        memory=_sizes(facts),
        memory_bytes=memory.peak(batch) if memory and batch else None,
        memory_needed=memory.needed(batch) if memory and batch else None,
        memory_limit=limit,
        seconds=_seconds(facts, length),
        meanings=_meanings(facts, length, generations, leaves),
        proposals=epochs_for(wishes.steps, length.steps_per_epoch)
        if wishes.steps and length and length.batches
        else (),
        violations=(),
        problems=facts.problems,
    )  # fmt: skip
    found = [
        *_static(config, leaves, facts),
        *_of_length(config, facts, length, wishes),
        *_of_memory(made),
        *_declared(wishes.constraints, {**leaves, **made.derived()}),
    ]
    return Plan(**{**vars(made), "violations": tuple(found)})


def check_unbuilt(config: Config, reason: str, wishes: Wishes | None = None) -> Plan:
    """Return the plan of a configuration that could not be built: nothing but what is wrong."""
    wishes = wishes or Wishes()
    leaves = checks.flat(config)
    found = [*_static(config, leaves, None), *_declared(wishes.constraints, leaves)]
    found.append(
        Violation("cannot-train", Severity.ERROR, (), reason, "see that it builds and trains", {})
    )
    unknown: dict[str, Any] = dict.fromkeys(Plan.__dataclass_fields__)
    return Plan(**{
        **unknown, "accumulate": 1, "devices": 1, "drop_last": False, "checkpoints": (),
        "rates": (), "components": {}, "meanings": (), "proposals": (),
        "violations": tuple(found), "problems": {}, "memory_limit": wishes.limit,
    })  # fmt: skip


def fit_config(config: Config, facts: Facts, limit: int) -> Fit | None:
    """Propose batch size and accumulation that keep the effective batch in so many bytes.

    None if not even single examples fit. Raises ValueError if the facts do not say what a batch
    needs.
    """
    memory, batch = facts.memory, facts.batch
    if memory is None or batch is None:
        why = "; ".join(facts.problems.values()) or "its batches have no size"
        raise ValueError(f"what a batch needs is not known: {why}")
    leaves = checks.flat(config)
    unit = _unit(leaves)

    def allowed(size: int, accumulate: int) -> bool:
        tried = {**leaves, **dict.fromkeys(checks.leaves_named(leaves, checks.BATCH_SIZES), size)}
        found = checks.check_groups(tried, unit, accumulate=accumulate, devices=facts.devices)
        return not any(violation.what.startswith("training") for violation in found)

    return fit(batch, facts.accumulate[0], limit, memory.needed, allowed)


def _sizes(facts: Facts) -> Sizes | None:
    memory, batch = facts.memory, facts.batch
    if memory is None or not batch:
        return None
    return Sizes(
        memory.weights, memory.buffers, memory.gradients, memory.optimizer,
        memory.activations(batch), memory.process,
    )  # fmt: skip


def _length(facts: Facts) -> Length | None:
    if facts.batches is None or (facts.max_epochs is None and facts.max_steps is None):
        return None
    return run_length(
        facts.batches, facts.accumulate, epochs=facts.max_epochs, steps=facts.max_steps
    )


def _seen(facts: Facts, length: Length | None) -> int | None:
    if length is None or facts.samples is None or facts.batch is None or not length.batches:
        return None
    at_once = facts.batch * facts.devices
    in_epoch = min(facts.samples, length.batches * at_once)
    whole, rest = divmod(length.all_batches, length.batches)
    return whole * in_epoch + min(rest * at_once, in_epoch)


def _evaluations(facts: Facts, length: Length | None) -> int | None:
    if length is None:
        return None
    if facts.val_check_batch is None or not facts.validation_batches:
        return 0
    return occasions(length, facts.val_check_batch, facts.check_val_every_n_epoch)


def _kept(config: Config, facts: Facts, length: Length | None) -> Sequence[Kept]:
    found = []
    for place, arguments in checks.checkpoint_arguments(config):
        top = arguments.get("save_top_k", 1)
        steps, epochs = arguments.get("every_n_train_steps"), arguments.get("every_n_epochs")
        written: int | None = None
        if length is not None:
            if steps:
                written = length.steps // steps
            elif arguments.get("save_on_train_epoch_end") is False:
                written = _evaluations(facts, length)
            else:
                written = int(length.epochs) // (epochs or 1)
        kept = written if top == -1 else (top if written is None else min(top, written))
        found.append(Kept(place, written, kept))
    return found


def _warmup(rates: Rates | None, length: Length | None) -> int | None:
    if rates is None or length is None:
        return None
    per = length.steps_per_epoch if rates.interval == "epoch" else 1
    first = rates.length if rates.rises_at_end else rates.peak_at
    return min(length.steps, first * per * rates.frequency)


def _seconds(facts: Facts, length: Length | None) -> Seconds | None:
    timing = facts.timing
    if timing is None or length is None or not length.batches:
        return None
    training = length.all_batches * timing.batch + length.steps * timing.step
    evaluation = None
    if timing.validation_batch is not None and timing.validation_rest is not None:
        evaluation = timing.validation_rest + facts.validation_batches * timing.validation_batch
    times = _evaluations(facts, length) or 0
    total = training + times * (evaluation or 0.0)
    return Seconds(total / length.epochs if length.epochs else total, evaluation, total)


def _unit(leaves: Mapping[str, Any]) -> BatchUnit | None:
    said = next((v for path, v in leaves.items() if checks.last_key(path) == "batch_unit"), None)
    return BatchUnit(said) if said in list(BatchUnit) else None


def _meanings(
    facts: Facts, length: Length | None, generations: int | None, leaves: Mapping[str, Any]
) -> tuple[Meaning, ...]:
    """Return both meanings of the batch size where prompts have several completions."""
    if generations is None or facts.samples is None or facts.batch is None:
        return ()
    iterations = next(iter(checks.leaves_named(leaves, ("num_iterations",)).values()), 1)
    made = Generating(
        facts.samples, facts.batch, generations, facts.accumulate[0], facts.devices, iterations
    )
    found = []
    for unit in BatchUnit:
        try:
            per_epoch = made.steps_per_epoch(unit)
        except ValueError:
            per_epoch = None
        steps = None
        if per_epoch is not None and length is not None:
            epochs = facts.max_epochs
            by_epochs = epochs * per_epoch if epochs is not None else math.inf
            by_steps = facts.max_steps if facts.max_steps is not None else math.inf
            steps = int(min(by_epochs, by_steps))
        found.append(Meaning(unit, made.prompts_per_step(unit), per_epoch, steps))
    return tuple(found)


def _static(config: Config, leaves: Mapping[str, Any], facts: Facts | None) -> list[Violation]:
    """Check what the configuration alone shows."""
    trainer = config.get("trainer") or {}
    accumulate, devices = trainer.get("accumulate_grad_batches"), trainer.get("devices")
    found = [
        *(constraint.check(leaves) for constraint in checks.head_constraints(leaves)),
        *checks.check_groups(
            leaves,
            _unit(leaves),
            accumulate=facts.accumulate[0] if facts else _count(accumulate),
            devices=facts.devices if facts else _count(devices),
        ),
        *checks.check_cadence(config, _length(facts) if facts else None),
    ]
    return [violation for violation in found if violation is not None]


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 1


def _of_length(
    config: Config, facts: Facts, length: Length | None, wishes: Wishes
) -> list[Violation]:
    if not facts.trains:
        return []
    if length is None:
        if facts.batches is None:
            return []
        return [
            Violation(
                "endless",
                Severity.ERROR,
                (_ENDLESS, "trainer.max_steps"),
                "nothing ends the run: it has neither a number of epochs nor of steps",
                f"set {_ENDLESS} or trainer.max_steps",
                {},
            )
        ]
    trainer = config.get("trainer") or {}
    by_steps = facts.max_steps is not None and length.steps == facts.max_steps
    key = "trainer.max_steps" if by_steps and trainer.get("max_steps", -1) != -1 else _ENDLESS
    found = [*checks.check_length(length, wishes.steps, key)]
    for rates in facts.rates:
        found += checks.check_rates(rates, length)
    return found


def _of_memory(plan: Plan) -> list[Violation]:
    if plan.fits is not False or plan.memory_needed is None or plan.memory_limit is None:
        return []
    return [
        Violation(
            "too-large",
            Severity.ERROR,
            ("trainer.accumulate_grad_batches",),
            f"a training needs {show_size(plan.memory_needed)}, and there are "
            f"{show_size(plan.memory_limit)}",
            "let --fit propose a smaller batch with more accumulation",
            {},
        )
    ]


def _declared(constraints: Sequence[Constraint], values: Mapping[str, Any]) -> list[Violation]:
    found = (constraint.check(values) for constraint in constraints)
    return [violation for violation in found if violation is not None]
