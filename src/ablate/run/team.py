"""The processes of a distributed run: one per device, of which the first reports.

Lightning would start the others by calling the worker's own script again, which takes its orders
from a pipe. But it leaves them to whoever sets `LOCAL_RANK`, and this is done here: each is a
`python -m ablate.run.rank` that does the same job and says nothing but how it ended.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Self

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, StrategyRegistry

from ablate.errors import SpecError
from ablate.run.environment import interpreter
from ablate.run.failures import MemberFailed, outcome_of
from ablate.run.messages import Event, Finished, Group, Probe, Progress, Run
from ablate.run.pipe import lines, write
from ablate.run.ranks import is_first
from ablate.run.wire import decode_event, encode
from ablate.spec import Cause, Outcome, Status

Channel = Callable[[Event], object]

_LAST_WORD_S = 2.0
_PARTING_S = 30.0
_GRACE_S = 10.0
"""How long this process may go on after another one has failed; its collectives end it before."""

_GPUS = (None, "auto", "gpu", "cuda")


def check_devices(config: dict[str, Any]) -> None:
    """Raise SpecError if a config asks for more GPUs than this process sees."""
    trainer = config.get("trainer") or {}
    devices, seen = trainer.get("devices"), torch.cuda.device_count()
    asked = max(devices, default=-1) + 1 if isinstance(devices, list) else devices
    if trainer.get("accelerator") in _GPUS and isinstance(asked, int) and asked > seen > 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        which = f" (CUDA_VISIBLE_DEVICES={visible})" if visible else ""
        raise SpecError(
            f"trainer.devices: {devices!r}, but a worker sees {seen} of the machine's GPUs{which}: "
            f"set trainer.devices: {seen}"
        )


def _check_strategy(trainer: Trainer, config: dict[str, Any]) -> None:
    """Raise SpecError if a trainer would start processes in a way that no run can take part in."""
    if trainer.num_nodes > 1:
        raise SpecError(
            f"trainer.num_nodes: {trainer.num_nodes}: a run stays on one machine: "
            "set trainer.num_nodes: 1"
        )
    asked = (config.get("trainer") or {}).get("strategy")
    name = asked.get("class_path") if isinstance(asked, dict) else asked
    method = _start_method(asked)
    if method != "popen":
        raise SpecError(
            f"trainer.strategy: {name} starts its processes by {method}, which can't report: "
            "set trainer.strategy: ddp"
        )
    strategy = trainer.strategy
    if trainer.world_size == 1:
        return
    if not isinstance(strategy, DDPStrategy) or isinstance(strategy, DeepSpeedStrategy):
        raise SpecError(
            f"trainer.strategy: {name}: a run on {trainer.world_size} devices needs ddp: "
            "set trainer.strategy: ddp, or trainer.devices: 1"
        )
    if not isinstance(strategy.cluster_environment, LightningEnvironment):
        cluster = type(strategy.cluster_environment).__name__
        raise SpecError(
            f"trainer.devices: a run on {trainer.world_size} devices starts its own processes, "
            f"but this machine's are started by another program ({cluster}): "
            "set trainer.devices: 1, or call ablate outside it"
        )


def _start_method(strategy: Any) -> str:
    """Return how a strategy of a config starts its processes; Lightning's default is popen."""
    arguments = None
    if isinstance(strategy, dict):
        arguments = strategy.get("init_args")
    elif strategy in StrategyRegistry:
        arguments = StrategyRegistry[strategy]["init_params"]
    return str((arguments or {}).get("start_method") or "popen")


@contextmanager
def assembled(job: Probe | Run, trainer: Trainer, channel: Channel) -> Iterator[None]:
    """Have every process of a run ready for the block, which trains; end the others behind it.

    Does nothing for a run on one device. Raises SpecError if a distributed run can't be had like
    this, and MemberFailed if another process failed before this one.
    """
    _check_strategy(trainer, job.config)
    try:
        if trainer.world_size == 1:
            yield
        elif is_first():
            with _environment(trainer.world_size), _Team(job, trainer.world_size, channel) as team:
                team.wait_until_ready()
                yield
        else:
            channel(Progress(job.id, 0, 0))
            yield
            channel(Finished(job.id, Outcome(Status.COMPLETE)))
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextmanager
def _environment(size: int) -> Iterator[None]:
    """Set what Lightning reads in a process whose companions it is not to start."""
    before = dict(os.environ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(size),
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Team:
    """The other processes of a run, and what has become of them."""

    def __init__(self, job: Probe | Run, size: int, channel: Channel) -> None:
        self._job = job
        self._channel = channel
        self._changed = threading.Condition()
        self._ready: set[int] = set()
        self._failures: list[tuple[int, Finished]] = []
        self._over = False
        self._ending = False
        self._processes = [self._start(number) for number in range(1, size)]
        for number, process in enumerate(self._processes, 1):
            threading.Thread(target=self._watch, args=(number, process), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        """End the others; raise MemberFailed if the block failed because one of them did."""
        with self._changed:
            self._over = True
            if isinstance(error, Exception):
                # The last word of the process that failed first may still be on its way.
                self._changed.wait_for(lambda: bool(self._failures), _LAST_WORD_S)
            self._ending = True
        self._end(at_once=error is not None)
        if not isinstance(error, Exception) or isinstance(error, MemberFailed):
            return
        own = outcome_of(error, self._job, interrupted=False)
        if self._failures and self._failures[0][1].outcome.reason != own.reason:
            raise self._failure() from error

    def wait_until_ready(self) -> None:
        """Wait until every process has built its part; raise MemberFailed if one can't."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failures or len(self._ready) == len(self._processes)
            )
            if self._failures:
                raise self._failure()

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(folder for folder in sys.path if folder)
        process = subprocess.Popen(  # noqa: S603
            [interpreter(), "-m", "ablate.run.rank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LOCAL_RANK": str(number), "PYTHONPATH": path},
        )
        assert process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            write(process.stdin.fileno(), encode(Group((self._job,))))
        return process

    def _watch(self, number: int, process: subprocess.Popen[bytes]) -> None:
        """Note what a process says, in a thread of its own, and that it has died if it has."""
        assert process.stdout is not None  # noqa: S101
        finished = False
        with process.stdout:
            for event in map(decode_event, lines(process.stdout.fileno())):
                with self._changed:
                    if not isinstance(event, Finished):
                        self._ready.add(number)
                    elif not finished and event.outcome.cause not in (None, Cause.STOPPED):
                        self._failures.append((number, event))
                    finished |= isinstance(event, Finished)
                    self._changed.notify_all()
        code = process.wait()
        with self._changed:
            if not finished and not self._ending:
                death = f"was killed by signal {-code}" if code < 0 else f"exited ({code})"
                outcome = Outcome(Status.FAILED, Cause.LOST, f"the process {death}")
                self._failures.append((number, Finished(self._job.id, outcome)))
                self._changed.notify_all()
            if self._failures and not self._changed.wait_for(lambda: self._over, _GRACE_S):
                self._give_up()

    def _give_up(self) -> None:
        """End this process, which waits for ever for one that has failed; Lightning kills it."""
        failure = self._failure()
        print(failure, file=sys.stderr, flush=True)
        self._channel(Finished(self._job.id, failure.outcome, raised=failure.raised))
        os._exit(1)

    def _failure(self) -> MemberFailed:
        number, end = self._failures[0]
        reason = f"rank {number}: {end.outcome.reason}"
        return MemberFailed(replace(end.outcome, reason=reason), end.raised)

    def _end(self, *, at_once: bool) -> None:
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0 if at_once else _PARTING_S)
            process.kill()
            process.wait()
            assert process.stdin is not None  # noqa: S101
            with suppress(BrokenPipeError):
                process.stdin.close()
