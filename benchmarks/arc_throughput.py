"""ARC training examples per second: ablate's bucketed batches against a plain padded DataLoader.

The same module, examples, batch size and number of steps' worth of examples; one thread. The
plain loader shuffles and pads each batch to its longest example, as `DataLoader(shuffle=True)`
with a padding `collate_fn` does.

    python benchmarks/arc_throughput.py [samples per task] [repeats]
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import logging
import statistics
import sys
import time
import warnings

from lightning import LightningModule, Trainer
from lightning.fabric import seed_everything
from torch.optim import Adam

from ablate.systems.arc import ArcDataModule, ArcModule


class Trained(ArcModule):
    """The ARC module with Trial 69's optimizer at its rate."""

    def configure_optimizers(self) -> Adam:
        return Adam(self.parameters(), lr=0.0018498849832733245, betas=(0.95, 0.999))


def examples_per_second(bucketing: bool, samples: int, max_side: int) -> float:
    """Train for one epoch and return the rate."""
    seed_everything(307, verbose=False)
    data = ArcDataModule(
        task_set="foundational-18",
        samples_per_task=samples,
        val_samples_per_task=1,
        validation="examples",
        max_side=max_side,
        difficulty=(0.0, 0.3),
        bucketing=bucketing,
    )
    module: LightningModule = Trained(
        arch="encoder_decoder",
        d_model=64,
        d_ff=256,
        decoder_layers=3,
        dropout=0.167,
        encoder_dropout=0.1,
        decoder_dropout=0.015,
    )
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        limit_val_batches=0,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data.prepare_data()
    started = time.perf_counter()
    trainer.fit(module, datamodule=data)
    return data.manifest()["train_kept"] / (time.perf_counter() - started)


def main(samples: int = 40, repeats: int = 3) -> None:
    """Measure both in turn at two side limits and print medians and the ratio."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    for max_side in (10, 20):
        rates: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(repeats):
            for bucketing, measured in rates.items():
                measured.append(examples_per_second(bucketing, samples, max_side))
        ours, plain = (statistics.median(rates[bucketing]) for bucketing in (True, False))
        print(f"ARC training, sides <= {max_side}, 14 tasks x {samples}, median of {repeats}:")
        print(f"  bucketed batches  {ours:8.1f} examples/s")
        print(f"  plain padded      {plain:8.1f} examples/s")
        print(f"  ratio             {ours / plain:8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
