"""Keep what one run changes in its process from reaching the next."""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ablate.run.randomness import RandomState


@contextmanager
def pristine() -> Iterator[None]:
    """Restore the process-wide state that a run may change, and free what it held."""
    environment, folder, import_path = dict(os.environ), os.getcwd(), list(sys.path)  # noqa: PTH109
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Not of the GPUs: a run that needs none is to start none.
    random_state = RandomState.capture(cuda=False)
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    precision, gradients = torch.get_float32_matmul_precision(), torch.is_grad_enabled()
    anomaly = torch.is_anomaly_enabled()
    # What is alive now outlives the run: without it in view, collecting costs milliseconds.
    gc.freeze()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:] = import_path
        for number, handler in handlers.items():
            signal.signal(number, handler)
        random_state.restore()
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, cudnn
        torch.set_float32_matmul_precision(precision)
        torch.set_grad_enabled(gradients)
        torch.autograd.set_detect_anomaly(anomaly)
        gc.collect()
        gc.unfreeze()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
