"""Tests of what the parts of an arm are named for: None if it holds, else what is wrong."""

from dataclasses import replace

import torch
from torch import Tensor

from ablate.systems.arc.batches import PAD, ArcBatch
from ablate.systems.arc.models.network import Network
from ablate.systems.arc.sequences import COLOURS

ROWS, COLUMNS = 4, 7
"""The size of the grids tried."""


def sample_batch(device: torch.device, pairs: int = 2) -> ArcBatch:
    """Make a batch of one query with random grids, the same every time."""
    generator = torch.Generator().manual_seed(0)

    def grids(*shape: int) -> Tensor:
        return torch.randint(0, COLOURS, shape, generator=generator).to(device)

    size_B2 = torch.tensor([[ROWS, COLUMNS]], device=device)
    number_B = torch.zeros(1, dtype=torch.long, device=device)
    return ArcBatch(
        source_BS=grids(1, ROWS * COLUMNS),
        source_size_B2=size_B2,
        target_BT=grids(1, ROWS * COLUMNS),
        target_size_B2=size_B2,
        context_inputs_BKHW=grids(1, pairs, ROWS, COLUMNS),
        context_outputs_BKHW=grids(1, pairs, ROWS, COLUMNS),
        task_B=number_B,
        index_B=number_B,
    )


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device


def every_cell_is_predicted(network: Network) -> str | None:
    """Test that every cell of an output grid is predicted, and none read before."""
    batch = sample_batch(_device(network))
    convention = network.convention
    if convention.lead == 0:
        return "each output cell is read before it is predicted"
    cells = batch.target_BT.shape[1]
    predicted = int((convention.labels(batch.target_BT) != PAD).sum())
    if predicted == cells:
        return None
    return (
        "the first output cell is given away, not predicted: repeating it solves every grid of one "
        "colour"
    )


def coordinates_are_true(network: Network) -> str | None:
    """Test that a cell's encoding is made of its row's and its column's, whatever the width."""
    size_B2 = torch.tensor([[ROWS, COLUMNS]], device=_device(network))
    positions = network.get_submodule("positions")
    encoding_RCD = positions(ROWS * COLUMNS, size_B2)[0].unflatten(0, (ROWS, COLUMNS))
    row_RCH, column_RCH = encoding_RCD.chunk(2, dim=-1)
    wrong_RC = (row_RCH != row_RCH[:, :1]).any(-1) | (column_RCH != column_RCH[:1]).any(-1)
    rows, columns = row_RCH[:, 0].unique(dim=0), column_RCH[0].unique(dim=0)
    if not wrong_RC.any() and len(rows) == ROWS and len(columns) == COLUMNS:
        return None
    return (
        f"in a grid of {ROWS} rows and {COLUMNS} columns, {len(rows)} rows and {len(columns)} "
        f"columns are told apart, and {int(wrong_RC.sum())} of {ROWS * COLUMNS} cells have not the "
        "position of their row and column"
    )


def colours_commute(network: Network) -> str | None:
    """Test that renaming the nine colours other than black renames the colours predicted."""
    batch = sample_batch(_device(network))
    generator = torch.Generator().manual_seed(1)
    name_V = torch.arange(PAD + 1)
    name_V[1:COLOURS] = 1 + torch.randperm(COLOURS - 1, generator=generator)
    name_V = name_V.to(batch.source_BS.device)
    grids = ("source_BS", "target_BT", "context_inputs_BKHW", "context_outputs_BKHW")
    renamed = replace(batch, **{name: name_V[getattr(batch, name)] for name in grids})
    before_BTC = network(batch).logits_BTV[..., :COLOURS]
    after_BTC = network(renamed).logits_BTV[..., name_V[:COLOURS]]
    if torch.allclose(before_BTC, after_BTC, rtol=1e-4, atol=1e-5):
        return None
    gap = float((before_BTC - after_BTC).abs().max())
    return (
        "renaming the colours of a query does not rename the colours predicted, logits differ by "
        f"{gap:.3g}: colours are looked up in a table"
    )
