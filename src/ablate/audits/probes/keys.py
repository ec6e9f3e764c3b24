"""Which keys of a configuration are read: each is given another value, and something must move."""

import importlib
import inspect
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lightning.pytorch import LightningModule

from ablate.audits.evidence import Reading
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.examples import describe, look_at_examples
from ablate.audits.probes.served import Data
from ablate.audits.probes.signature import Signature, signature
from ablate.audits.probes.structure import shapes, trainable, tree
from ablate.audits.probes.trace import SCHEDULES, exact, norm
from ablate.errors import AblateError
from ablate.run.installed import is_installed
from ablate.spec import paths

SECTIONS = ("model", "optimizer", "lr_scheduler", "data")
TRIES = 3
_LOADING = ("num_workers", "drop_last", "pin_memory", "prefetch_factor", "persistent_workers")
OURS = "ablate"
"""The package whose systems are a user's own as much as any other module of a project."""


def wanted(
    config: Mapping[str, Any], declared: Sequence[str], written: Collection[str] = ()
) -> list[str]:
    """List the keys to try: the declared ones, then every other argument of the model.

    An argument of a library's class that nobody has written is none of the project's affair.
    """
    sections = {section for section in SECTIONS if config.get(section)}
    first = [p for p in declared if p.split(".")[0] in sections and paths.has(config, p)]
    of_model = [
        path
        for path in paths.flatten({"model": config.get("model") or {}})
        if "init_args" in path
        and not path.endswith("class_path")
        and (path in written or not of_library(config, path))
    ]
    return list(dict.fromkeys([*first, *of_model]))


def of_library(config: Mapping[str, Any], path: str) -> bool:
    """Say whether an installed package, not the project, has the argument that a path leads to."""
    keys = paths.parse(path)
    if "init_args" not in keys:
        return False
    place = len(keys) - 1 - keys[::-1].index("init_args")
    owner = _target(paths.get(config, paths.render(keys[:place])))
    for kind in inspect.getmro(owner) if inspect.isclass(owner) else ():
        if "__init__" in vars(kind) and _takes(vars(kind)["__init__"], str(keys[place + 1])):
            return _by_others(kind)
    return owner is not None and _by_others(owner)


def _takes(function: Any, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _by_others(owner: Any) -> bool:
    module = str(getattr(owner, "__module__", ""))
    if module.partition(".")[0] == OURS:
        return False
    try:
        file = inspect.getfile(owner)
    except (TypeError, OSError):
        return module == "builtins"
    return is_installed(file)


def _target(described: Any) -> Any:
    """Return the class or function that a part of a config names, None if there is none."""
    name = described.get("class_path", "") if isinstance(described, Mapping) else ""
    module, _, attribute = str(name).rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        return None


def others(value: Any, annotation: Any = None) -> list[Any]:
    """Propose other values of a key, those that change most first."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [0, 2 * value, value + 1] if value > 0 else [value + 1, value + 2]
    if isinstance(value, float):
        return [value / 2, value * 2] if value else [0.1, 1.0]
    if isinstance(value, str):
        return [other for other in _choices(annotation) if other != value]
    if isinstance(value, list) and value and all(type(item) in {int, float} for item in value):
        moved = [others(item)[0] for item in value]
        return [[*moved[:1], *value[1:]], moved]
    return []


def _choices(annotation: Any) -> list[Any]:
    """List the strings that an annotation allows, if it names them."""
    if get_origin(annotation) is Literal:
        return [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return [choice for part in get_args(annotation) for choice in _choices(part)]
    return []


def annotation(config: Mapping[str, Any], path: str) -> Any:
    """Return the annotation of the argument that a path leads to; None where it is not known."""
    keys = paths.parse(path)
    if len(keys) < 3 or keys[-2] != "init_args":
        return None
    target = _target(paths.get(config, paths.render(keys[:-2])))
    try:
        return get_type_hints(target.__init__).get(str(keys[-1]))
    except (AttributeError, NameError, TypeError, ValueError):
        return None


class Observer:
    """Watches one configuration, and says whether another value of a key makes a difference.

    `seen` is what it does as it is; `unstable` names what differs between equal runs and
    therefore proves nothing.
    """

    def __init__(
        self, bench: Bench, config: dict[str, Any], seen: Signature, unstable: Collection[str]
    ) -> None:
        self._bench = bench
        self._config = config
        self._unstable = unstable
        self._built = _structure(bench.model)
        self._seen = self._exact(seen)
        self._followed = any(name.startswith(SCHEDULES[0]) for name in seen.trace[-1])

    def reading(self, path: str, alternatives: Sequence[Any]) -> Reading:
        """Try other values of a key until one is legal; a refused value proves nothing.

        Given alternatives are tried first, and one more value where they change nothing. Of the
        data only those are tried: what else a key may be, nobody here can know.
        """
        value = paths.get(self._config, path)
        given = [other for other in alternatives if other != value][:TRIES]
        of_data = path.startswith("data")
        proposed = [] if of_data else others(value, annotation(self._config, path))[:TRIES]
        wanted = len(given) or 1 if of_data else 2 if given else 1
        dead = 0
        for other in [*given, *proposed]:
            effect = self._effect(path, other)
            if effect == "read":
                return "read"
            dead += effect == "dead"
            if dead == wanted:
                break
        return "dead" if dead else "unknown"

    def _effect(self, path: str, value: Any) -> Reading:
        """Say what the configuration with another value of a key shows of it."""
        config = paths.fresh(self._config)
        paths.put(config, path, paths.fresh(value))
        try:
            if path.startswith("data"):
                return self._effect_on_data(config)
            if (
                path.startswith("model")
                and _structure(self._bench.built(config).model) != self._built
            ):
                return "read"
            same = self._exact(signature(self._bench, config=config)) == self._seen
        except AblateError:
            return "unknown"
        except Exception:  # noqa: BLE001 - it builds but does not run: the key is read
            return "read"
        if same and path.startswith("lr_scheduler") and not self._followed:
            return "unknown"
        return "dead" if same else "read"

    def _effect_on_data(self, config: dict[str, Any]) -> Reading:
        """Say whether another data module serves other examples, or serves them otherwise."""
        beside = self._bench.beside(config)
        beside.fit(steps=1)
        if self._exact(signature(beside)) != self._seen:
            return "read"
        if _served(beside.data) != _served(self._bench.data):
            return "read"
        return "dead" if _content(beside.data) == _content(self._bench.data) else "read"

    def _exact(self, seen: Signature) -> list[dict[str, str]]:
        return exact(seen.moves, self._unstable)


def _served(data: Data) -> list[Any]:
    """Return how loaders serve their examples."""
    sources = [source for source in (data.train, *data.val) if source is not None]
    return [
        (
            source.length,
            source.examples,
            source.batch_size,
            *(type(getattr(source.loader, name, None)) for name in ("sampler", "collate_fn")),
            *(getattr(source.loader, name, None) for name in _LOADING),
        )
        for source in sources
    ]


def _content(data: Data) -> list[Any]:
    """Return digests of the examples, and of the order in which training would see them."""
    train, val = look_at_examples(data)
    order = None if data.served is None else data.served.order
    return [
        describe(train, [data.train] if data.train else [], data.train_batches, order),
        describe(val, data.val, [b for batches in data.val_batches for b in batches], None),
    ]


def _structure(model: LightningModule) -> tuple[Any, ...]:
    buffers = tuple(tuple(buffer.shape) for buffer in model.buffers())
    return shapes(model), buffers, tree(model), trainable(model), norm(model).hex()


def read_keys(
    observer: Observer,
    wanted: Sequence[str],
    alternatives: Mapping[str, Sequence[Any]],
    until: float,
) -> tuple[dict[str, Reading], int]:
    """Say of every key whether it is read; return also how many were left when time was up."""
    readings: dict[str, Reading] = {}
    for number, path in enumerate(wanted):
        if time.monotonic() > until:
            return readings, len(wanted) - number
        readings[path] = observer.reading(path, alternatives.get(path, ()))
    return readings, 0
