"""The projects whose files are mutated: the shipped studies, and small ones that name every key."""

import re
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]

_TOY = """\
seed_everything: 1
model:
  class_path: ablate.testing.toy.Toy
  init_args: {width: 4, heads: 2, dropout: 0.1}
data:
  class_path: ablate.testing.toy.Points
  init_args:
    count: 32
    batch_size: 8
optimizer:
  class_path: torch.optim.Adam
  init_args: {lr: 0.01, betas: [0.9, 0.99]}
lr_scheduler: null
trainer:
  max_epochs: 2
  accelerator: cpu
  logger: false
  callbacks:
    - class_path: lightning.pytorch.callbacks.EarlyStopping
      init_args: {monitor: val_loss, patience: 3}
  enable_checkpointing: false
"""

_TOY_WIDE = _TOY.replace("width: 4", "width: 8").replace("lr: 0.01", "lr: 0.1")

_SEARCH = """\
kind: search
config: ../configs/toy.yaml
objective: {metric: val_loss, direction: minimize, at: best}
space:
  optimizer.init_args.lr: {float: [1.0e-5, 1.0e-1], log: true}
  optimizer.init_args.betas[0]: {choice: [0.8, 0.9]}
  model.init_args.width: {int: [4, 12], step: 2}
  lr_scheduler:
    choice:
      decay: {class_path: torch.optim.lr_scheduler.ExponentialLR, init_args: {gamma: 0.9}}
      steps: {class_path: torch.optim.lr_scheduler.StepLR}
      constant: null
  lr_scheduler.init_args.step_size: {int: [1, 3], when: {lr_scheduler: steps}}
seeds: [307, 308]
seed: 3
window: 2
sampler: {class_path: optuna.samplers.TPESampler, init_args: {n_startup_trials: 2}}
pruner: {class_path: optuna.pruners.MedianPruner}
budget: {trials: 3, timeout: 1h}
enqueue:
  - optimizer.init_args.lr: 0.01
    optimizer.init_args.betas[0]: 0.9
    model.init_args.width: 4
    lr_scheduler: steps
    lr_scheduler.init_args.step_size: 2
profiles:
  cpu:
    set: {trainer.max_epochs: 1}
    seeds: [1, 2]
    budget: {trials: 2}
limits: {attempts: 2, stall: 1m, wall: 1h, checkpoint: 1.5, resume: exact}
"""

_ABLATION = """\
kind: ablation
config: [../configs/toy.yaml]
provenance: {study: toy-search, trial: 3, tuned_for: base}
design: [arms, leave_one_out]
components:
  wide: &wide {model.init_args.width: 8}
  slow: {optimizer.init_args.lr: 1.0e-3}
arms:
  both:
    <<: *wide
    data.init_args.count: 16
floor:
  none: {model: {class_path: ablate.testing.toy.Mean}, optimizer: null}
reference: base
seeds: [307, 308]
metrics: {val_loss: minimize, val_error: minimize}
objective: {metric: val_loss, at: last}
published: {source: a paper, values: {base: {val_loss: [0.1, 0.2]}, wide: {val_loss: 0.3}}}
allow: {same-config: [both], unequal-parameters: wide}
profiles: {cpu: {set: {trainer.max_epochs: 1}}, cuda: {}}
tune:
  trials: 2
  space: {optimizer.init_args.lr: {float: [1.0e-4, 1.0e-1], log: true}}
  sampler: {class_path: optuna.samplers.RandomSampler}
"""

_LADDER = """\
kind: ablation
config: ../configs/toy.yaml
design: ladder
arms:
  plain: {}
  wide: {model.init_args.width: 8}
  calm:
    optimizer.init_args.betas[1]: 0.999
metrics: {val_loss: minimize}
"""

_PATH = """\
kind: ablation
config: ../configs/toy.yaml
to: ../configs/toy-wide.yaml
design: path
order: [lr]
metrics: {val_loss: minimize}
"""

_SMALL = {
    "configs/toy.yaml": _TOY,
    "configs/toy-wide.yaml": _TOY_WIDE,
    "studies/toy-search.yaml": _SEARCH,
    "studies/toy-ablation.yaml": _ABLATION,
    "studies/toy-ladder.yaml": _LADDER,
    "studies/toy-path.yaml": _PATH,
}


@dataclass(frozen=True)
class Subject:
    """A study of a project, and the files that it is read from; paths are those in the project."""

    study: str
    configs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the study is called."""
        return Path(self.study).stem


def files() -> dict[str, str]:
    """Return the text of every file of the project by its path."""
    shipped = [*_ROOT.glob("studies/*.yaml"), *_ROOT.glob("configs/**/*.yaml")]
    return {
        **{str(path.relative_to(_ROOT)): path.read_text(encoding="utf-8") for path in shipped},
        **_SMALL,
    }


def subjects(*, small: bool = False) -> list[Subject]:
    """List the studies with the configs that they name, the small ones alone if asked for."""
    known = _SMALL if small else files()
    return [
        Subject(path, tuple(sorted({f"configs/{name}" for name in _named(text)})))
        for path, text in sorted(known.items())
        if path.startswith("studies/")
    ]


def _named(text: str) -> list[str]:
    return re.findall(r"\.\./configs/([\w./-]+\.yaml)", text)
