"""Positional encodings: one and two sinusoids, and rotary."""

import torch
from torch import Tensor, nn

MAX_SEQUENCE = 2000
MAX_SIDE = 128
PUBLISHED_SIDE = 30


def sinusoid_table(length: int, width: int) -> Tensor:
    """Return `sin(p / 10000^(2i/width))` at even and its cosine at odd columns, (length, width)."""
    position_L1 = torch.arange(length, dtype=torch.float64)[:, None]
    rate_H = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle_LH = position_L1 * rate_H
    return torch.stack([angle_LH.sin(), angle_LH.cos()], dim=-1).flatten(1).float()


class Sinusoid1D(nn.Module):
    """Encode the flat, row-major index of a cell."""

    table_LD: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("table_LD", sinusoid_table(MAX_SEQUENCE, width), persistent=False)

    def forward(self, length: int, size_B2: Tensor) -> Tensor:  # noqa: ARG002
        """Return the encodings of cells 0 .. length - 1, shape (1, length, width)."""
        return _rows(self.table_LD, length, "the 1D sinusoid")[None]


class Grid2DFixedStride(nn.Module):
    """Encode cell k as (k // 30, k mod 30), whatever the width of its grid, as published.

    Right only in the first row and in grids 30 wide; grids above 900 cells have no encoding.
    """

    table_LD: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        axis = sinusoid_table(PUBLISHED_SIDE, width // 2)
        row_LH = axis.repeat_interleave(PUBLISHED_SIDE, dim=0)
        column_LH = axis.repeat(PUBLISHED_SIDE, 1)
        table = torch.cat([row_LH, column_LH], dim=1)
        self.register_buffer("table_LD", table, persistent=False)

    def forward(self, length: int, size_B2: Tensor) -> Tensor:  # noqa: ARG002
        """Return the encodings of cells 0 .. length - 1, shape (1, length, width)."""
        return _rows(self.table_LD, length, "the published Grid2D table")[None]


class Grid2D(nn.Module):
    """Encode the true row in the first half of a vector and the true column in the second."""

    axis_SH: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        axis = sinusoid_table(MAX_SIDE, width // 2)
        self.register_buffer("axis_SH", axis, persistent=False)

    def forward(self, length: int, size_B2: Tensor) -> Tensor:
        """Return the encodings of cells 0 .. length - 1, shape (B, length, width).

        Positions behind the end of a grid, which nothing attends to, get the last row.
        """
        row_BL, column_BL = coordinates(0, length, size_B2)
        row_BL = row_BL.minimum(size_B2[:, :1] - 1)
        return torch.cat([self.axis_SH[row_BL], self.axis_SH[column_BL]], dim=-1)


def coordinates(first: int, length: int, size_B2: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column of cells first .. first + length - 1 of each grid, both (B, length)."""
    cell_L = torch.arange(first, first + length, device=size_B2.device)
    width_B1 = size_B2[:, 1:]
    return cell_L // width_B1, cell_L % width_B1


class Rotary(nn.Module):
    """Rotate queries and keys by angles proportional to their position (RoPE)."""

    cos_LH: Tensor
    sin_LH: Tensor

    def __init__(self, head_width: int, theta: float = 10000.0) -> None:
        super().__init__()
        rate_H = theta ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
        angle_LH = torch.arange(2 * MAX_SEQUENCE, dtype=torch.float64)[:, None] * rate_H
        self.register_buffer("cos_LH", angle_LH.cos().float(), persistent=False)
        self.register_buffer("sin_LH", angle_LH.sin().float(), persistent=False)

    def forward(self, heads_BNLH: Tensor) -> Tensor:
        """Rotate the pairs (h, h + H/2) of every head; position 0 stays as it is."""
        length = heads_BNLH.shape[2]
        cos = _rows(self.cos_LH, length, "the rotary table")
        sin = _rows(self.sin_LH, length, "the rotary table")
        left, right = heads_BNLH.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)


def _rows(table: Tensor, length: int, name: str) -> Tensor:
    if length > len(table):
        raise ValueError(
            f"{name} has {len(table)} positions, but the sequence needs {length}: "
            f"keep grids to {len(table)} cells (data: max_cells), or choose another arch or flavour"
        )
    return table[:length]
