"""How far plans are from what trainings take: memory and time, of all built-in systems on the CPU.

python benchmarks/plan.py [name ...]

Memory: a fresh process builds a system, warms the libraries up on one step with two examples of a
batch, then trains whole batches. The measured peak is the growth of the process's peak resident
size (VmHWM, which is ru_maxrss, forgotten at that moment) from just before the first whole batch,
plus the bytes of what is there by then: weights, buffers and optimizer state. It is measured twice:
with malloc told to give freed memory back at once, which `memory_bytes` of a plan is held against,
and as it is, which `memory_needed` is held against, less what the process has without tensors.

Time: the estimate is that of `ablate plan --measure` for some steps, each of as many batches as
are accumulated; the measured time is what a fit takes for so many, behind the first whole one. A
step of `token_dqn` is an episode, with an update of the weights for every action.
"""

import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).parents[1]
ARC = {
    "trainer.precision": "32-true",
    "data.init_args.task_set": "foundational-18",
    "data.init_args.validation": "examples",
    "data.init_args.samples_per_task": 40,
    "data.init_args.val_samples_per_task": 4,
    "data.init_args.max_side": 10,
    "data.init_args.difficulty": [0.0, 0.2],
    "model.init_args.exact_match_examples": 14,
}
SHORT = {"data.init_args.train_clips": 600, "data.init_args.val_clips": 60}
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "arc champion": (["champion.yaml"], ARC),
    "motion nano": (["motion/base.yaml", "motion/nano.yaml"], SHORT),
    "motion tiny": (["motion/base.yaml", "motion/tiny.yaml"], SHORT),
    "motion small, 250 frames": (
        ["motion/base.yaml", "motion/small.yaml"],
        {**SHORT, "data.init_args.batch_size": 4, "trainer.accumulate_grad_batches": 2},
    ),
    "worldmodel development": (["worldmodel/development.yaml"], {"model.init_args.base_steps": 0}),
    "worldmodel, batch 16": (
        ["worldmodel/development.yaml"],
        {"model.init_args.base_steps": 0, "data.init_args.batch_size": 16},
    ),
    "wordle cpu": (["wordle/cpu.yaml"], {"model.init_args.base.steps": 50}),
    "wordle prompts": (["wordle/prompts.yaml"], {"model.init_args.base.steps": 50}),
    "token_dqn fast-s": (["token_dqn/fast-s.yaml"], {}),
    "token_dqn stable": (["token_dqn/stable.yaml"], {}),
}
STEPS = 12
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def config_of(name: str) -> dict[str, Any]:
    """Resolve the configuration of a case."""
    import yaml

    from ablate.run.lightning_cli import resolve
    from ablate.spec import configs

    files, changes = CASES[name]
    merged = configs.merged(
        [yaml.safe_load((ROOT / "configs" / file).read_text()) for file in files]
    )
    configs.apply(merged, changes, "benchmark")
    return resolve(merged)


def estimate(name: str) -> dict[str, Any]:
    """Plan a case, and time it."""
    from ablate.measure.looking import look
    from ablate.plan import Facts, plan_config

    config = config_of(name)
    facts = Facts.of(look(config, {"time": True, "seconds": 4.0}))
    made = plan_config(config, facts)
    assert facts.timing is not None
    assert facts.memory is not None
    steps, batches = STEPS, STEPS * facts.accumulate[0]
    return {
        "memory": made.memory_bytes,
        "standing": facts.memory.held,
        "needed": facts.memory.needed(facts.batch or 1) - facts.memory.process,
        "seconds": batches * facts.timing.batch + steps * facts.timing.step,
        "validation": made.seconds and made.seconds.evaluation,
    }


def measure(name: str) -> dict[str, Any]:
    """Train a case for some steps, then validate, and note peak memory and seconds."""
    import torch
    from lightning.pytorch import Callback
    from lightning.pytorch.loggers.logger import DummyLogger

    from ablate.measure.parts import examples_in, part_of
    from ablate.measure.quiet import quiet
    from ablate.run.lightning_cli import train

    config = config_of(name)
    config["trainer"] |= {
        "callbacks": None, "logger": None, "max_steps": -1, "max_epochs": -1,
        "num_sanity_val_steps": 0, "val_check_interval": None, "check_val_every_n_epoch": 1,
        "enable_progress_bar": False, "accelerator": "cpu", "reload_dataloaders_every_n_epochs": 0,
    }  # fmt: skip
    config["lr_scheduler"] = None
    found: dict[str, Any] = {}

    class Clock(Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            native = module.training_step

            def step(batch: Any, *rest: Any) -> Any:
                few = part_of(batch, min(2, examples_in(batch)))
                return native(batch if "begun" in found else few, *rest)

            module.training_step = step
            trainer.val_check_batch = 10**9
            trainer.check_val_every_n_epoch = 10**9

        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            if not trainer.global_step:
                return
            if "begun" not in found:
                # Gradients are no part of what stands: every step makes its own.
                module.zero_grad(set_to_none=True)
                gc.collect()
                ctypes.CDLL("libc.so.6").malloc_trim(0)
                resident = int(Path("/proc/self/statm").read_text().split()[1])
                found["resident"] = resident * os.sysconf("SC_PAGE_SIZE")
                # The peak so far is forgotten: it is that of building and of the imports.
                Path("/proc/self/clear_refs").write_text("5")
                found["begun"] = trainer.global_step
            elif "since" not in found:
                if trainer.global_step > found["begun"]:
                    found["since"], found["batches"] = time.perf_counter(), 0
            else:
                found["batches"] += 1
                if found["batches"] == STEPS * trainer.accumulate_grad_batches:
                    found["seconds"] = time.perf_counter() - found["since"]
                    found["peak"] = peak()
                    trainer.should_stop = True

    def do(call: Any) -> bool:
        call.trainer.callbacks = [Clock()]
        call.trainer.fast_dev_run = True
        call.fit()
        return False

    with tempfile.TemporaryDirectory() as folder, quiet():
        train(config, Path(folder), None, do, logger=DummyLogger())
    torch.manual_seed(0)
    return {"growth": found["peak"] - found["resident"], "seconds": found["seconds"]}


def peak() -> int:
    """Return the peak resident size since it was last forgotten, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(kind: str, name: str, **variables: str) -> dict[str, Any]:
    """Do it in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, f"--{kind}", name],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(names: list[str]) -> None:
    """Print estimate, measurement and their ratio for every case."""
    heads = ("tensors, MB", "process, MB", f"seconds of {STEPS} steps")
    print(f"{'':28}" + "".join(f"{head:>28}" for head in heads))
    for name in names or CASES:
        planned = apart("estimate", name)
        given_back = apart("measure", name, **GIVES_BACK)["growth"] + planned["standing"]
        measured = apart("measure", name)
        pairs = (
            (planned["memory"] / 1e6, given_back / 1e6),
            (planned["needed"] / 1e6, (measured["growth"] + planned["standing"]) / 1e6),
            (planned["seconds"], measured["seconds"]),
        )
        row = "".join(f"{one:>11.1f}{other:>10.1f}{one / other - 1:>+7.0%}" for one, other in pairs)
        print(f"{name:28}{row}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--estimate"]:
        print(json.dumps(estimate(sys.argv[2])))
    elif sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main(sys.argv[1:])
