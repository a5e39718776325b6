"""A trace of a few steps, and a page that says where their time goes."""

import contextlib
import gzip
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from groundup.core.files import storage_errors, write_bytes, write_text
from groundup.core.log import say
from groundup.train.hooks.config import ProfileConfig
from groundup.train.hooks.hook import Row

FOLDER = "profile"
TRACE, SUMMARY = "trace.json.gz", "summary.md"
SHOWN = 15
"""Operations that the page lists."""
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::_int_mm", "mkldnn::_linear_pointwise", "aten::mkldnn_linear")
_ATTENTION = ("aten::bmm", "aten::baddbmm", "aten::_scaled_dot_product", "aten::_flash_attention", "aten::_softmax")
_COMPILED = ("## Call CompiledFxGraph", "Torch-Compiled Region", "CompiledFunction")


@dataclass(frozen=True)
class Spent:
    """Time of one operation within the profiled steps, without what it called."""

    part: str
    name: str
    seconds: float
    calls: int


class Profile:
    """Profiles whole steps: from the end of step `from_step` on, as many as are wanted."""

    def __init__(self, config: ProfileConfig, out: Path) -> None:
        self._config = config
        self._folder = out / FOLDER
        self._profile: profile | None = None
        self._start_s = 0.0

    def __call__(self, row: Row) -> str | None:
        first, end = self._config.from_step, self._config.from_step + self._config.steps
        if self._profile is None and row["step"] == first:
            self._begin()
        elif self._profile is not None and row["step"] == end:
            self._end(end, self._config.steps)
        return None

    def _begin(self) -> None:
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its news are of no use to anyone
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
        self._profile = profile(activities=activities, acc_events=True)
        self._profile.start()
        self._start_s = time.perf_counter()

    def _end(self, step: int, steps: int) -> None:
        assert self._profile is not None, "only called after _begin"
        wall_s = time.perf_counter() - self._start_s
        profiled, self._profile = self._profile, None
        profiled.stop()
        with storage_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
        write_text(self._folder / SUMMARY, summary(spent(_events(profiled)), wall_s, step, steps))
        self._write_trace(profiled)
        say(f"  profile of {steps} steps: {self._folder / SUMMARY}")

    def _write_trace(self, profiled: profile) -> None:
        plain = self._folder / "trace.json.partial"
        try:
            with storage_errors(self._folder):
                profiled.export_chrome_trace(str(plain))
                write_bytes(self._folder / TRACE, gzip.compress(plain.read_bytes()))
        finally:
            with contextlib.suppress(OSError):
                plain.unlink(missing_ok=True)


def _events(profiled: profile) -> Iterable[Any]:
    return profiled.events()  # type: ignore[no-untyped-call, no-any-return]


def spent(events: Iterable[Any]) -> list[Spent]:
    """Return the time of each operation, the longest first; `events` are those of torch's profiler."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    calls: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        own = event.self_cpu_time_total + getattr(event, "self_device_time_total", 0.0)
        key = (_part(event), event.name)
        seconds[key] += own / 1e6
        calls[key] += 1
    found = [Spent(part, name, seconds[part, name], calls[part, name]) for part, name in seconds]
    return sorted(found, key=lambda entry: -entry.seconds)


def _part(event: Any) -> str:
    """Return the part of the step that the operation belongs to."""
    name, above = event.name, set()
    parent = event
    while parent is not None:
        above.add(parent.name.split("#")[0])
        parent = parent.cpu_parent
    if any(ancestor.startswith("Optimizer.") for ancestor in above):
        return "optimizer"
    if name.startswith(_PRODUCTS):
        return "matrix products"
    if name.startswith(_COMPILED):
        return "compiled kernels"
    if any("CrossEntropy" in ancestor for ancestor in above):
        return "loss, products apart"
    if name.startswith(_ATTENTION):
        return "attention"
    return "other operations"


def summary(found: list[Spent], wall_s: float, last_step: int, steps: int) -> str:
    """Return the page as Markdown: the parts of a step, then its longest operations."""
    parts: dict[str, float] = defaultdict(float)
    for entry in found:
        parts[entry.part] += entry.seconds
    parts["outside operations (Python, waits)"] = max(0.0, wall_s - sum(parts.values()))
    lines = [
        f"# Profile of steps {last_step - steps + 1:,} to {last_step:,}",
        "",
        f"{wall_s / steps * 1e3:,.1f} ms a step, the profiler's own work included. Times are without what an operation calls. "
        f"`{TRACE}` shows every call in order: open it in https://ui.perfetto.dev.",
        "",
        "| part | ms a step | share |",
        "|---|---|---|",
        *(
            f"| {part} | {seconds / steps * 1e3:,.2f} | {seconds / wall_s:.1%} |"
            for part, seconds in sorted(parts.items(), key=lambda part: -part[1])
        ),
        "",
        "| operation | part | calls a step | ms a step | share |",
        "|---|---|---|---|---|",
        *(
            f"| `{entry.name[:60]}` | {entry.part} | {entry.calls / steps:,.1f} | {entry.seconds / steps * 1e3:,.2f} | "
            f"{entry.seconds / wall_s:.1%} |"
            for entry in found[:SHOWN]
        ),
    ]
    return "\n".join(lines) + "\n"
