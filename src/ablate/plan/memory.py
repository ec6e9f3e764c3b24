"""What a training needs of memory, as arithmetic on what one small step has allocated."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([A-Za-z]+)\s*")


def parse_size(text: str) -> int:
    """Read an amount of memory such as `8GB` (10^9) or `16 GiB` (2^30); raise ValueError else."""
    match = _SIZE.fullmatch(text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or (size := int(float(match[1]) * unit)) < 1:
        raise ValueError(f"{text!r} is no amount of memory: write such as 8GB, 512MB or 16GiB")
    return size


def show_size(size: float) -> str:
    """Write bytes with three significant digits: 1.25 GB."""
    for unit in ("TB", "GB", "MB", "KB"):
        if abs(size) >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.3g} {unit}"
    return f"{size:.0f} B"


@dataclass(frozen=True)
class Line:
    """An amount that grows with the examples of a batch: `fixed` + `each` x examples."""

    fixed: float
    each: float

    def at(self, examples: float) -> float:
        """Return the amount for so many examples."""
        return self.fixed + self.each * examples

    @staticmethod
    def through(first: tuple[float, float], second: tuple[float, float]) -> "Line":
        """Draw the line through two points (examples, amount); level if they are one."""
        (n, low), (m, high) = first, second
        each = (high - low) / (m - n) if m != n else 0.0
        return Line(low - each * n, each)


@dataclass(frozen=True, slots=True)
class Moment:
    """An operation of a step, and the most bytes held from its start to that of the next one."""

    operation: str
    held: int


def growth(
    small: Sequence[Moment], examples: float, large: Sequence[Moment], more: float
) -> tuple[Line, ...]:
    """Return how the memory that a step takes grows with its batch.

    `small` and `large` are the moments of one step in order, with so many `examples` and with
    `more` of them. Every operation that both did has a line of its own, and the lines are those
    that are highest somewhere from one example on. Operations are the same as far as their names
    agree from the beginning and from the end; what lies between has one line through its peaks.
    """
    if examples == more:
        return (Line(0.0, _peak(small) / examples),)
    begin = _agreeing(small, large)
    end = _agreeing(small[begin:][::-1], large[begin:][::-1])
    pairs = [*zip(small[:begin], large[:begin], strict=True)]
    pairs += zip(small[len(small) - end :], large[len(large) - end :], strict=True)
    levels = [(few.held, many.held) for few, many in pairs]
    between = small[begin : len(small) - end], large[begin : len(large) - end]
    if peaks := [_peak(moments) for moments in between if moments]:
        levels.append((peaks[0], peaks[-1]))
    return _highest([Line.through((examples, low), (more, high)) for low, high in levels])


def _peak(moments: Sequence[Moment]) -> int:
    return max((moment.held for moment in moments), default=0)


def _agreeing(some: Sequence[Moment], others: Sequence[Moment]) -> int:
    """Return how many operations are the same before the first that differs."""
    pairs = zip(some, others, strict=False)
    same = takewhile(lambda pair: pair[0].operation == pair[1].operation, pairs)
    return sum(1 for _ in same)


def _highest(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Keep the lines that are the highest for some number of examples from one on."""
    best: dict[float, Line] = {}
    for line in lines:
        if line.each not in best or line.fixed > best[line.each].fixed:
            best[line.each] = line
    kept: list[Line] = []
    for line in sorted(best.values(), key=lambda one: one.each):
        while kept and line.at(1) >= kept[-1].at(1):
            kept.pop()
        while len(kept) > 1 and _crossing(kept[-2], line) <= _crossing(kept[-2], kept[-1]):
            kept.pop()
        kept.append(line)
    return tuple(kept)


def _crossing(flatter: Line, steeper: Line) -> float:
    """Return the number of examples from which on the steeper line is higher."""
    return (flatter.fixed - steeper.fixed) / (steeper.each - flatter.each)


@dataclass(frozen=True)
class Memory:
    """What a training holds, in bytes, and how its steps grow with the batch.

    `held` is what of it is there when a step begins: gradients of the last step may be, or not.
    `process` is what the process has beside it: the interpreter, libraries and the data. `slack` is
    what the system's allocator keeps on top, as a share of the activations.
    """

    weights: int
    buffers: int
    gradients: int
    optimizer: int
    held: int
    grows: tuple[Line, ...]
    process: int
    slack: float = 0.0

    def peak(self, batch_size: float) -> int:
        """Return the bytes of tensors at the worst moment of a step."""
        return math.ceil(self.held + max(0.0, *(line.at(batch_size) for line in self.grows), 0.0))

    def activations(self, batch_size: float) -> int:
        """Return what the peak holds beyond weights, gradients and state: activations mostly."""
        standing = self.weights + self.buffers + self.gradients + self.optimizer
        return max(0, self.peak(batch_size) - standing)

    def needed(self, batch_size: float) -> int:
        """Return the bytes that a machine needs for the process."""
        kept = math.ceil(self.slack * self.activations(batch_size))
        return self.peak(batch_size) + kept + self.process
