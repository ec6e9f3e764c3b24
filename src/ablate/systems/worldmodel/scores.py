"""Scores of one answer: which tags it has, whether its code runs, and whether it is right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ablate.systems.worldmodel.grader import grade
from ablate.systems.worldmodel.tokenizer import decode

Scorer = Literal["exact", "clipped", "production-as-published"]

TAGS = ("think", "model", "requires")
"""Tags of an answer, in their order."""

TOLERANCE = 1e-6
"""Largest difference between the printed value and the reference of a correct answer."""

MARKERS = len("<|im_start|><|im_end|><|im_start|>")
"""Characters of the chat markers around a prompt: 34."""


@dataclass(frozen=True)
class Scores:
    """Hold the scores of one answer.

    Attributes:
        opening_tags: Kinds of tags that are opened, 0 to 3.
        structure: Kinds of tags that are opened and closed after that, 0 to 3; in either order as
            published.
        strict: Each tag is opened once and closed once, all in order.
        executable: The grader could run the code and it printed a number.
        correct: The number is the reference, within TOLERANCE.
        requires: The capability named is the one required.
    """

    opening_tags: int
    structure: int
    strict: bool
    executable: bool
    correct: bool
    requires: bool


def score(
    generated_ids: Sequence[int], value: float, requires: str, scorer: Scorer = "exact"
) -> Scores:
    """Score the tokens generated after the prompt against the reference value and capability.

    The prompt is left behind by its number of tokens, never by the length of its text. "clipped"
    drops further characters, see `clip_like_published`. "production-as-published" does so, too, and
    its structure counts a tag that is opened and closed anywhere, also in the wrong order.
    """
    text = decode(generated_ids)
    if scorer == "exact":
        return score_text(text, value, requires)
    text = clip_like_published(text)
    scores = score_text(text, value, requires)
    if scorer == "clipped":
        return scores
    return replace(scores, structure=sum(f"<{t}>" in text and f"</{t}>" in text for t in TAGS))


def score_text(text: str, value: float, requires: str) -> Scores:
    """Score the text of an answer."""
    code, named = _content(text, "model"), _content(text, "requires")
    graded = grade(code.strip("\n")) if code is not None else None
    printed = graded.value if graded is not None else None
    return Scores(
        opening_tags=sum(f"<{tag}>" in text for tag in TAGS),
        structure=sum(_content(text, tag) is not None for tag in TAGS),
        strict=_is_strict(text),
        executable=printed is not None,
        correct=printed is not None and abs(printed - value) <= TOLERANCE,
        requires=named is not None and named.strip() == requires,
    )


def clip_like_published(answer_text: str) -> str:
    """Drop the first 34 characters of an answer.

    A defect, kept because the published scorers had it: the decoded text lacks the chat markers,
    yet the prompt was cut off by its length with them. The opening think tag is always lost, so
    that a perfect answer has a structure of 2.
    """
    return answer_text[MARKERS:]


def _content(text: str, tag: str) -> str | None:
    """Return what is between the first opening of a tag and the closing after it, if there is."""
    _, opened, rest = text.partition(f"<{tag}>")
    content, closed, _ = rest.partition(f"</{tag}>")
    return content if opened and closed else None


def _is_strict(text: str) -> bool:
    marks = [mark for tag in TAGS for mark in (f"<{tag}>", f"</{tag}>")]
    places = [text.find(mark) for mark in marks]
    return all(text.count(mark) == 1 for mark in marks) and places == sorted(places)
