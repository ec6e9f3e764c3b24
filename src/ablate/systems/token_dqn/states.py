"""States, 520 numbers each: what the problem is called, what the program looks like, how it stands.

Shapes: P problems, B states, F the 14 features of a moment.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ablate.systems.token_dqn.environment import CODE_FEATURES
from ablate.systems.token_dqn.problems import Problem

Embedding = Literal["digest", "salted"]

WIDTH, EMBEDDED, CODE = 520, 256, 256


def embedding_seed(text: str, kind: Embedding) -> int:
    """Return the seed of a text's embedding, below 2^32; `salted` differs from process to process.

    The origin seeds with Python's `hash`, which is salted unless PYTHONHASHSEED is set.
    """
    if kind == "salted":
        return hash(text) % 2**32
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def embeddings(problems: Sequence[Problem], kind: Embedding) -> Tensor:
    """Return a vector of normal numbers for each problem's docstring, (P, 256)."""
    rows = [
        np.random.RandomState(embedding_seed(problem.docstring, kind)).standard_normal(EMBEDDED)
        for problem in problems
    ]
    return torch.from_numpy(np.stack(rows)).float()


def states(embedding_BE: Tensor, features_BF: Tensor) -> Tensor:
    """Return the states, (B, 520): embedding, 6 features and zeros, 8 features."""
    zeros = features_BF.new_zeros(len(features_BF), CODE - CODE_FEATURES)
    parts = (embedding_BE, features_BF[:, :CODE_FEATURES], zeros, features_BF[:, CODE_FEATURES:])
    return torch.cat(parts, 1)
