"""Which hyper-parameters are an arm's own to tune; pure."""

from collections.abc import Mapping
from typing import Any

from ablate.spec import paths
from ablate.spec.fields import Changes
from ablate.spec.space import Parameter, Space

DECLARED = "the arm sets it"
ABSENT = "the arm has no such key"


def tuned_name(arm: str) -> str:
    """Return what an arm with its own best values is called."""
    return f"{arm}-tuned"


def tuning_study(study: str, arm: str) -> str:
    """Return the name of the search that tunes an arm."""
    return f"{study}-tune-{arm}"


def for_arm(
    space: Mapping[str, Parameter], changes: Changes, config: Mapping[str, Any]
) -> tuple[dict[str, Parameter], dict[str, str]]:
    """Split a space into what is tuned for an arm, and what is not, with the reason.

    `config` is the arm's resolved configuration, `changes` what the arm declares: a parameter
    that it sets, or that would write over what it sets, stays as declared. A parameter that
    depends on a choice goes with it.
    """
    declared = [leaf for path, value in changes.items() for leaf in paths.flatten({path: value})]
    kept: dict[str, Parameter] = {}
    left_out: dict[str, str] = {}
    for path, parameter in Space(space).items():
        reason = ""
        if any(paths.overlap(leaf, path) for leaf in declared):
            reason = DECLARED
        elif lost := [parent for parent in parameter.when if parent in left_out]:
            reason = f"{lost[0]} is not tuned"
        elif not (parameter.when or _within(path, kept) or paths.has(config, path)):
            reason = ABSENT
        if reason:
            left_out[path] = reason
        else:
            kept[path] = parameter
    return kept, left_out


def _within(path: str, space: Mapping[str, Parameter]) -> bool:
    """Say whether a parameter lies inside a section that is itself searched."""
    return any(paths.overlap(path, section) for section in space)
