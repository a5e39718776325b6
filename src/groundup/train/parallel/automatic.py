"""The layout that training takes where the recipe says `parallel: auto`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from groundup.core.errors import BudgetError, ConfigError
from groundup.core.units import format_bytes
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.process import of_rank, process_memory
from groundup.estimate.layout.search import Candidate, search, words
from groundup.estimate.memory import ALLOCATOR_SHARE
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.train.parallel.config import Layout, Zero
from groundup.train.parallel.context import check_context
from groundup.train.parallel.pipeline.split import parts
from groundup.train.parallel.tensor.sizes import check_tensor

_STAGES: Final[tuple[Zero, ...]] = (0, 1, 2, 3)
_MOST_MESHES: Final = 1000
MEMORY_SHARE = 0.85
"""Of the memory available, what a run may fill where no cap is said."""


@dataclass(frozen=True)
class Room:
    """What one process may fill."""

    limit_bytes: int
    """With what it holds without the model."""
    process_bytes: int
    """That it holds without the model."""
    on_host: bool
    """Whether tensors lie in the memory of the host."""
    allocator_share: float = ALLOCATOR_SHARE
    compiler_bytes: int = 0
    """What a compiler's own tables take beside."""


@dataclass(frozen=True)
class Chosen:
    """A layout, and the memory of one process under it."""

    layout: Layout
    memory: dict[str, int]
    """By component [bytes]."""
    limit_bytes: int
    before: tuple[tuple[Layout, int], ...] = ()
    """Layouts that were to be preferred and do not fit, with what a process would take."""

    @property
    def total(self) -> int:
        return self.memory["total"]

    @property
    def fits(self) -> bool:
        return self.total <= self.limit_bytes

    @property
    def why(self) -> str:
        """Say why this layout."""
        others = "".join(f", with {short(layout)} {format_bytes(size)}" for layout, size in self.before)
        return f"a process takes {format_bytes(self.total)}{others}; it may take {format_bytes(self.limit_bytes)}"


def layouts_of(workload: Workload, processes: int, hardware: Hardware | None) -> list[Layout]:
    """Return the layouts of so many processes that come into question, the first that fits to be taken.

    On devices that `plan layout` knows to time they are the fastest first. Processes of a CPU, of which no run is in its fit, are
    data parallel, and share the less the better: each stage sends as much as the one before, or more. Raises ConfigError if the
    rows of a batch do not divide among them.
    """
    settled: dict[str, Any] = {
        "micro_batch": workload.micro_batch,
        "recompute": workload.recompute,
        "precision": workload.precision,
    }
    if processes == 1:
        return [Layout(**settled)]
    if hardware is None:
        if workload.batch_sequences % processes:
            near = max(count for count in range(1, processes) if workload.batch_sequences % count == 0)
            raise ConfigError(
                f"parallel=auto: the {workload.batch_sequences:,} rows of pretrain.batch_tokens do not divide among "
                f"{processes:,} processes; start {near:,}, or set pretrain.batch_tokens to a multiple of {processes:,} rows"
            )
        return [Layout(dp=processes, zero=zero, **settled) for zero in _STAGES]
    return _by_speed(workload, processes, hardware)


def choose(workload: Workload, layouts: Sequence[Layout], room: Room) -> Chosen:
    """Return the first of the layouts that fits, the smallest if none does."""
    found: list[Chosen] = []
    for layout in layouts:
        memory = process_memory(workload, layout, room.process_bytes, room.on_host, room.allocator_share)
        if room.compiler_bytes:
            memory["compiler"] = room.compiler_bytes
            memory["total"] += room.compiler_bytes
        found.append(Chosen(layout, memory, room.limit_bytes, tuple((each.layout, each.total) for each in found)))
        if found[-1].fits:
            return found[-1]
    return min(found, key=lambda each: each.total)


def check_fits(chosen: Chosen, workload: Workload) -> None:
    """Raise BudgetError with the way out if not even the smallest layout fits."""
    if not chosen.fits:
        raise BudgetError(
            f"parallel=auto: no layout of {chosen.layout.world_size:,} processes fits; the smallest ({short(chosen.layout)}) "
            f"takes {format_bytes(chosen.total)} a process, and {format_bytes(chosen.limit_bytes)} may be used; start more "
            f"processes on more machines, or lower pretrain.micro_batch ({of_rank(workload, chosen.layout).micro_batch})"
        )


def short(layout: Layout) -> str:
    """Return a layout in short, without the micro-batch, which is as large as divides the rows of a rank."""
    return words(layout).replace(f", micro-batch {layout.micro_batch}", "")


def _by_speed(workload: Workload, processes: int, hardware: Hardware) -> list[Layout]:
    """Return what `plan layout` finds and the engine runs, the fastest first: of each mesh and each stage of ZeRO the best."""
    problem = Problem.of(workload, hardware, processes)
    divides = workload.batch_sequences % processes == 0
    micro_batch = of_rank(workload, Layout(dp=processes)).micro_batch if divides else workload.micro_batch
    found: list[Candidate] = []
    reasons: list[Exception] = []
    for zero in _STAGES:
        pinned = {"zero": zero, "micro_batch": micro_batch, "recompute": workload.recompute, "offload": "none"}
        try:
            found += search(problem, _MOST_MESHES, pinned).found
        except (BudgetError, ConfigError) as error:
            reasons.append(error)
    taken = [each.layout for each in sorted(found, key=lambda each: each.step_s) if _is_run(each.layout, workload.model)]
    if not taken:
        raise reasons[-1] if reasons else ConfigError(f"parallel=auto: no layout of {processes:,} processes divides; say one")
    return taken


def _is_run(layout: Layout, model: ModelConfig) -> bool:
    """Return whether the engine takes the model under the layout."""
    try:
        check_tensor(model, layout.tp)
        check_context(model, layout.cp)
        parts(model, layout)
    except ConfigError:
        return False
    return True
