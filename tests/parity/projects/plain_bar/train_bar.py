"""Train with a progress bar and a summary that the script insists on."""

from barred_too import BarredToo, BarredTooData
from lightning.pytorch.callbacks import ModelSummary, TQDMProgressBar
from lightning.pytorch.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(
        BarredToo,
        BarredTooData,
        trainer_defaults={
            "callbacks": [TQDMProgressBar(refresh_rate=2), ModelSummary(max_depth=2)],
            "enable_progress_bar": True,
            "enable_model_summary": True,
        },
    )
