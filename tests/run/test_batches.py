"""The digest of a batch stands in databases: its values never change."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from ablate.run.batches import batch_digest, tensor_bytes


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@dataclass
class Example:
    x: Tensor
    name: str = "a"


X = torch.arange(6.0).view(2, 3)


@pytest.mark.parametrize(
    ("batch", "digest"),
    [
        (X, "e20933188a476ce2418266391f2f875503b2dbea37a1f5a230c18b535bc495b5"),
        ([X, X[0].long()], "1490534c9ea6cda7cd89337af82b81592e2dc99ae812e457a616ca3dfb966793"),
        (
            {"x": X, "name": "text", "y": torch.tensor([True, False])},
            "d43f71131192847c178a74745a8ff07c04dc96ebe850f55bf6cc6b83874c9004",
        ),
        (
            Pair(X, torch.tensor(3)),
            "851c0f77bf43d59a67055ce351a08eec8cc3e08a1f2bbf4e3453ec1aa9f965ab",
        ),
        (Example(X), "e20933188a476ce2418266391f2f875503b2dbea37a1f5a230c18b535bc495b5"),
        (X.T, "e3ed7467bcf5c4e04cc2b66bf5cf4cfa4721cd1edc4c7233090360f1413fd8a4"),
        (X.bfloat16(), "8ba196e3a883df1c7546f265a6d6172d2254c7e21f353bf635d78ad7d7a45450"),
        (["text", 3], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (torch.zeros(0, 2), "9074abab2cb40024d2a56c19d68b77af6fb4275a6439a6cad47f56a6d180d6b5"),
    ],
)
def test_the_digest_of_a_batch_is_the_one_that_databases_hold(batch: Any, digest: str) -> None:
    assert batch_digest(batch) == digest


def test_tensors_of_another_shape_type_or_value_have_other_bytes() -> None:
    tensors = [X, X.view(3, 2), X.int(), X.int().view(torch.float), X + 1, X.double()]
    assert len({tensor_bytes(tensor) for tensor in tensors}) == len(tensors)
    assert tensor_bytes(X.T.contiguous().T) == tensor_bytes(X)
