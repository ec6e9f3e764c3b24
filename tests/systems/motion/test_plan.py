"""The plan of the published sizes: their parameters by component."""

import pytest
import torch

from ablate.measure.structure import components
from ablate.systems.motion import MotionModule


@pytest.mark.parametrize(
    ("classes", "partner", "sizes"),
    [
        (60, True, {(256, 6, 8): 7_248_122, (384, 8, 12): 20_594_618, (512, 10, 16): 44_618_362}),
        (64, False, {(256, 6, 8): 7_212_670, (384, 8, 12): 20_516_734, (512, 10, 16): 44_481_662}),
    ],
)
def test_the_three_motion_sizes_have_their_parameters(classes, partner, sizes) -> None:
    for (width, layers, heads), count in sizes.items():
        with torch.device("meta"):
            module = MotionModule(
                d_model=width, num_layers=layers, nhead=heads, num_actions=classes,
                action_conditioning=True, partner_conditioning=partner, diffusion=None,
            )  # fmt: skip
        assert sum(components(module).values()) == count
