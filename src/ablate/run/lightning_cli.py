"""LightningCLI as the resolver and builder of configurations."""

import copy
import inspect
import io
import logging
import math
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch import (
    Callback,
    LightningDataModule,
    LightningModule,
    Trainer,
    seed_everything,
)
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ablate.errors import SpecError
from ablate.run.config_errors import explained, unknown_key
from ablate.run.defaults import left_to_code, recorded
from ablate.run.entry import execute_entry
from ablate.run.run_folder import placed
from ablate.run.schedules import Schedule, StepSchedule
from ablate.run.trainable import takes_optimizer
from ablate.spec import dump_yaml, paths
from ablate.spec.secrets import put_in, refuse_secrets, require_variables, variables

_FIT = "fit"
_OF_FIT = frozenset(inspect.signature(Trainer.fit).parameters) - {"self"}
"""What the subcommand `fit` takes beside the sections of a config."""


class _Until(Enum):
    """How far an entry is executed."""

    PARSED = "parsed"
    BUILT = "built"
    TRAINED = "trained"


class _Left(BaseException):
    """Leaves a project's script from inside; no `except Exception` of its own stops it."""


@dataclass(frozen=True)
class FitCall:
    """A project's call of `Trainer.fit`, which its run does in its own way.

    `data` has the data module or the loaders, by the names of `Trainer.fit`.
    """

    cli: LightningCLI
    trainer: Trainer
    model: LightningModule
    data: Mapping[str, Any]
    native: Callable[..., None]

    @property
    def datamodule(self) -> LightningDataModule | None:
        """The data module, if there is one."""
        module: LightningDataModule | None = self.data.get("datamodule")
        return module

    def fit(self, checkpoint: Path | None = None) -> None:
        """Train, from a checkpoint if one is given."""
        path = str(checkpoint) if checkpoint else None
        self.native(
            self.trainer, self.model, **self.data, ckpt_path=path, weights_only=bool(path) or None
        )

    def validate(self) -> None:
        """Validate once."""
        names = {"datamodule": "datamodule", "val_dataloaders": "dataloaders"}
        data = {names[name]: value for name, value in self.data.items() if name in names}
        self.trainer.validate(self.model, **data, verbose=False)


Train = Callable[[FitCall], bool]
"""Does a fit; says whether the project's own code goes on behind it."""


@dataclass
class _Session:
    """One execution of a project's entry with the configuration of a job.

    `trainer` has arguments that go over those of the config. A `bare` trainer lacks the callbacks
    that the project's CLI forces on it.
    """

    config: dict[str, Any]
    until: _Until
    trainer: Mapping[str, Any] = field(default_factory=dict)
    train: Train | None = None
    bare: bool = False
    own: bool = False
    run: bool = False
    cli: LightningCLI | None = None
    parser: LightningArgumentParser | None = None
    training: bool = False
    trained: bool = False

    def execute(self, entry: str | None) -> LightningCLI:
        """Execute an entry, plain LightningCLI without one, and return the CLI that it made."""
        self.own = entry is not None
        try:
            if entry is None:
                self._execute_plain()
            else:
                execute_entry(entry, self.construct, self.fit)
        except _Left:
            pass
        else:
            self._require_trained(entry)
        assert self.cli is not None  # noqa: S101 - else it has not trained
        return self.cli

    def _execute_plain(self) -> None:
        cli = LightningCLI.__new__(LightningCLI)
        self.construct(cli, LightningCLI.__init__, {"run": False})
        self.fit(cli.trainer, Trainer.fit, {"model": cli.model, "datamodule": cli.datamodule})

    def _require_trained(self, entry: str | None) -> None:
        if self.cli is None:
            raise SpecError(f"cli: {entry} builds no LightningCLI")
        if not self.trained:
            raise SpecError(
                f"cli: {entry} builds a LightningCLI, but never fits: it must have run=True, or "
                "call cli.trainer.fit"
            )

    def construct(
        self, cli: LightningCLI, native: Callable[..., None], arguments: dict[str, Any]
    ) -> None:
        """Make the project's LightningCLI of the job's config instead of the command line."""
        if self.cli is not None:
            raise SpecError("cli: it builds two LightningCLIs, and a run has one config")
        self.cli, self.run = cli, arguments.get("run", True)
        _take_over(cli, self)
        defaults = dict(arguments.get("trainer_defaults") or {})
        if self.bare:
            defaults.pop("callbacks", None)
        parser_kwargs = self._parser_kwargs(arguments.get("parser_kwargs") or {})
        changed = {
            "args": self._args(parser_kwargs),
            "trainer_defaults": defaults,
            "save_config_callback": None,
            "parser_kwargs": parser_kwargs,
        }
        native(cli, **{**arguments, **changed})

    def _args(self, parser_kwargs: Mapping[str, Any]) -> list[str] | dict[str, Any]:
        config = copy.deepcopy(self.config)
        if config.get("trainer") is None:
            config["trainer"] = {}
        if _interpolates(parser_kwargs):  # what `${...}` stands for is found in a text alone
            return [*([_FIT] if self.run else []), "--config", dump_yaml(_escaped(config))]
        return {"subcommand": _FIT, _FIT: config} if self.run else config

    def _parser_kwargs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        raises = {"exit_on_error": False}
        inner = {_FIT: {**given.get(_FIT, {}), **raises}} if self.run else {}
        return {**given, **inner, **raises}

    def fit(self, trainer: Trainer, native: Callable[..., None], arguments: dict[str, Any]) -> None:
        """Train in the way of the job, where the project's code trains."""
        if self.training:  # a trainer inside the training, the module's own affair
            native(trainer, **arguments)
            return
        if self.cli is None or trainer is not getattr(self.cli, "trainer", None):
            raise SpecError("cli: it fits a trainer that is not the one of its LightningCLI")
        if self.trained:
            raise SpecError("cli: it fits twice, and a run is one fit")
        call = _call(self.cli, trainer, native, arguments)
        assert self.train is not None  # noqa: S101 - else the entry was left before
        self.training = True
        try:
            goes_on = self.train(call)
        finally:
            self.training = False
        self.trained = True
        if not goes_on:
            raise _Left


def _interpolates(parser_kwargs: Mapping[str, Any]) -> bool:
    modes = (kwargs.get("parser_mode") for kwargs in (parser_kwargs, parser_kwargs.get(_FIT, {})))
    return any(str(mode).startswith("omegaconf") for mode in modes)


def _escaped(value: Any) -> Any:
    """Have OmegaConf take references to the environment as texts."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${env:", "\\${env:") if isinstance(value, str) else value


def _referred(value: Any) -> Any:
    """Return a parsed config with what its references to the environment stand for."""
    if isinstance(value, Namespace):
        items = {key: _referred(item) for key, item in vars(value).items()}
        return Namespace(**items)  # type: ignore[no-untyped-call]
    if type(value) is dict:
        return {key: _referred(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_referred(item) for item in value)
    return put_in(value)


def _call(
    cli: LightningCLI, trainer: Trainer, native: Callable[..., None], arguments: dict[str, Any]
) -> FitCall:
    given = {name: value for name, value in arguments.items() if value is not None}
    if given.get("ckpt_path") is not None:
        raise SpecError(
            f"ckpt_path: a run begins at its own beginning, not at {given['ckpt_path']}: load the "
            "weights in the module, or leave ckpt_path out"
        )
    model = given.pop("model", None)
    if isinstance(given.get("train_dataloaders"), LightningDataModule):
        given["datamodule"] = given.pop("train_dataloaders")
    data: dict[str, Any] = {
        name: given[name]
        for name in ("datamodule", "train_dataloaders", "val_dataloaders")
        if name in given
    }
    return FitCall(cli, trainer, model, data, native)


_PLAIN_PARSERS: list[LightningArgumentParser] = []
"""The parser of plain LightningCLI, once it is made: that takes longer than to parse with it."""

_Native = LightningCLI if TYPE_CHECKING else object


class _TakenOver(_Native):  # type: ignore[misc, valid-type]
    """What stands in front of the class of a project's LightningCLI while a job executes it."""

    session: _Session
    trainer_class: Callable[..., Trainer]

    @property
    def auto_configure_optimizers(self) -> bool:
        """Leave out the optimizer of a module that has nothing to train."""
        model = getattr(self, "model", None)
        return self._configures and (model is None or takes_optimizer(model))

    @auto_configure_optimizers.setter
    def auto_configure_optimizers(self, value: bool) -> None:
        self._configures = value

    def setup_parser(self, *arguments: Any) -> None:
        """Make the parser; that of plain LightningCLI, which knows no project, is made once."""
        if _PLAIN_PARSERS and not self.session.own:
            self.parser = self.session.parser = _PLAIN_PARSERS[0]
            return
        super().setup_parser(*arguments)
        if not self.session.own:
            _PLAIN_PARSERS.append(self.parser)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the project's arguments; a bare trainer leaves out the callbacks among them."""
        super().add_arguments_to_parser(parser)
        self.session.parser = self.session.parser or parser
        if self.session.bare:
            parser.callback_keys.clear()

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the job's config; the command line is the script's own affair."""
        with _explained(self.session), _no_command_line(), _local_files():
            super().parse_arguments(parser, args)
        if self.session.until is _Until.PARSED:
            raise _Left

    def instantiate_classes(self) -> None:
        """Build everything, the trainer with the run's arguments over the configured ones."""
        native: Callable[..., Trainer] = self.trainer_class
        self.trainer_class = _given(native, self.session.trainer)
        instantiate = self.parser.instantiate_classes
        if any(variables(self.session.config)):
            # Only what is built gets them: Lightning takes hyper-parameters from the config.
            self.parser.instantiate_classes = lambda config: instantiate(_referred(config))
        try:
            with _explained(self.session):
                super().instantiate_classes()
        finally:
            self.parser.instantiate_classes = instantiate

    def after_instantiate_classes(self) -> None:
        """Leave the project's code where a job only needs what it builds."""
        super().after_instantiate_classes()
        if self.session.until is _Until.BUILT:
            raise _Left

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer; Lightning judges flags and callbacks as they are, then bars go."""
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        drop_bars(trainer)
        return trainer


def _take_over(cli: LightningCLI, session: _Session) -> None:
    native = type(cli)
    names = {
        "__module__": native.__module__,
        "__qualname__": native.__qualname__,
        "__doc__": native.__doc__,
        "configure_optimizers": staticmethod(_stepped(cli.configure_optimizers)),
    }
    cli.__class__ = type(native.__name__, (_TakenOver, native), names)
    cli.session = session  # type: ignore[attr-defined]


def _given(native: Callable[..., Trainer], arguments: Mapping[str, Any]) -> Callable[..., Trainer]:
    """Make a trainer with other arguments, as far as it takes them."""

    def trainer(**config: Any) -> Trainer:
        return native(**{**config, **{k: v for k, v in arguments.items() if k in config}})

    return trainer


def _stepped(native: Callable[..., Any]) -> Callable[..., Any]:
    """Step a `Schedule` at its own interval, fitted to the run; else do as the project does."""

    def configure_optimizers(
        lightning_module: LightningModule,
        optimizer: Optimizer,
        lr_scheduler: LRScheduler | None = None,
    ) -> Any:
        if not isinstance(lr_scheduler, Schedule):
            return native(lightning_module, optimizer=optimizer, lr_scheduler=lr_scheduler)
        _fit_to_run(lr_scheduler, lightning_module.trainer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": lr_scheduler, "interval": lr_scheduler.interval},
        }

    return configure_optimizers


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


def resolve(
    config: dict[str, Any], cli: str | None = None, declared: Collection[str] = ()
) -> dict[str, Any]:
    """Fill in every default of a config; raise SpecError naming the key that does not hold.

    What the parser of `cli` links is filled in too; a `declared` path must not be one of these.
    Seeds the global random number generators as a side effect, as LightningCLI does.
    """
    session = _Session(left_to_code(config), _Until.PARSED)
    with _silenced():
        made = session.execute(cli)
        with _explained(session):
            resolved, linked = _resolved(made, session)
    for path, value in paths.flatten(config).items():
        # jsonargparse drops an empty mapping under an unknown key without a word.
        if (
            value == {}
            and path.split(".")[-1] not in paths.CLASS_KEYS
            and not paths.has(resolved, path)
        ):
            raise SpecError(unknown_key(path, config))
    refuse_secrets(resolved)
    for path in declared:
        if any(
            path == target or path.startswith((f"{target}.", f"{target}[")) for target in linked
        ):
            raise SpecError(
                f"{path} follows another key, to which the project's own CLI links it, so nothing "
                "else can be declared for it: declare the key that it follows"
            )
    return resolved


def rehearse() -> None:
    """Make what every job with plain LightningCLI needs, so that copies of this process have it."""
    resolve({"model": {"class_path": "lightning.pytorch.LightningModule"}})


def _resolved(cli: LightningCLI, session: _Session) -> tuple[dict[str, Any], set[str]]:
    """Return a parsed config with every default, and the paths that the parser links to others."""
    parser, parsed = session.parser, cli.config[_FIT] if session.run else cli.config
    assert parser is not None  # noqa: S101 - it has parsed
    owners = {
        "trainer": cli.trainer_class,
        **({} if cli.subclass_mode_model else {"model": cli.model_class}),
        **({} if cli.subclass_mode_data else {"data": cli.datamodule_class}),
    }
    whole = recorded(parser, parsed, session.config, owners)
    unlinked = yaml.safe_load(parser.dump(parsed, format="yaml", skip_unset=False))
    linked = paths.flatten(whole).keys() - paths.flatten(unlinked).keys()
    of_a_fit = _OF_FIT if session.run else frozenset()
    resolved = {
        key: value
        for key, value in whole.items()
        if not (key in of_a_fit and (value is None or key == "weights_only"))
    }
    return resolved, linked


def build(
    config: dict[str, Any],
    directory: Path | None,
    callbacks: list[Callback],
    cli: str | None = None,
    *,
    bare: bool = False,
    **trainer: Any,
) -> LightningCLI:
    """Build module, data and trainer of a config; the trainer writes below `directory`.

    A `bare` trainer lacks the callbacks that the project's own CLI forces on it. Raises SpecError
    where a constructor refuses its arguments.
    """
    require_variables(config)
    arguments = _arguments(config, directory, trainer)
    written = left_to_code(placed(config, directory) if directory else config)
    built = _Session(written, _Until.BUILT, arguments, bare=bare).execute(cli)
    built.trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    return built


class Factory:
    """Builds configs of plain LightningCLI one after the other with the parser of the first.

    Each is built as `build` builds it, from its own seed; only the parser is not made again, nor is
    a config parsed again that is the last one.
    """

    def __init__(self, config: dict[str, Any], directory: Path | None, **trainer: Any) -> None:
        self._directory = directory
        self._cli: Any = build(config, directory, [], bare=True, **trainer)
        self._trainer_class = self._cli.trainer_class
        self._parsed: dict[str, Any] | None = None

    def build(self, config: dict[str, Any]) -> LightningCLI:
        """Build a config. Raises SpecError where a constructor refuses its arguments."""
        require_variables(config)
        written = left_to_code(placed(config, self._directory) if self._directory else config)
        cli = self._cli
        if written != self._parsed:
            self._parsed = None
            cli.session = replace(cli.session, config=written)
            # What is written down of one config would be the hyper-parameters of the next.
            vars(cli).pop("config_dump", None)
            cli.parse_arguments(cli.parser, copy.deepcopy(written))
            self._parsed = written
        seed = cli.config["seed_everything"]
        if seed is not False:
            seed_everything(seed, workers=True)
        cli.before_instantiate_classes()
        cli.trainer_class = self._trainer_class
        cli.instantiate_classes()
        built: LightningCLI = copy.copy(cli)
        return built


def train(
    config: dict[str, Any], directory: Path, cli: str | None, do: Train, **trainer: Any
) -> None:
    """Execute a project's entry with a config, and let `do` do its fit; write below `directory`.

    Raises SpecError where a constructor refuses its arguments, or the entry never fits.
    """
    require_variables(config)
    arguments = _arguments(config, directory, trainer)
    written = left_to_code(placed(config, directory))
    _Session(written, _Until.TRAINED, arguments, do).execute(cli)


def _arguments(
    config: dict[str, Any], directory: Path | None, trainer: Mapping[str, Any]
) -> dict[str, Any]:
    asked = config.get("trainer") or {}
    return {
        "enable_model_summary": bool(asked.get("enable_model_summary")),
        **({"default_root_dir": str(directory)} if directory else {}),
        **trainer,
    }


def drop_bars(trainer: Trainer) -> None:
    """Take away what draws on a terminal."""
    built: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    kept = [callback for callback in built if not isinstance(callback, ProgressBar)]
    trainer.callbacks = kept  # type: ignore[attr-defined]


def left_out(cli: LightningCLI) -> list[str]:
    """Name what a config asks to be drawn on a terminal, which runs do without."""
    asked = cli.config_init.get(str(cli.subcommand), cli.config_init)["trainer"]
    callbacks = asked.get("callbacks")
    if not isinstance(callbacks, list):
        callbacks = [callbacks]
    bars = [type(callback).__name__ for callback in callbacks if isinstance(callback, ProgressBar)]
    return bars or (["trainer.enable_progress_bar"] if asked.get("enable_progress_bar") else [])


@contextmanager
def _explained(session: _Session) -> Iterator[None]:
    def known() -> list[str]:
        return [] if session.parser is None else [*session.parser.get_defaults().keys()]

    with explained(session.config, known if session.own else None):
        yield


@contextmanager
def _no_command_line() -> Iterator[None]:
    before = sys.argv
    sys.argv = before[:1]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _local_files() -> Iterator[None]:
    """Let a text in a config name no file elsewhere; LightningCLI would fetch it from anywhere."""
    set_parsing_settings(config_read_mode_fsspec_enabled=False)
    try:
        yield
    finally:
        set_parsing_settings(config_read_mode_fsspec_enabled=True)


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
