"""What a run stood on: hardware, libraries, code."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ablate.run.devices import device_environment
from ablate.run.installed import version_of

_LIBRARIES = (
    "ablate-hpo",
    "torch",
    "lightning",
    "pytorch-lightning",
    "optuna",
    "numpy",
    "jsonargparse",
)


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker's runs stand on: its machine, its libraries, torch's settings.

    `profile` is cpu, cuda or mps; `libraries` holds versions, None for what is not installed.
    """

    profile: str
    device: str
    host: str
    python: str
    system: str
    threads: int
    cuda: str | None
    float32_matmul_precision: str
    deterministic_algorithms: bool
    cudnn_benchmark: bool
    libraries: Mapping[str, str | None]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read the facts off a record; raise TypeError if it holds others or too few."""
        return cls(**record)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain data, to be recorded."""
        return asdict(self)


def worker_facts() -> WorkerFacts:
    """Describe this process's device and libraries; imports torch."""
    import torch  # noqa: PLC0415 - the coordinator reads code_version without torch

    if torch.cuda.is_available():
        profile, device = "cuda", torch.cuda.get_device_name(0)
    elif torch.backends.mps.is_available():
        profile, device = "mps", "Apple MPS"
    else:
        profile, device = "cpu", _processor()
    return WorkerFacts(
        profile=profile,
        device=device,
        host=platform.node(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        threads=torch.get_num_threads(),
        cuda=torch.version.cuda,
        float32_matmul_precision=torch.get_float32_matmul_precision(),
        deterministic_algorithms=torch.are_deterministic_algorithms_enabled(),
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        libraries={name: version_of(name) for name in _LIBRARIES},
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def code_version() -> str:
    """Return the git commit of the working directory, with `+dirty` if it has changes."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return "unversioned"
    return commit + ("+dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True)
class WorkerSettings:
    """How workers are set up.

    `threads` is how many each computes on; None, one until it is settled. Modules are imported
    from `folders` too, after the current one. `devices` are the GPUs that workers share out.
    """

    threads: int | None = 1
    folders: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ()


def worker_environment(settings: WorkerSettings, number: int) -> dict[str, str]:
    """Return the environment of a worker, as it must be before torch is imported."""
    return {
        **os.environ,
        **device_environment(settings.devices, number),
        "OMP_NUM_THREADS": str(settings.threads or 1),
        "OMP_WAIT_POLICY": "passive",
        "PYTHONUNBUFFERED": "1",
        # Modules that ask for GPUs when they are imported must not start CUDA: it can't be forked.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(
            part
            for part in (
                str(Path.cwd()),
                *map(str, settings.folders),
                os.environ.get("PYTHONPATH", ""),
            )
            if part
        ),
    }


def interpreter() -> str:
    """Return the Python that runs workers: the one that runs this process."""
    return sys.executable
