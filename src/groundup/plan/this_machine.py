"""The machine that the plan is made on, measured as a device of the catalogue."""

import time

import torch

from groundup.estimate.hardware import THIS, Hardware
from groundup.nn.device import resolve_device
from groundup.nn.threads import threads
from groundup.plan.machine import measure_machine, synchronize, usable_cores

_COPY_ELEMENTS = 16_000_000
"""64 MB in float32: more than the caches of most processors."""
_COPIES = 7
ETHERNET_BYTES_PER_S = 1.25e9
"""10 Gbit/s, assumed between machines like this one."""


def measure_this() -> Hardware:
    """Measure this machine's best device: memory, peak of products (as `doctor` does), copies; takes about two seconds.

    A machine without an accelerator is one device: processes of a layout would share its memory.
    """
    device = resolve_device("auto")
    machine = measure_machine(device)
    copies = copy_speed(device)
    measured = f"measured here ({device.type})"
    return Hardware(
        name=THIS,
        title=f"this machine: {torch.cuda.get_device_name() if device.type == 'cuda' else device.type.upper()}",
        memory_bytes=machine.memory_bytes,
        peak_flops_per_s=dict(machine.matmul_peak_flops_per_s),
        memory_bytes_per_s=copies,
        intra_node_bytes_per_s=copies / 2,
        inter_node_bytes_per_s=ETHERNET_BYTES_PER_S,
        devices_per_node=torch.cuda.device_count() if device.type == "cuda" else 1,
        power_w=None,
        sources={
            "memory_bytes": f"asked of the system ({device.type})",
            "peak_flops_per_s": f"{measured}: the fastest of a few products of a small model's shapes",
            "memory_bytes_per_s": f"{measured}: the fastest of a few copies of 64 MB, bytes read and written",
            "intra_node_bytes_per_s": "half of memory_bytes_per_s: a copy from one process to another",
            "inter_node_bytes_per_s": "10 Gbit/s, assumed",
            "devices_per_node": "counted here",
            "power_w": "not measured",
        },
    )


def copy_speed(device: torch.device) -> float:
    """Return the bytes per second, read and written, of the fastest of a few large copies on the device."""
    source = torch.ones(_COPY_ELEMENTS, device=device)
    target = torch.empty_like(source)
    times_s: list[float] = []
    with threads(usable_cores()):
        for _ in range(_COPIES):
            start_s = time.perf_counter()
            target.copy_(source)
            synchronize(device)
            times_s.append(time.perf_counter() - start_s)
    return 2 * source.nbytes / min(times_s)
