"""The processes that a plan is for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundup.core.lazy import lazy
from groundup.core.world import World, used_cores
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.search import assess
from groundup.estimate.workload import Workload
from groundup.train.parallel.automatic import layouts_of
from groundup.train.parallel.config import AUTO, Layout, Parallel, completed, said_layout

if TYPE_CHECKING:
    from groundup.plan import this_machine
else:
    this_machine = lazy("groundup.plan.this_machine")


@dataclass(frozen=True)
class Processes:
    """Those of a launch, and what the recipe says of how they share the work."""

    said: Parallel | None = None
    size: int = 1
    local: int = 1
    """Of this machine: without an accelerator they share its cores and its memory."""
    hardware: Hardware | None = None
    """The accelerator that each of many has."""
    threads: int = 1
    """That one process computes with if it is alone."""
    cores: int = 1
    """Of this machine."""

    @classmethod
    def of(cls, said: Parallel | None, world: World | None, device: str, threads: int = 1, cores: int = 1) -> "Processes":
        """Return the processes of the launch; without one those of the layout that was said, all on this machine."""
        layout = said_layout(said)
        size = world.size if world is not None else layout.world_size if layout is not None else 1
        hardware = this_machine.measure_this() if device == "cuda" and size > 1 else None
        return cls(said, size, world.local_size if world is not None else size, hardware, threads, cores)

    @property
    def sharing(self) -> int:
        """Processes that share the memory that tensors live in."""
        return 1 if self.hardware is not None else self.local

    @property
    def machines(self) -> float:
        """How many times the speed that one process has alone all processes have."""
        return self.size if self.hardware is not None else self.size / self.local * used_cores(self.local, self.threads, self.cores)

    def readers(self, rows: int) -> int:
        """Return among how many ranks the rows of a batch are divided, at least where that is still to be chosen."""
        layout = said_layout(self.said)
        if self.said == AUTO:
            return self.size if self.hardware is None or rows % self.size == 0 else 1
        return completed(layout, self.size).dp

    def layouts(self, workload: Workload) -> list[Layout]:
        """Return the layouts that come into question, the first that fits to be taken."""
        if self.said == AUTO:
            return layouts_of(workload, self.size, self.hardware)
        keys = ("recompute", "micro_batch", "precision")
        return [completed(said_layout(self.said), self.size, {key: getattr(workload, key) for key in keys})]

    def step_seconds(self, workload: Workload, layout: Layout, rank_s: float) -> float:
        """Return the time of a step, given that of one process of this machine alone with the rows that one rank reads.

        Processes of a CPU share its cores: each takes longer by what it has less of them. What they exchange is left out. For those
        with an accelerator each, it is in proportion to what the layout's forecast says of many and of one.
        """
        if self.size == 1:
            return rank_s
        if self.hardware is None:
            return rank_s * self.size / self.machines / (layout.tp * layout.pp * layout.cp)
        problem = Problem.of(workload, self.hardware, self.size)
        alone = Layout(micro_batch=layout.micro_batch, recompute=layout.recompute, precision=layout.precision)
        of_one = assess(problem.on(1, workload.batch_sequences // layout.dp), alone)
        return rank_s * assess(problem, layout).step_s / of_one.step_s


ONE_PROCESS = Processes()
