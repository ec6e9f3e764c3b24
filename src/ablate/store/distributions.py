"""The parameters of a space as Optuna's distributions."""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ablate.spec import Choice, FloatRange, IntRange


def distribution(parameter: FloatRange | IntRange | Choice) -> BaseDistribution:
    """Return Optuna's distribution of a parameter."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.labels)
    if isinstance(parameter, IntRange):
        return IntDistribution(*parameter.bounds, log=parameter.log, step=parameter.step or 1)
    return FloatDistribution(*parameter.bounds, log=parameter.log, step=parameter.step)
