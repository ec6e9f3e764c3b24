"""The game in plain Python, by the letter: what the arrays of the system are tested against."""

from ablate.systems.wordle.completions import END, GUESS_CLOSE, GUESS_OPEN, JUNK, THINK_CLOSE
from ablate.systems.wordle.words import spelt

Past = list[tuple[str, str]]
"""Guesses and their marks: g, y and a dot."""

TEXT = {THINK_CLOSE: "</think>", GUESS_OPEN: "<guess>", GUESS_CLOSE: "</guess>", JUNK: "~", END: ""}


def marks(secret: str, guess: str) -> str:
    """Mark a guess: greens first, then yellows against the letters that are left."""
    found = ["g" if letter == other else "." for letter, other in zip(guess, secret, strict=True)]
    left = [letter for letter, mark in zip(secret, found, strict=True) if mark != "g"]
    for place, letter in enumerate(guess):
        if found[place] == "." and letter in left:
            found[place] = "y"
            left.remove(letter)
    return "".join(found)


def dead(past: Past) -> set[str]:
    """Return the letters that were grey and never anything else."""
    pairs = [pair for guess, mark in past for pair in zip(guess, mark, strict=True)]
    grey = {letter for letter, mark in pairs if mark == "."}
    return grey - {letter for letter, mark in pairs if mark != "."}


def text_of(tokens: list[int]) -> str:
    """Write out a completion."""
    return "".join(TEXT.get(token, chr(ord("A") + token)) for token in tokens)


def tokens_of(text: str) -> list[int]:
    """Read a completion token by token; nothing is padded."""
    found: list[int] = []
    while text:
        name = next((name for name in TEXT.values() if name and text.startswith(name)), None)
        if name is None:
            name = text[0]
            found += spelt(name)
        else:
            found.append(next(token for token, own in TEXT.items() if own == name))
        text = text[len(name) :]
    return found
