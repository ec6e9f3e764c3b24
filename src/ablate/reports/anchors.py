"""Where the links of a report lead: to what an arm changes, to a run, to what the audit found."""

import re
from collections.abc import Iterable, Iterator

from ablate.reports.blocks import Code, Inline, Link

_TRIALS = re.compile(r"\b(trials? )(\d+(?:, \d+)*(?: and \d+(?! more))?)")


def arm_anchor(name: str) -> str:
    """Name the place where the report says what an arm changes."""
    return "arm-" + re.sub(r"[^\w-]", lambda match: f".{ord(match[0]):x}.", name)


def arm_link(name: str) -> Link:
    """Let the name of an arm lead to what the arm changes."""
    return Link(Code(name), arm_anchor(name))


def arm_links(names: Iterable[str], last: str = ", ") -> tuple[Inline, ...]:
    """Join the links of arms by commas, the last one by `last`."""
    links = [arm_link(name) for name in names]
    parts: list[Inline] = []
    for index, link in enumerate(links):
        parts += [last if index == len(links) - 1 else ", ", link]
    return tuple(parts[1:])


def trial_anchor(trial: int) -> str:
    """Name the place where the report tells of the runs of a trial."""
    return f"trial-{trial}"


def trial_link(trial: int) -> Link:
    """Let `#15` lead to the runs of trial 15."""
    return Link(f"#{trial}", trial_anchor(trial))


def code_anchor(code: str) -> str:
    """Name the place where the report tells the findings of a code."""
    return f"finding-{code}"


def code_link(code: str) -> Link:
    """Let the code of a finding lead to what was found."""
    return Link(Code(code), code_anchor(code))


def linked(words: str) -> tuple[Inline, ...]:
    """Let the trials that a text names, as in `trials 3, 4`, lead to their runs."""
    return tuple(_linked(words))


def _linked(words: str) -> Iterator[Inline]:
    end = 0
    for match in _TRIALS.finditer(words):
        yield words[end : match.end(1)]
        for number in re.split(r"(\d+)", match[2]):
            yield Link(number, trial_anchor(int(number))) if number.isdigit() else number
        end = match.end()
    yield words[end:]
