import psutil
import pytest
import torch

from groundup.core import containers
from groundup.nn.device import device_memory
from groundup.plan.machine import DTYPES, can_multiply, matmul_peak, usable_cores


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
def test_peak_is_a_speed(dtype):
    assert 1e8 < matmul_peak(dtype, torch.device("cpu")) < 1e15


def test_what_torch_does_not_multiply_is_known():
    cpu = torch.device("cpu")
    assert can_multiply(torch.float32, cpu)
    assert not can_multiply(torch.float8_e4m3fn, cpu)
    assert not can_multiply(torch.int64, cpu)  # no gradient


def test_environment_limits_the_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usable_cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "not a number")
    assert 1 <= usable_cores() <= psutil.cpu_count()


def test_container_quota_limits_cores_and_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(containers, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("400000000\n")
    assert usable_cores() == 1
    assert device_memory(torch.device("cpu")) == (1_000_000_000, 600_000_000)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert device_memory(torch.device("cpu"))[0] == psutil.virtual_memory().total
