"""Look at the machine: what groundup finds here, what is missing, and how to mend it."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Literal

import psutil
import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from groundup.core.compiler import find_compiler
from groundup.core.config import Config
from groundup.core.processor import answer, cpu_facts, cpu_name
from groundup.core.units import format_bytes, format_count
from groundup.plan.machine import BF16_WORTH_IT, Machine, measure_machine, usable_cores

Status = Literal["ok", "warn", "missing"]

MIN_PYTHON = (3, 11)
MIN_TORCH = (2, 13)
MIN_MEMORY_BYTES = 4 * 10**9
MIN_DISK_BYTES = 5 * 10**9
"""An environment with torch is about 2 GB, the demo's artifacts a few hundred MB."""
CPU_FLAGS = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "bf16": ("avx512_bf16", "bf16"),
    "amx": ("amx_bf16", "amx_tile"),
    "neon": ("asimd",),
}
"""Instruction sets that matter for matrix products, with the kernel's names for them."""
_GPU_ADVICE = "none needed: everything runs on the CPU; with an NVIDIA card, install torch for CUDA (pytorch.org/get-started)"
_COMPILER_ADVICE = "apt install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), xcode-select --install (macOS)"


class Finding(Config):
    """One thing that was looked at."""

    name: str
    status: Status
    found: str
    mend: str | None = None
    """What to do about it, where there is something to do."""


class Diagnosis(Config):
    """Everything that was found; numbers are plain SI."""

    healthy: bool
    """Nothing that is needed is missing."""
    groundup: str
    python: str
    platform: str
    torch: str
    cpu: str
    cores: int
    """Physical cores that groundup will use."""
    cpu_flags: tuple[str, ...]
    devices: tuple[str, ...]
    matmul_peak_flops_per_s: dict[str, float]
    memory_bytes: int
    memory_available_bytes: int
    disk_free_bytes: int
    extras: dict[str, str | None]
    """Optional package -> its version, null if it is not installed."""
    compiler: str | None
    findings: tuple[Finding, ...]


def diagnose(folder: Path | None = None) -> Diagnosis:
    """Look at versions, processor, devices, memory, the disk of `folder` (default: the current one), extras and compiler.

    Takes about two seconds; the matmul peak is measured on the CPU.
    """
    folder = folder or Path.cwd()
    machine = measure_machine(torch.device("cpu"))
    flags = cpu_flags()
    extras = {"transformers": _version("transformers")}
    compiler = find_compiler()
    disk_free = shutil.disk_usage(folder).free
    findings = (
        _python(),
        _torch(),
        _cpu(flags),
        *_accelerators(),
        *_speed(machine),
        _memory(machine),
        _disk(disk_free, folder),
        _transformers(extras["transformers"]),
        _compiler(compiler),
    )
    return Diagnosis(
        healthy=not any(finding.status == "missing" for finding in findings),
        groundup=importlib.metadata.version("groundup"),
        python=platform.python_version(),
        platform=platform.platform(),
        torch=torch.__version__,
        cpu=cpu_name(),
        cores=machine.num_threads,
        cpu_flags=flags,
        devices=devices(),
        matmul_peak_flops_per_s=dict(machine.matmul_peak_flops_per_s),
        memory_bytes=machine.memory_bytes,
        memory_available_bytes=machine.available_bytes,
        disk_free_bytes=disk_free,
        extras=extras,
        compiler=compiler,
        findings=findings,
    )


def render(diagnosis: Diagnosis) -> RenderableType:
    """Return the diagnosis as a table for a terminal."""
    marks = {"ok": Text("ok", "green"), "warn": Text("note", "yellow"), "missing": Text("missing", "red")}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for finding in diagnosis.findings:
        found = Text(finding.found)
        if finding.mend and finding.status != "ok":
            found.append(f"\n-> {finding.mend}", style="yellow")
        table.add_row(marks[finding.status], Text(finding.name), found)
    verdict = "Ready." if diagnosis.healthy else "Something that groundup needs is missing: see the arrows."
    return Group(table, Text(verdict, style="bold"))


def cpu_flags() -> tuple[str, ...]:
    """Return the instruction sets of CPU_FLAGS that this processor has."""
    words = set(cpu_facts().split())
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        words |= {"asimd"} | ({"bf16"} if answer(["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]) == "1" else set())
    return tuple(name for name, names in CPU_FLAGS.items() if words.intersection(names))


def devices() -> tuple[str, ...]:
    """Return the torch device types that can be used here."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ("cpu", *(name for name, there in found.items() if there))


def _python() -> Finding:
    fits = sys.version_info[:2] >= MIN_PYTHON
    mend = None if fits else f"install Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer"
    return Finding(name="Python", status="ok" if fits else "missing", found=platform.python_version(), mend=mend)


def _torch() -> Finding:
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    fits = version >= MIN_TORCH
    mend = None if fits else f"pip install 'torch>={MIN_TORCH[0]}.{MIN_TORCH[1]}'"
    return Finding(name="PyTorch", status="ok" if fits else "missing", found=torch.__version__, mend=mend)


def _cpu(flags: tuple[str, ...]) -> Finding:
    used, logical = usable_cores(), psutil.cpu_count() or 1
    found = f"{cpu_name()}, {used} of {logical} logical cores used, {', '.join(flags) or 'no known vector instructions'}"
    limited = os.environ.get("OMP_NUM_THREADS")
    if limited and limited.isdigit() and int(limited) == used < logical:
        return Finding(name="Processor", status="warn", found=found, mend=f"OMP_NUM_THREADS={limited} limits it: unset it")
    return Finding(name="Processor", status="ok", found=found)


def _accelerators() -> list[Finding]:
    there = [name for name in devices() if name != "cpu"]
    if not there:
        return [Finding(name="GPU", status="warn", found="none", mend=_GPU_ADVICE)]
    names = {"cuda": torch.cuda.get_device_name() if "cuda" in there else "", "mps": "Apple GPU"}
    return [Finding(name="GPU", status="ok", found=f"{name}: {names[name]}") for name in there]


def _speed(machine: Machine) -> list[Finding]:
    peaks = machine.matmul_peak_flops_per_s
    ratio = peaks.get("bf16", 0.0) / peaks["fp32"]
    words = "training will use bf16" if ratio > BF16_WORTH_IT else "training will use fp32"
    shown = ", ".join(f"{name} {format_count(peak, 'FLOP/s')}" for name, peak in peaks.items())
    return [Finding(name="Matrix products", status="ok", found=f"{shown} on {machine.num_threads} threads; {words}")]


def _memory(machine: Machine) -> Finding:
    found = f"{format_bytes(machine.available_bytes)} available of {format_bytes(machine.memory_bytes)}"
    if machine.available_bytes >= MIN_MEMORY_BYTES:
        return Finding(name="Memory", status="ok", found=found)
    mend = f"close other programs; the demo is comfortable with {format_bytes(MIN_MEMORY_BYTES)}"
    return Finding(name="Memory", status="warn", found=found, mend=mend)


def _disk(free: int, folder: Path) -> Finding:
    found = f"{format_bytes(free)} free at {folder}"
    if free >= MIN_DISK_BYTES:
        return Finding(name="Disk", status="ok", found=found)
    mend = f"free some space, or run elsewhere; {format_bytes(MIN_DISK_BYTES)} is comfortable"
    return Finding(name="Disk", status="warn", found=found, mend=mend)


def _transformers(version: str | None) -> Finding:
    if version:
        return Finding(name="Extra [hf]", status="ok", found=f"transformers {version}")
    found = "transformers is not installed: exports cannot be verified"
    return Finding(name="Extra [hf]", status="warn", found=found, mend="pip install 'groundup[hf]'")


def _compiler(found: str | None) -> Finding:
    if found:
        return Finding(name="C++ compiler", status="ok", found=found)
    return Finding(name="C++ compiler", status="warn", found="none", mend=_COMPILER_ADVICE)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
