"""LightningCLI as the resolver and builder of configurations."""

import copy
import inspect
import io
import logging
import re
from collections.abc import Iterator
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
from ablate.run.schedules import Schedule
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
)


class _CLI(LightningCLI):
    """LightningCLI without its own files, whose schedules may be stepped per step."""

    def __init__(self, config: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(
            args=copy.deepcopy(config),
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
        """Step a `Schedule` per optimizer step and fit it to the run; else do as Lightning does."""
        if not isinstance(lr_scheduler, Schedule):
            return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)
        lr_scheduler.fit_to(int(lightning_module.trainer.estimated_stepping_batches))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": lr_scheduler, "interval": lr_scheduler.interval},
        }


class _Resolver(_CLI):
    """A CLI that only parses."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


class _Builder(_CLI):
    """A CLI that builds the objects of one run in the run's own directory."""

    def __init__(
        self, config: dict[str, Any], callbacks: list[Callback], trainer_arguments: dict[str, Any]
    ) -> None:
        self._trainer_arguments = trainer_arguments
        super().__init__(config, trainer_defaults={"callbacks": callbacks})

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's arguments over the configured ones."""
        return super().instantiate_trainer(**{**kwargs, **self._trainer_arguments})


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in every default of a config; raise SpecError naming the key that does not hold.

    Seeds the global random number generators as a side effect, as LightningCLI does.
    """
    with _explained(config), _silenced():
        cli = _Resolver(config)
        text = cli.parser.dump(cli.config, skip_unset=False)
    resolved: dict[str, Any] = yaml.safe_load(text)
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
        raise SpecError(
            _unknown_key(str(error), config) or _simplified(str(error), config)
        ) from error
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(_simplified(str(error), config) or type(error).__name__) from error


def _simplified(message: str, config: dict[str, Any]) -> str:
    """Reduce jsonargparse's account of every type it tried to the keys and what is wrong there."""
    keys: list[str] = []
    complaints: list[str] = []
    for line in message.splitlines():
        text = line.strip().removeprefix("- ")
        if match := re.fullmatch(r'Parser key "([^"]+)":', text):
            keys.append(match[1])
        elif text and not text.startswith(_NOISE):
            complaints.append(re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text))
    owner = re.search(r"Given value: Namespace\(class_path='([^']+)'", message)
    where = owner[1] if owner else ""
    if keys:
        inner = keys[-1].split(".")[-1]
        where = next((p for p in _paths_of(inner, config) if p.startswith(keys[0])), keys[0])
    return f"{where + ': ' if where else ''}{'; '.join(dict.fromkeys(complaints))}"


def _unknown_key(message: str, config: dict[str, Any]) -> str | None:
    match = re.search(
        r"(?:Option '([\w.]+)' is not accepted|does not accept option '([\w.]+)')", message
    )
    if match is None:
        return None
    key = match[1] or match[2]
    for path in _paths_of(key, config):
        known = _keys_beside(path, config)
        return f"{path}: unknown key {key.split('.')[-1]!r}: {nearest(key.split('.')[-1], known)}"
    return None


def _paths_of(key: str, config: Any, prefix: tuple[Any, ...] = ()) -> Iterator[str]:
    if isinstance(config, dict):
        for name, value in config.items():
            if name == key.rsplit(".", maxsplit=1)[-1]:
                yield paths.render((*prefix, name))
            yield from _paths_of(key, value, (*prefix, name))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _paths_of(key, value, (*prefix, index))


def _keys_beside(path: str, config: dict[str, Any]) -> set[str]:
    keys = paths.parse(path)[:-1]
    if not keys:
        return {"seed_everything", "model", "data", "optimizer", "lr_scheduler", "trainer"}
    if keys == ("trainer",):
        return set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    if keys[-1] != "init_args":
        return set()
    owner = paths.get(config, paths.render(keys[:-1]))
    return _argument_names(owner.get("class_path", ""))


def _argument_names(class_path: str) -> set[str]:
    module, _, name = class_path.rpartition(".")
    try:
        target = getattr(__import__(module, fromlist=[name]), name)
    except (ImportError, AttributeError, ValueError):
        return set()
    names: set[str] = set()
    for owner in inspect.getmro(target):
        if owner is not object and "__init__" in vars(owner):
            names |= set(inspect.signature(vars(owner)["__init__"]).parameters)
    return names - {"self", "args", "kwargs", "optimizer", "params"}
