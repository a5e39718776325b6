"""A look at all processes of a run for a few steps: what each holds, computes, sends, and waits for."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from torch.profiler import ProfilerActivity, profile

from groundup.artifacts.shares import PARALLEL_FILE, Share, Shares
from groundup.core.files import write_json
from groundup.core.log import say
from groundup.train.held import States, states_of
from groundup.train.hooks.hook import Row
from groundup.train.parallel.team import Team
from groundup.train.step import TrainStep

FROM_STEP, STEPS = 2, 3
"""Steps that are looked at: the first ones make states and buckets."""
_SENDING: Final = ("gloo:", "nccl:")
_BETWEEN_STAGES: Final = ("gloo:send", "gloo:recv", "nccl:send", "nccl:recv")
_PRODUCTS: Final = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")

Span = tuple[float, float]
"""When something begins and ends."""


class Sharing:
    """Looks at a few steps of all processes at once, and writes parallel.json. All processes have one."""

    def __init__(
        self,
        step: TrainStep,
        team: Team,
        layout: str,
        out: Path,
        peak_memory: Callable[[], int],
        peak_flops_per_s: float,
    ) -> None:
        """`layout`: in the words of a recipe; `peak_flops_per_s`: what was measured for one process."""
        self._step = step
        self._team = team
        self._layout = layout
        self._out = out
        self._peak_memory = peak_memory
        self._peak_flops_per_s = peak_flops_per_s
        self._profile: profile | None = None
        self._states: States | None = None
        self._begun_s = 0.0

    def __call__(self, row: Row) -> str | None:
        if self._profile is None and row["step"] == FROM_STEP:
            self._begin()
        elif self._profile is not None and row["step"] == FROM_STEP + STEPS:
            self._end()
        return None

    def _begin(self) -> None:
        handle: Any = None

        def note(*_: Any) -> None:
            self._states = states_of(self._step)
            handle.remove()

        handle = self._step.optimizer.register_step_pre_hook(note)
        self._profile = profile(activities=[ProfilerActivity.CPU], record_shapes=True, with_flops=True, acc_events=True)
        self._profile.start()
        self._begun_s = time.perf_counter()

    def _end(self) -> None:
        assert self._profile is not None, "begun before"
        elapsed_s = time.perf_counter() - self._begun_s
        profiled, self._profile = self._profile, None
        profiled.stop()
        events: list[Any] = list(profiled.events())  # type: ignore[no-untyped-call]
        states = asdict(self._states) if self._states else {}
        shares = self._team.each(share_of(events, elapsed_s, STEPS, self._peak_flops_per_s, states, self._peak_memory()))
        if self._team.is_first:
            found = Shares(
                steps=(FROM_STEP + 1, FROM_STEP + STEPS),
                layout=self._layout,
                scheduled_bubble=self._team.scheduled_bubble,
                waited_for=min(range(len(shares)), key=lambda rank: shares[rank].exposed),
                ranks=tuple(shares),
            )
            write_json(self._out / PARALLEL_FILE, found.model_dump(mode="json"))
            say(f"  {found.summary()}: {self._out / PARALLEL_FILE}")


def share_of(
    events: Iterable[Any], elapsed_s: float, steps: int, peak_flops_per_s: float, states: dict[str, int], peak_memory: int
) -> Share:
    """Return what a process did, by the events of torch's profiler (times in microseconds)."""
    sending, between, computing, flops = [], [], [], 0.0
    for event in events:
        span = (event.time_range.start / 1e6, event.time_range.end / 1e6)
        if event.name.startswith(_SENDING):
            sending.append(span)
            if event.name.startswith(_BETWEEN_STAGES):
                between.append(span)
        elif event.name.startswith("aten::"):
            computing.append(span)
            if event.name in _PRODUCTS:
                flops += event.flops or 0
    busy = merged(computing)
    return Share(
        step_s=elapsed_s / steps,
        computing=length(busy) / elapsed_s,
        communication=length(merged(sending)) / elapsed_s,
        exposed=length(without(merged(sending), busy)) / elapsed_s,
        bubble=length(without(merged(between), busy)) / elapsed_s,
        products_flops=flops / steps,
        mfu=flops / elapsed_s / peak_flops_per_s,
        states=states,
        peak_memory_bytes=peak_memory,
    )


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, those that overlap as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return what of the spans lies in none of the others; both are merged."""
    found: list[Span] = []
    place = 0
    for start, end in spans:
        while place < len(others) and others[place][1] <= start:
            place += 1
        at, free_from = place, start
        while at < len(others) and others[at][0] < end:
            if others[at][0] > free_from:
                found.append((free_from, others[at][0]))
            free_from = max(free_from, others[at][1])
            at += 1
        if free_from < end:
            found.append((free_from, end))
    return found


def length(spans: Iterable[Span]) -> float:
    """Return how long spans last together."""
    return sum(end - start for start, end in spans)
