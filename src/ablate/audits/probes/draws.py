"""What a validation draws at random, and from which generators."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.overrides import TorchFunctionMode

_RANDOM = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"),
    *("bernoulli", "multinomial", "normal", "poisson", "uniform_", "normal_", "bernoulli_"),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    *("gumbel_softmax", "rrelu", "exponential_", "random_"),
}


class Draws(Callback):
    """Watches validation steps: which functions of torch draw, which generators move.

    `own` says that torch draws from a generator of the module's own.
    """

    def __init__(self) -> None:
        self.functions: dict[str, None] = {}
        self.own = False
        self._mode: _Calls | None = None
        self._states: tuple[Any, ...] = ()
        self._moved: dict[str, None] = {}

    @property
    def sources(self) -> list[str]:
        """The functions of torch that drew; without one, the generators that moved."""
        return list(self.functions or self._moved)

    def on_validation_batch_start(self, *_: Any) -> None:
        """Look from here on."""
        self._states = _states()
        self._mode = _Calls(self)
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def on_validation_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        *_: Any,
    ) -> None:
        """Look away, and see which generators have moved."""
        self._look_away()
        for name, before, now in zip(_NAMES, self._states, _states(), strict=True):
            if before != now:
                self._moved[name] = None

    def on_exception(self, *_: Any) -> None:
        """Look away."""
        self._look_away()

    def _look_away(self) -> None:
        if self._mode is not None:
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._mode = None


_NAMES = ("random", "numpy.random", "torch")


def _states() -> tuple[Any, ...]:
    words: Any = np.random.get_state()
    return random.getstate(), (str(words[1]), words[2]), bytes(torch.get_rng_state().numpy())


class _Calls(TorchFunctionMode):
    """Notes the random functions of torch that are called, but dropout that is off."""

    def __init__(self, draws: Draws) -> None:
        super().__init__()
        self._draws = draws

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _RANDOM:
            switch = kwargs.get("training", args[2] if len(args) > 2 else True)
            if kwargs.get("generator") is not None:
                self._draws.own = True
            elif "dropout" not in name or switch:
                self._draws.functions[name] = None
        return func(*args, **kwargs)
