"""Records of bytes: worked answers for fine-tuning, documents for pre-training."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import count as count_up

from ablate.systems.worldmodel.problems import Draws, Problem, draw_problem
from ablate.systems.worldmodel.tokenizer import END, encode

IGNORED = -100
"""Label of a position without loss."""

TRUNCATION, FORM = 1, 2
"""Streams of draws; the problems themselves are drawn from stream 0."""


@dataclass(frozen=True)
class Record:
    """Hold the token ids of a prompt and of the answer due, which END closes unless clipped."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    @property
    def ids(self) -> tuple[int, ...]:
        """Return prompt and answer."""
        return self.prompt + self.answer

    def labels(self, *, mask_prompt: bool) -> tuple[int, ...]:
        """Return the ids, with IGNORED in place of the prompt if that is masked."""
        return (IGNORED,) * len(self.prompt) + self.answer if mask_prompt else self.ids

    def clipped(self, max_length: int) -> "Record":
        """Return the record without what is beyond `max_length` tokens."""
        return Record(self.prompt[:max_length], self.ids[len(self.prompt) : max_length])


def make_record(problem: Problem, *, truncated: bool = False) -> Record:
    """Return the record of a problem.

    A truncated answer ends before the closing model tag: a defect, kept because a published run
    split its data at blank lines and lost the end of answers whose code had some.
    """
    answer = problem.answer
    if truncated:
        answer = answer[: answer.index("\n</model>")]
    return Record(tuple(encode(problem.prompt)), (*encode(answer), END))


def truncated_indices(count: int, seed: int, share: float) -> frozenset[int]:
    """Return which of `count` records are truncated: a share of them, rounded to whole records.

    Records that are truncated at one share are so at every larger one.
    """
    place = [Draws(seed, index, TRUNCATION).uniform() for index in range(count)]
    return frozenset(sorted(range(count), key=place.__getitem__)[: round(share * count)])


def fine_tuning_records(count: int, seed: int, truncated: float = 0.0) -> list[Record]:
    """Return the first records of the sequence `seed`, the share `truncated` of them truncated."""
    cut = truncated_indices(count, seed, truncated)
    return [
        make_record(draw_problem(seed, index), truncated=index in cut) for index in range(count)
    ]


def training_count(count: int, eval_share: float) -> int:
    """Return int((1 - eval_share) * count) as if the decimal share were exact."""
    return int((1 - Fraction(str(eval_share))) * count)


def probe_problems(count: int, seed: int, training: list[Record]) -> list[Problem]:
    """Return the first problems of the sequence `seed` whose prompts are not in the training."""
    known = {record.prompt for record in training}
    problems: list[Problem] = []
    for index in count_up():
        if len(problems) == count:
            break
        problem = draw_problem(seed, index)
        if tuple(encode(problem.prompt)) not in known:
            problems.append(problem)
    return problems


def base_document(seed: int, index: int) -> list[int]:
    """Return the ids of a document for pre-training: a prompt, half an answer and END.

    With probability 1/4 the thought alone, with 1/4 the thought in its tags, with 1/2 the code
    alone. Model and requires tags never occur.
    """
    problem = draw_problem(seed, index)
    forms = (problem.thought, f"<think>{problem.thought}</think>", problem.code, problem.code)
    return [*encode(problem.prompt + Draws(seed, index, FORM).choice(forms)), END]
