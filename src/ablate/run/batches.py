"""The tensors of a batch as bytes, and the digest that is stored of a run's first batches."""

import hashlib
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor


def batch_digest(batch: Any) -> str:
    """Return the SHA-256 of a batch's tensors, in whatever collection they come."""
    digest = hashlib.sha256()

    def add(tensor: Tensor) -> Tensor:
        digest.update(tensor_bytes(tensor))
        return tensor

    apply_to_collection(batch, Tensor, add)
    return digest.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Encode a tensor; equal bytes mean equal values of equal shape and type."""
    values = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + values.tobytes()
