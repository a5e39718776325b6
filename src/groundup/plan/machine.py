"""What this machine offers: cores, memory and the measured peak of matrix multiplication."""

import os
import time

import psutil
import torch
from torch import Tensor
from torch.nn import functional as F

from groundup.core.config import Config
from groundup.core.containers import container_limit
from groundup.nn.device import device_memory
from groundup.nn.threads import threads
from groundup.train.config import ProductPrecision

DTYPES: dict[ProductPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BF16_WORTH_IT = 1.2
"""Matmul speed of bf16 over fp32 above which the casts of autocast pay."""
_SHAPES = ((2048, 384, 1536), (2048, 1536, 384), (2048, 1024, 1024))
"""(rows, in, out) of the products timed: those of a small model's layers."""
_SMALL_SHAPE = (512, 256, 512)
_SLOW_FLOPS_PER_S = 2.5e10
"""Below this on the small product, the larger ones would take seconds and tell nothing new."""
_SECONDS_PER_SHAPE = 0.15
_MIN_REPEATS = 3


class Machine(Config):
    """The resources that a plan may count on."""

    num_threads: int
    memory_bytes: int
    """Physical memory, or the container's limit where that is lower."""
    available_bytes: int
    matmul_peak_flops_per_s: dict[ProductPrecision, float]
    """Of each precision that the device has."""


def measure_machine(device: torch.device) -> Machine:
    """Look at cores and memory, and measure the matmul peak of each precision; takes about a second."""
    num_threads = usable_cores()
    with threads(num_threads):
        peaks = {name: matmul_peak(dtype, device) for name, dtype in DTYPES.items() if can_multiply(dtype, device)}
    total, available = device_memory(device)
    return Machine(num_threads=num_threads, memory_bytes=total, available_bytes=available, matmul_peak_flops_per_s=peaks)


def usable_cores() -> int:
    """Return the threads that this process is to compute with: one for each core that it may use, or OMP_NUM_THREADS if fewer."""
    wished = os.environ.get("OMP_NUM_THREADS", "")
    return min(physical_cores(), int(wished)) if wished.isdigit() and int(wished) > 0 else physical_cores()


def physical_cores() -> int:
    """Return the physical cores that this process may run on; a container's quota lowers it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [allowed, psutil.cpu_count(logical=False) or allowed]
    quota = container_limit("cpu.max")
    if len(quota) == 2 and all(part.isdigit() for part in quota):
        limits.append(max(1, int(quota[0]) // int(quota[1])))
    return min(limits)


def can_multiply(dtype: torch.dtype, device: torch.device) -> bool:
    """Return whether torch multiplies matrices of that dtype on the device, forward and backward."""
    try:
        x = torch.ones(2, 2, dtype=dtype, device=device, requires_grad=True)
        F.linear(x, x).sum().backward()  # type: ignore[no-untyped-call]
    except (RuntimeError, TypeError):  # NotImplementedError is a RuntimeError
        return False
    return True


def matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Return the FLOP/s of the fastest of many matrix products of a model's shapes.

    A busy neighbour can only slow a product down: beside one, the median of the products is many times below the peak.
    """
    speeds = [_product_speed(_SMALL_SHAPE, dtype, device)]
    if speeds[0] > _SLOW_FLOPS_PER_S:
        speeds += [_product_speed(shape, dtype, device) for shape in _SHAPES]
    return max(speeds)


def _product_speed(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> float:
    rows, inner, columns = shape
    x = torch.full((rows, inner), 0.5, dtype=dtype, device=device)
    weight = torch.full((columns, inner), 0.5, dtype=dtype, device=device)
    _timed_product(x, weight)  # the first call chooses the kernel
    times_s: list[float] = []
    while len(times_s) < _MIN_REPEATS or sum(times_s) < _SECONDS_PER_SHAPE:
        times_s.append(_timed_product(x, weight))
    return 2 * rows * inner * columns / min(times_s)


def _timed_product(x: Tensor, weight: Tensor) -> float:
    start_s = time.perf_counter()
    F.linear(x, weight)
    synchronize(x.device)
    return time.perf_counter() - start_s


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock read afterwards counts it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
