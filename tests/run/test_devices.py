"""Which GPUs a command may use, and which of them a worker gets."""

import os
import shlex
from pathlib import Path

import pytest

from ablate.run.devices import available_cores, visible_devices
from ablate.run.environment import WorkerSettings, worker_environment
from ablate.workflow.defaults import default_workers

DIVIDED = """\
GPU 0: NVIDIA H100 (UUID: GPU-aaa)
  MIG 1g.10gb     Device  0: (UUID: MIG-bbb)
  MIG 1g.10gb     Device  1: (UUID: MIG-ccc)
GPU 1: NVIDIA H100 (UUID: GPU-ddd)
"""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an nvidia-smi on the path, which prints a file, and forget the user's own list."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(tmp_path / 'list'))}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "list"


def of_workers(count: int) -> list[tuple[str | None, str | None]]:
    """Return the device and the order of devices in the environment of each worker."""
    settings = WorkerSettings(devices=visible_devices())
    made = [worker_environment(settings, number) for number in range(count)]
    return [(one.get("CUDA_VISIBLE_DEVICES"), one.get("CUDA_DEVICE_ORDER")) for one in made]


def test_workers_share_out_the_gpus_that_nvidia_smi_lists(listed):
    listed.write_text(DIVIDED.replace("  MIG", "ignored MIG"))
    assert of_workers(3) == [(device, "PCI_BUS_ID") for device in ("0", "1", "0")]
    assert default_workers() == 2


def test_the_parts_of_a_divided_gpu_stand_for_it(listed):
    listed.write_text(DIVIDED)
    assert visible_devices() == ("MIG-bbb", "MIG-ccc", "1")


@pytest.mark.parametrize(
    ("own", "devices"),
    [("3,1", ("3", "1")), ("GPU-x, MIG-y", ("GPU-x", "MIG-y")), ("2,-1,3", ("2",)), ("", ())],
)
def test_the_users_own_list_comes_first(listed, monkeypatch, own, devices):
    listed.write_text(DIVIDED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", own)
    assert visible_devices() == devices
    assert default_workers() == (len(devices) or available_cores())
    assert of_workers(2)[1] == (devices[1 % len(devices)] if devices else own, None)


def test_without_gpus_there_is_a_worker_per_core_and_nothing_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert default_workers() == available_cores()
    assert of_workers(1) == [(None, os.environ.get("CUDA_DEVICE_ORDER"))]
