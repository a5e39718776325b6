"""Training steps that all processes of a launch take together, for a plan: what they exchange is in their time."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from pydantic import TypeAdapter

from groundup.core.world import World, launched, threads_of_each
from groundup.estimate.workload import Workload
from groundup.nn.threads import threads
from groundup.plan.probe import Stepping, prepared, quartiles
from groundup.plan.processes import Processes
from groundup.train.config import TrainConfig
from groundup.train.memory import kept_memory
from groundup.train.parallel.config import Layout
from groundup.train.parallel.crew import are_waiting, ask
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import joined


@dataclass(frozen=True)
class _Request:
    """What all are to time."""

    turn: int
    train: TrainConfig
    layout: Layout
    workloads: tuple[Workload, ...]
    seconds: float
    num_threads: int
    """Of each process."""


_REQUEST = TypeAdapter(_Request)


class SteppingTogether(Stepping):
    """Real optimizer steps of all processes of a launch; the first asks the others, which wait for it."""

    def __init__(self, world: World, train: TrainConfig, layout: Layout, num_threads: int) -> None:
        """Take the layout of the world; `num_threads`: of each process."""
        self._world = world
        self._next = _Request(0, train, layout, (), 0.0, num_threads)

    def step_seconds(self, workloads: Sequence[Workload], seconds: float) -> list[float]:
        """Return the lower quartile of the times of one step of each workload, its rows being those of a data-parallel rank."""
        request = replace(self._next, workloads=tuple(workloads), seconds=seconds)
        self._next = replace(self._next, turn=request.turn + 1)
        ask(self._world, request.turn, _REQUEST.dump_json(request).decode())
        return _timed(self._world, request)


def stepping_together(processes: Processes, train: TrainConfig, num_threads: int, layout: Layout) -> Stepping | None:
    """Return what times steps of the launch under the layout; `num_threads`: of one process alone.

    None where there is no launch or each process has an accelerator, and of a pipeline, which needs more blocks than are timed.
    """
    world = launched()
    if world is None or world.size == 1 or processes.hardware is not None or layout.pp > 1 or not are_waiting(world):
        return None
    return SteppingTogether(world, train, layout, threads_of_each(num_threads, world.local_size))


def take_part(request: bytes) -> None:
    """Take the steps that the first process asks for."""
    world = launched()
    assert world is not None, "one of several processes"
    with kept_memory():
        _timed(world, _REQUEST.validate_json(request))
        gc.collect()


def _timed(world: World, request: _Request) -> list[float]:
    device = torch.device("cpu")
    with joined(world, what=f"pace-{request.turn}"), threads(request.num_threads):
        teams = [Team.of(request.layout, request.layout.precision) for _ in request.workloads]  # each arranges one model
        steps = [
            prepared(each, request.train, device, team, team.arrange) for each, team in zip(request.workloads, teams, strict=True)
        ]
        return quartiles(steps, request.seconds, device, teams[0])
