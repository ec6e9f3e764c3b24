"""A CLI of the project's own: links, defaults and callbacks that no config mentions."""

from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from linked_parts import Halves, Linked


class MyCLI(LightningCLI):
    def __init__(self) -> None:
        super().__init__(
            Linked,
            Halves,
            trainer_defaults={
                "max_epochs": 3,
                "log_every_n_steps": 1,
                "callbacks": [LearningRateMonitor(logging_interval="epoch")],
            },
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.link_arguments("data.batch_size", "model.batch_size")
        parser.link_arguments("data.classes", "model.classes", apply_on="instantiate")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults(
            {
                "data.batch_size": 4,
                "early_stopping.monitor": "val_loss",
                "early_stopping.patience": 5,
            }
        )
        parser.add_optimizer_args()


if __name__ == "__main__":
    MyCLI()
