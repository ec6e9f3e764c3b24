"""LightningCLI as the resolver and builder of configurations."""

import copy
import inspect
import io
import logging
import math
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ablate.errors import SpecError, nearest
from ablate.run.schedules import Schedule, StepSchedule
from ablate.spec import paths

_NOISE = (
    "Does not validate against any",
    "Subtypes:",
    "Errors:",
    "Given value",
    "Expected a <class 'NoneType'>",
    "Problem with given class_path",
    "Expected a path but",
    "Expected a dot import path",
    "Not a valid subclass",
    "Subclass types expect one of",
    "a class path (str)",
    "a dict with",
)
_PARSER_KEY = re.compile(r'Parser key "([^"]+)":')
_GROUP = re.compile(r"Group '([^']+)' does not accept")
_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


class _CLI(LightningCLI):
    """LightningCLI without its own files, whose schedules may be stepped per step."""

    def __init__(self, config: dict[str, Any], **kwargs: Any) -> None:
        config = copy.deepcopy(config)
        if config.get("trainer") is None:
            config["trainer"] = {}
        super().__init__(
            args=config,
            run=False,
            save_config_callback=None,
            parser_kwargs={"exit_on_error": False},
            **kwargs,
        )

    @staticmethod
    def configure_optimizers(
        lightning_module: LightningModule,
        optimizer: Optimizer,
        lr_scheduler: LRScheduler | None = None,
    ) -> Any:
        """Step a `Schedule` at its own interval, fitted to the run; else do as Lightning does."""
        if not isinstance(lr_scheduler, Schedule):
            return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)
        _fit_to_run(lr_scheduler, lightning_module.trainer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": lr_scheduler, "interval": lr_scheduler.interval},
        }


def _fit_to_run(schedule: Schedule, trainer: Trainer) -> None:
    """Tell a schedule the length of the run; raise SpecError if it does not suit the schedule."""
    name = type(schedule).__name__
    if schedule.interval == "epoch":
        length, needs = trainer.max_epochs or -1, "trainer.max_epochs"
    else:
        steps = trainer.estimated_stepping_batches
        length = -1 if math.isinf(steps) else int(steps)
        needs = "trainer.max_epochs or trainer.max_steps"
    if length < 0:
        raise SpecError(f"lr_scheduler: {name} needs a run of known length: set {needs}")
    try:
        schedule.fit_to(length)
    except ValueError as error:
        raise SpecError(f"lr_scheduler: {name}: {error}") from None
    warmup = schedule.warmup if isinstance(schedule, StepSchedule) else 0
    if warmup > (schedule.length or length) and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        warnings.warn(
            f"lr_scheduler: {name} warms up for {warmup} steps, but the run has {schedule.length}: "
            "the rate only rises and never reaches its full value",
            stacklevel=2,
        )


class _Resolver(_CLI):
    """A CLI that only parses."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


class _Builder(_CLI):
    """A CLI that builds the objects of one run in the run's own directory."""

    def __init__(
        self, config: dict[str, Any], callbacks: list[Callback], trainer_arguments: dict[str, Any]
    ) -> None:
        self._callbacks = callbacks
        self._trainer_arguments = trainer_arguments
        super().__init__(config)

    @property
    def auto_configure_optimizers(self) -> bool:
        """Leave out the optimizer of a module that has nothing to train."""
        model = getattr(self, "model", None)
        return model is None or next(model.parameters(), None) is not None

    @auto_configure_optimizers.setter
    def auto_configure_optimizers(self, value: bool) -> None:
        """Take the value that LightningCLI starts with."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's arguments and callbacks over the configured ones."""
        trainer = super().instantiate_trainer(**{**kwargs, **self._trainer_arguments})
        trainer.callbacks.extend(self._callbacks)  # type: ignore[attr-defined]
        return trainer


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in every default of a config; raise SpecError naming the key that does not hold.

    Seeds the global random number generators as a side effect, as LightningCLI does.
    """
    with _explained(config), _silenced():
        cli = _Resolver(config)
        text = cli.parser.dump(cli.config, skip_unset=False)
    resolved: dict[str, Any] = yaml.safe_load(text)
    for path, value in paths.flatten(config).items():
        # jsonargparse drops an empty mapping under an unknown key without a word.
        if value == {} and path.split(".")[-1] not in _CLASS_KEYS and not paths.has(resolved, path):
            raise SpecError(_unknown(path, _keys_beside(path, config) or ()))
    return resolved


def build(
    config: dict[str, Any], directory: Path | None, callbacks: list[Callback], **trainer: Any
) -> LightningCLI:
    """Build module, data and trainer of a config; the trainer writes below `directory`.

    Raises SpecError where a constructor refuses its arguments.
    """
    arguments = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **({"default_root_dir": str(directory)} if directory else {}),
        **trainer,
    }
    with _explained(config):
        return _Builder(config, callbacks, arguments)


@contextmanager
def _silenced() -> Iterator[None]:
    logger = logging.getLogger("lightning.fabric.utilities.seed")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _explained(config: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except ArgumentError as error:
        raise SpecError(_explanation(str(error), config)) from error
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(_simplified(str(error), config) or type(error).__name__) from error


def _explanation(message: str, config: dict[str, Any]) -> str:
    """Say in one line which key of the config jsonargparse's message is about, and what to do."""
    return _stray_key(config) or _unknown_option(message, config) or _simplified(message, config)


def _stray_key(config: dict[str, Any]) -> str | None:
    """Find a key beside `class_path` and `init_args`, where there can be none."""
    trainer = config.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    classes = {name: config.get(name) for name in ("model", "data", "optimizer", "lr_scheduler")}
    for name in ("callbacks", "logger"):
        value = trainer.get(name)
        several = value if isinstance(value, list) else []
        classes |= {f"trainer.{name}[{index}]": item for index, item in enumerate(several)}
        classes[f"trainer.{name}"] = value
    for path, value in classes.items():
        if isinstance(value, dict) and (stray := [key for key in value if key not in _CLASS_KEYS]):
            return _unknown(f"{path}.{stray[0]}", _CLASS_KEYS)
    return None


def _unknown_option(message: str, config: dict[str, Any]) -> str | None:
    match = re.search(r"[Oo]ption '([\w.]+)'(?: is not accepted|$)", message, re.MULTILINE)
    if match is None:
        return None
    for key in match[1].split("."):
        for path in _places(key, message, config):
            known = _keys_beside(path, config)
            if known is not None and key not in known:
                return _unknown(path, known)
    return None


def _unknown(path: str, known: Iterable[str]) -> str:
    key = str(paths.parse(path)[-1])
    return f"{path}: unknown key {key!r}: {nearest(key, known)}"


def _simplified(message: str, config: dict[str, Any]) -> str:
    """Reduce jsonargparse's account of every type it tried to the keys and what is wrong there."""
    keys = _PARSER_KEY.findall(message)
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    complaints = [
        re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
        for text in lines
        if text and not text.startswith(_NOISE) and not _PARSER_KEY.fullmatch(text)
    ]
    owner = re.search(r"Given value: Namespace\(class_path='([^']+)'", message)
    where = owner[1] if owner else ""
    if missing := re.search(
        r"(?:No module named|module '([\w.]+)' has no attribute) '(.+)'", message
    ):
        if missing[1] in sys.modules:
            complaints = [f"{missing[0]}: {nearest(missing[2], vars(sys.modules[missing[1]]))}"]
        keys.append("class_path")
    if keys:
        where = next(iter(_places(keys[-1].split(".")[-1], message, config)), keys[0])
    return f"{where + ': ' if where else ''}{'; '.join(dict.fromkeys(complaints))}"


def _places(key: str, message: str, config: dict[str, Any]) -> list[str]:
    """List the paths that end in `key`, those in the class that the message names first."""
    section = next(iter(_PARSER_KEY.findall(message) + _GROUP.findall(message)), "")
    named = re.findall(r"Problem with given class_path '([^']+)'", message)
    places = [path for path in _paths_of(key, config) if path.startswith(section)]
    return sorted(places, key=lambda path: _owner(path, config) not in named)


def _owner(path: str, config: dict[str, Any]) -> str:
    """Return the class path of the object that a path leads into, or nothing."""
    keys = paths.parse(path)
    depth = keys.index("init_args") if "init_args" in keys else len(keys) - 1
    node = paths.get(config, paths.render(keys[:depth])) if depth else config
    return str(node.get("class_path", "")) if isinstance(node, dict) else ""


def _paths_of(key: str, config: Any, prefix: tuple[Any, ...] = ()) -> Iterator[str]:
    if isinstance(config, dict):
        for name, value in config.items():
            if name == key:
                yield paths.render((*prefix, name))
            yield from _paths_of(key, value, (*prefix, name))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _paths_of(key, value, (*prefix, index))


def _keys_beside(path: str, config: dict[str, Any]) -> set[str] | None:
    """List the keys that may stand where `path` ends; None where that is not known."""
    keys = paths.parse(path)[:-1]
    if not keys:
        return {"seed_everything", "model", "data", "optimizer", "lr_scheduler", "trainer"}
    if keys == ("trainer",):
        return set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    return _argument_names(_owner(path, config)) if keys[-1] == "init_args" else None


def _argument_names(class_path: str) -> set[str]:
    """List the arguments of a class, those of its bases too where it passes them on."""
    module, _, name = class_path.rpartition(".")
    try:
        target = getattr(__import__(module, fromlist=[name]), name)
    except (ImportError, AttributeError, ValueError):
        return set()
    names: set[str] = set()
    for owner in inspect.getmro(target):
        if owner is not object and "__init__" in vars(owner):
            arguments = inspect.signature(vars(owner)["__init__"]).parameters.values()
            names |= {item.name for item in arguments if item.kind is not item.VAR_KEYWORD}
            if not any(item.kind is item.VAR_KEYWORD for item in arguments):
                break
    return names - {"self", "args", "optimizer", "params"}
