"""The objects of a run that may keep state of their own: module, data, loaders, callbacks."""

from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, default_collate

from ablate.run.plain_state import PlainState, is_of_user
from ablate.run.user_globals import UserGlobals

LOADERS = ("train_dataloader", "val_dataloaders")
"""The roots that a trainer makes when it comes to them."""

_GRADIENTS = "gradients"


def of(trainer: Trainer, variables: UserGlobals) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the objects by name, and the tensors that a checkpoint of the trainer holds.

    The objects are followed by the `variables` of the user's modules.
    """
    module = trainer.lightning_module
    held: Mapping[str, Tensor] = module.state_dict(keep_vars=True)
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    roots = {
        "model": module,
        "datamodule": trainer.datamodule,  # type: ignore[attr-defined]
        "train_dataloader": trainer.train_dataloader,
        "val_dataloaders": trainer.val_dataloaders,
        **{
            f"callbacks[{place}]": callback
            for place, callback in enumerate(callbacks)
            if is_of_user(callback)
        },
    }
    if not module.automatic_optimization:
        gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
        roots[_GRADIENTS] = gradients
    roots |= variables.roots()
    return roots, {name: value for name, value in held.items() if isinstance(value, Tensor)}


def restore(
    trainer: Trainer, variables: UserGlobals, plain: PlainState, state: Mapping[str, Any]
) -> dict[str, str]:
    """Give back to the objects what was kept of them; say by name what could not be."""
    roots, held = of(trainer, variables)
    missed = plain.restore(state, roots, held)
    variables.write_back(roots)
    if (gradients := roots.get(_GRADIENTS)) is not None:
        for name, parameter in trainer.lightning_module.named_parameters():
            parameter.grad = gradients.get(name)
    return missed


def load_validation(trainer: Trainer) -> None:
    """Have the loaders of validations made, unless they are."""
    if trainer.val_dataloaders is None:
        trainer.validating = True
        trainer.fit_loop.epoch_loop.val_loop.setup_data()
        trainer.training = True


def start_persistent_workers(trainer: Trainer) -> None:
    """Start the workers that a run starts in its first validation alone, and draws a seed for."""
    for loader in _flattened(trainer.val_dataloaders):
        if _has_persistent_workers(loader):
            iter(loader)


def set_epoch(trainer: Trainer) -> None:
    """Tell the samplers of training which epoch begins."""
    for loader in _flattened(trainer.train_dataloader):
        batches = getattr(loader, "batch_sampler", None)
        samplers = (getattr(loader, "sampler", None), getattr(batches, "sampler", None))
        for sampler in {id(sampler): sampler for sampler in samplers}.values():
            if callable(tell := getattr(sampler, "set_epoch", None)):
                tell(trainer.current_epoch)


def loaders_are_new(trainer: Trainer) -> bool:
    """Say whether an epoch begins with the loaders that a trainer would begin with here.

    A trainer that makes loaders anew every few epochs counts from its own first epoch.
    """
    every = trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
    if not every:
        return True
    return trainer.current_epoch % every == 0 and trainer.check_val_every_n_epoch == 1


def unknowable(trainer: Trainer, *, between_epochs: bool) -> list[str]:
    """Say in words what of a run's loaders no checkpoint can hold now."""
    found = []
    if trainer.reload_dataloaders_every_n_epochs and not (  # type: ignore[attr-defined]
        between_epochs and loaders_are_new(trainer)
    ):
        found.append("loaders are made anew in other epochs (reload_dataloaders_every_n_epochs)")
    for name in LOADERS:
        loaders = _flattened(getattr(trainer, name))
        if any(_has_persistent_workers(one) and not _draws_nothing(one) for one in loaders):
            found.append(
                f"{name} has persistent workers, whose generators and copies of the dataset no "
                "checkpoint holds"
            )
    return found


def _flattened(loaders: Any) -> Iterator[Any]:
    if loaders is not None:
        yield from CombinedLoader(loaders).flattened


def _has_persistent_workers(loader: Any) -> bool:
    return isinstance(loader, DataLoader) and loader.persistent_workers and loader.num_workers > 0


def _draws_nothing(loader: DataLoader[Any]) -> bool:
    """Say whether all that workers do is torch's own and without chance or memory."""
    waiting: list[Any] = [loader.dataset]
    while waiting:
        dataset = waiting.pop()
        if type(dataset) is Subset:
            waiting.append(dataset.dataset)
        elif type(dataset) is ConcatDataset:
            waiting += dataset.datasets
        elif type(dataset) is not TensorDataset:
            return False
    # `seed_everything(workers=True)` sets a function that only seeds.
    seeds: Any = loader.worker_init_fn
    module = getattr(getattr(seeds, "func", seeds), "__module__", "")
    only_seeds = seeds is None or module.partition(".")[0] in {"lightning", "pytorch_lightning"}
    return only_seeds and loader.collate_fn is default_collate
