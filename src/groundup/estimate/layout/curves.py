"""What more devices bring, and what each strategy of sharding needs: the data of pictures."""

from dataclasses import dataclass

from groundup.core.errors import BudgetError, ConfigError
from groundup.estimate.device_memory import Memory
from groundup.estimate.layout.candidates import divisors
from groundup.estimate.layout.priors import shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.rooms import memory_of
from groundup.estimate.layout.search import Candidate, search, words
from groundup.train.parallel.config import Layout

MOST_POINTS = 8


@dataclass(frozen=True)
class Point:
    """The fastest layout on some devices."""

    devices: int
    tokens_per_s: float
    low: float
    high: float
    """Of tokens_per_s: 90 % of published runs lie between."""
    best: Candidate


@dataclass(frozen=True)
class Strategy:
    """What one way of sharding needs."""

    name: str
    layout: Layout
    memory: Memory
    fits: bool


def by_devices(problem: Problem) -> list[Point]:
    """Return the speed on halves of the problem's devices and on all, the batch being the same, where something fits."""
    counts: list[int] = []
    devices = problem.devices
    while devices >= 1 and len(counts) < MOST_POINTS:
        counts.append(devices)
        devices = devices // 2 if devices % 2 == 0 else 0
    points = []
    for count in reversed(counts):
        try:
            best = search(problem.on(count), 1, {"offload": "none"}).best
        except (BudgetError, ConfigError):
            continue
        low, high = shipped_priors().interval(problem.hardware.name)
        speed = best.tokens_per_s_per_device * count
        points.append(Point(count, speed, speed * low, speed * high, best))
    return points


def by_strategy(problem: Problem, micro_batch: int = 1) -> list[Strategy]:
    """Return the memory of data parallelism of each kind on all devices, nothing computed again; and of the fastest layout."""
    dp, node = problem.devices, problem.hardware.devices_per_node
    named: list[tuple[str, Layout]] = [("DDP", Layout(dp=dp, micro_batch=micro_batch, precision=problem.precision))]
    if dp > 1:
        named += [
            (f"ZeRO-{zero}", Layout(dp=dp, zero=zero, micro_batch=micro_batch, precision=problem.precision)) for zero in (1, 2)
        ]
        inside = max(each for each in divisors(dp) if each <= node)
        for factor in (inside, dp) if 1 < inside < dp else (dp,):
            full = Layout(dp=dp, zero=3, sharding_factor=factor, micro_batch=micro_batch, precision=problem.precision)
            name = "FSDP (ZeRO-3)" if factor == dp else f"FSDP of {factor}, {dp // factor} copies"
            named += [(name, full)]
        named += [(f"{name}, recompute", full.model_copy(update={"recompute": "full"}))]
    try:
        best = search(problem, 1).best.layout
        named += [(f"fastest: {words(best)}", best)]
    except (BudgetError, ConfigError):
        pass
    found = []
    for name, layout in named:
        memory = memory_of(problem, layout)
        found.append(Strategy(name, layout, memory, memory.total <= problem.hardware.memory_bytes))
    return found
