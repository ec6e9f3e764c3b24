"""A fixed 20-step run of the ARC champion; prints its losses, every bit of them.

`OMP_NUM_THREADS=1 python -m tests.systems.arc.identity > tests/systems/arc/identity_losses.json`
records them anew after a change that is meant to alter the computation.
"""

import json

import torch
from lightning.fabric import seed_everything

from ablate.systems.arc import ArcModule
from ablate.systems.arc.batches import ArcBatch

STEPS = 20


def batch(generator: torch.Generator) -> ArcBatch:
    """Make eight examples of 3 x 4 grids, the target the source upside down."""
    source = torch.randint(0, 10, (8, 12), generator=generator)
    context = torch.randint(0, 10, (8, 2, 3, 4), generator=generator)
    size = torch.tensor([[3, 4]]).expand(8, 2)
    return ArcBatch(
        source_BS=source,
        source_size_B2=size,
        target_BT=source.flip(1),
        target_size_B2=size,
        context_inputs_BKHW=context,
        context_outputs_BKHW=context.flip((2, 3)),
        task_B=torch.zeros(8, dtype=torch.long),
        index_B=torch.arange(8),
    )


def losses() -> list[str]:
    """Train for 20 steps and return the losses in hexadecimal."""
    seed_everything(307, verbose=False)
    module = ArcModule(
        arch="champion",
        d_model=32,
        d_ff=64,
        heads=4,
        decoder_layers=2,
        dropout=0.1,
        encoder_dropout=0.1,
        decoder_dropout=0.1,
        context_d_model=16,
        context_heads=4,
        context_ff=32,
    )
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3, betas=(0.95, 0.999))
    generator = torch.Generator().manual_seed(0)
    found = []
    for step in range(STEPS):
        loss = module.training_step(batch(generator), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item().hex())
    return found


if __name__ == "__main__":
    print(json.dumps(losses(), indent=1))
