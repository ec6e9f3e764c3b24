"""The constraints that every configuration is held to."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablate.plan.constraints import Constraint, Relation, Severity, Violation
from ablate.plan.generations import FEWEST_GENERATIONS, BatchUnit, Refused, refused
from ablate.plan.rates import Rates
from ablate.plan.steps import Length
from ablate.spec import paths

WIDTHS = ("d_model", "hidden_size", "embed_dim", "embedding_dim", "n_embd", "d_hid", "width")
HEADS = ("nhead", "heads", "n_heads", "num_heads", "n_head", "num_attention_heads")
GENERATIONS = ("num_generations", "generations")
BATCH_SIZES = (
    "batch_size", "train_batch_size", "per_device_train_batch_size", "micro_batch_size",
)  # fmt: skip
EVAL_BATCH_SIZES = ("eval_batch_size", "val_batch_size", "per_device_eval_batch_size")
_LAST = re.compile(r"(?:.*[.\]])?(?P<name>[^.\[\]]+)$")
_CLOSE = 0.02
"""A schedule may miss the end of the run by rounding."""
_NONE: Mapping[str, tuple[int | float, ...]] = {}


def leaves_named(leaves: Mapping[str, Any], names: Sequence[str]) -> dict[str, int]:
    """Return the leaves whose key is one of the names and whose value is a positive whole number.

    Names earlier in `names` come first.
    """
    found = [
        (names.index(key), path, value)
        for path, value in leaves.items()
        if (key := last_key(path)) in names and type(value) is int and value > 0
    ]
    return {path: value for _, path, value in sorted(found)}


def last_key(path: str) -> str:
    """Return the last key of a path."""
    match = _LAST.fullmatch(path)
    return match["name"] if match else path


def head_constraints(leaves: Mapping[str, Any]) -> list[Constraint]:
    """Return what pairs of a width and heads have to hold: heads divide the width.

    A pair is in one section and has one prefix: `d_model` and `heads`, `context_d_model` and
    `context_heads`.
    """
    found: list[Constraint] = []
    for path in leaves:
        key = last_key(path)
        for head in HEADS:
            if key != head and not key.endswith(f"_{head}"):
                continue
            prefix = path.removesuffix(head)
            wide = next((prefix + name for name in WIDTHS if prefix + name in leaves), None)
            if wide is not None:
                found.append(
                    Constraint(
                        "heads-divide-width",
                        Relation.DIVIDES,
                        (path,),
                        (wide,),
                        "every head gets an equal share of the width",
                    )
                )
                break
    return found


def check_groups(
    leaves: Mapping[str, Any], unit: BatchUnit | None, *, accumulate: int, devices: int
) -> list[Violation]:
    """Check that batches which count completions hold whole groups of them.

    Where it is not known what they count, it is a warning.
    """
    counts = leaves_named(leaves, GENERATIONS)
    if not counts or unit is BatchUnit.PROMPTS:
        return []
    key, generations = next(iter(counts.items()))
    severity = Severity.ERROR if unit is BatchUnit.COMPLETIONS else Severity.WARNING
    found: list[Violation] = []
    for names, accumulation, what in (
        (BATCH_SIZES, accumulate, "training"),
        (EVAL_BATCH_SIZES, 1, "evaluation"),
    ):
        sizes = leaves_named(leaves, names)
        if not sizes:
            continue
        path, size = next(iter(sizes.items()))
        found += _groups(
            refused(size, generations, accumulate=accumulation, devices=devices),
            severity, what, path, key, accumulated=what == "training",
        )  # fmt: skip
    return found


def _groups(
    why: Refused | None, severity: Severity, what: str, path: str, key: str, *, accumulated: bool
) -> Iterator[Violation]:
    if why is None:
        return
    near: dict[str, tuple[int | float, ...]] = {}
    if why.batch_sizes:
        near[path] = why.batch_sizes
    if accumulated and why.accumulations:
        near["trainer.accumulate_grad_batches"] = why.accumulations
    if not near:
        near[key] = (FEWEST_GENERATIONS,)
    keys = tuple(dict.fromkeys((path, key, *near)))
    said = ", or ".join(f"{k} to {' or '.join(map(str, v))}" for k, v in near.items())
    yield Violation("whole-groups", severity, keys, f"{what}: {why.what}", f"set {said}", near)


def check_length(length: Length | None, wanted: int | None, key: str) -> list[Violation]:
    """Check that a run makes at least the wanted number of optimizer steps."""
    if length is None or wanted is None or length.steps >= wanted or not length.batches:
        return []
    epochs = math.ceil(wanted / length.steps_per_epoch)
    value = epochs if key.endswith("epochs") else wanted
    return [
        Violation(
            "too-few-steps",
            Severity.ERROR,
            (key,),
            f"the run makes {length.steps:,} optimizer steps, and {wanted:,} are wanted",
            f"set {key} to {value}",
            {key: (value,)},
        )
    ]


def check_rates(rates: Rates, length: Length) -> list[Violation]:
    """Check that a schedule suits the run: warm-up, restarts, end, and what it is stepped by."""
    if rates.unread is not None:
        return []
    return [
        *_refused_schedule(rates),
        *_endless_warmup(rates),
        *_restarts(rates),
        *_end(rates, length),
    ]


def _schedule(
    code: str,
    severity: Severity,
    keys: Sequence[str],
    *,
    what: str,
    advice: str,
    near: Mapping[str, tuple[int | float, ...]] = _NONE,
) -> Violation:
    paths_of = tuple(f"lr_scheduler.init_args.{key}" for key in keys) or ("lr_scheduler",)
    named = {f"lr_scheduler.init_args.{key}": values for key, values in near.items()}
    return Violation(code, severity, paths_of, what, advice, named)


def _refused_schedule(rates: Rates) -> Iterator[Violation]:
    if rates.refused is not None:
        yield _schedule(
            "schedule-ends",
            Severity.ERROR,
            (),
            what=f"{rates.scheduler} refuses its {rates.interval} number {rates.refused_at} of "
            f"{rates.length}: {rates.refused}",
            advice="give it the length of the run",
        )


def _endless_warmup(rates: Rates) -> Iterator[Violation]:
    if rates.rises_at_end and rates.length > 1:
        yield _schedule(
            "warmup-too-long",
            Severity.ERROR,
            ("warmup",),
            what=f"the rate rises over all {rates.length} {rates.interval}s and is highest at the "
            "end: the warm-up is longer than the training",
            advice=f"warm up for fewer than {rates.length} {rates.interval}s, or train longer",
        )


def _restarts(rates: Rates) -> Iterator[Violation]:
    numbers = rates.arguments or {}
    first, factor = numbers.get("T_0"), numbers.get("T_mult", 1)
    if first is None or first < 1 or factor < 1:
        return
    ends, total, cycle = [], 0.0, first
    while total < rates.length:
        total += cycle
        ends.append(int(total))
        cycle *= factor
    if not ends or ends[-1] == rates.length:
        return
    if len(ends) == 1:
        yield _schedule(
            "restart-never-completes",
            Severity.ERROR,
            ("T_0",),
            what=f"the first cycle takes T_0 = {first:g} {rates.interval}s, and the run has "
            f"{rates.length}: it never restarts",
            advice=f"set lr_scheduler.init_args.T_0 to at most {rates.length}",
            near={"T_0": (rates.length,)},
        )
        return
    done = (rates.length - ends[-2]) / (ends[-1] - ends[-2])
    yield _schedule(
        "restart-never-completes",
        Severity.WARNING,
        ("T_0",),
        what=f"the last of {len(ends)} cycles is cut off at {done:.0%}: the run has {rates.length} "
        f"{rates.interval}s, and cycles end at {', '.join(map(str, ends))}",
        advice=f"train for {ends[-2]} or {ends[-1]} {rates.interval}s, or change T_0",
    )


_LENGTHS = ("T_max", "total_steps", "total_iters", "total_epochs")


def _end(rates: Rates, length: Length) -> Iterator[Violation]:
    numbers = rates.arguments or {}
    name = next((key for key in _LENGTHS if numbers.get(key)), None)
    if name is None or not rates.length or rates.refused is not None:
        return
    # ConstantLR and LinearLR change the rate at the beginning alone, on purpose.
    if rates.scheduler in {"ConstantLR", "LinearLR", "SequentialLR"}:
        return
    own = numbers[name]
    if abs(own - rates.length) <= max(1.0, _CLOSE * rates.length):
        return
    other, count = (
        ("step", length.steps) if rates.interval == "epoch" else ("epoch", math.ceil(length.epochs))
    )
    mistaken = abs(own - count) <= max(1.0, _CLOSE * count) and count != rates.length
    if mistaken:
        yield _schedule(
            "scheduler-interval",
            Severity.ERROR,
            (name,),
            what=f"{name} = {own:g} counts {other}s, but {rates.scheduler} is stepped after every "
            f"{rates.interval}, {rates.length} times",
            advice=f"have it stepped after every {other}, or set {name} to {rates.length}",
            near={name: (rates.length,)},
        )
        return
    what = "before it has come down" if own > rates.length else "long after it has come down"
    yield _schedule(
        "schedule-length",
        Severity.WARNING,
        (name,),
        what=f"{name} = {own:g}, but the run has {rates.length} {rates.interval}s: it ends {what}",
        advice=f"set lr_scheduler.init_args.{name} to {rates.length}",
        near={name: (rates.length,)},
    )


def check_cadence(config: Mapping[str, Any], length: Length | None) -> list[Violation]:
    """Check that checkpoints which are judged by a validation are saved right after one."""
    trainer = config.get("trainer") or {}
    found: list[Violation] = []
    evals = eval_cadence(trainer, length)
    for place, arguments in checkpoint_arguments(config):
        monitor = arguments.get("monitor")
        if monitor in (None, "step", "epoch"):
            continue
        for key, every, due in (
            ("every_n_train_steps", arguments.get("every_n_train_steps"), evals.get("steps")),
            ("every_n_epochs", arguments.get("every_n_epochs"), evals.get("epochs")),
        ):
            if type(every) is not int or every < 1 or type(due) is not int or every % due == 0:
                continue
            path = f"{place}.init_args.{key}"
            step = due
            near = tuple(
                value for value in (every // step * step, -(-every // step) * step) if value > 0
            )
            unit = "optimizer steps" if key.endswith("steps") else "epochs"
            found.append(
                Violation(
                    "save-between-evaluations",
                    Severity.WARNING,
                    (path, "trainer.val_check_interval" if evals.get("steps") else
                     "trainer.check_val_every_n_epoch"),
                    f"{path}: a checkpoint every {every} {unit} is judged by {monitor}, which is "
                    f"known every {due}",
                    f"set {path} to {' or '.join(map(str, near))}",
                    {path: near},
                )
            )  # fmt: skip
    return found


def checkpoint_arguments(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the arguments of every checkpoint callback of a configuration."""
    callbacks = (config.get("trainer") or {}).get("callbacks") or ()
    for place, callback in enumerate(callbacks if isinstance(callbacks, list) else [callbacks]):
        named = callback.get("class_path") if isinstance(callback, Mapping) else None
        if isinstance(named, str) and named.rpartition(".")[2].endswith("Checkpoint"):
            yield f"trainer.callbacks[{place}]", callback.get("init_args") or {}


def eval_cadence(trainer: Mapping[str, Any], length: Length | None) -> dict[str, int]:
    """Return after how many optimizer steps, and after how many epochs, validations come.

    Either is left out where they come at no fixed number of them.
    """
    interval, epochs = trainer.get("val_check_interval"), trainer.get("check_val_every_n_epoch", 1)
    accumulate = trainer.get("accumulate_grad_batches", 1)
    if epochs is None and type(interval) is int and type(accumulate) is int:
        return {"steps": interval // accumulate} if interval % accumulate == 0 else {}
    if interval in (None, 1.0) and type(epochs) is int:
        by_epoch = {"epochs": epochs}
        return by_epoch | ({"steps": epochs * length.steps_per_epoch} if length else {})
    return {}


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a configuration by path."""
    return paths.flatten(dict(config))
