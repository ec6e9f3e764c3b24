"""Captions: who does what, how fast, and which way."""

from collections.abc import Mapping, Sequence

SUBJECTS = ("someone", "a person", "the figure")

TEMPOS = ("slow", "plain", "quick")
ADVERBS = ("slowly", "", "quickly")

DIRECTIONS = ("to the right", "to the left")

VERBS: Mapping[str, tuple[str, str]] = {
    "idle": ("stands idle", "stays idle"),
    "walk": ("walks", "takes a walk"),
    "run": ("runs", "runs on"),
    "sprint": ("sprints", "breaks into a sprint"),
    "jump": ("jumps", "jumps up and down"),
    "wave": ("waves", "waves a hand"),
    "point": ("points", "points ahead"),
    "clap": ("claps", "claps both hands"),
    "punch": ("punches", "throws punches"),
    "kick": ("kicks", "throws kicks"),
    "sit": ("sits", "sits down"),
    "kneel": ("kneels", "kneels down"),
    "climbing": ("climbs", "climbs up"),
    "crawling": ("crawls", "crawls along"),
    "celebrate": ("celebrates", "celebrates with joy"),
    "dance": ("dances", "does a dance"),
}
"""Two phrases of each action that occurs."""


def describe(subject: str, verbs: Sequence[str], tempos: Sequence[str], direction: str) -> str:
    """Return the caption of phrases done one after the other, each at its tempo.

    Tempos are of `TEMPOS`; the plain one is not named.
    """
    adverbs = [ADVERBS[TEMPOS.index(tempo)] for tempo in tempos]
    phrases = [f"{verb} {adverb}".strip() for verb, adverb in zip(verbs, adverbs, strict=True)]
    return f"{subject} {' then '.join(phrases)} {direction}"
