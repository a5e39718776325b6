"""The time of a step, part by part, of one layout or of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from groundup.estimate.layout.communication import published_sent
from groundup.estimate.layout.engine.sent import engine_sent
from groundup.estimate.layout.engine.stages import EngineStages, engine_stages
from groundup.estimate.layout.grid import RECOMPUTES, SCHEDULES, Floats, Grid
from groundup.estimate.layout.priors import Priors, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.sent import DataParallel, Sent
from groundup.estimate.layout.stages import Stages, busiest_stages, num_blocks
from groundup.estimate.layout.work import Work, recomputed_work, work_of
from groundup.train.parallel.config import Layout

ZERO_BUBBLE_SHARE = 1 / 3
"""Of the bubble that stays where gradients of weights fill it (Qi et al. 2024, ZB-H1)."""
UPDATE_BYTES = 30
"""Read and written for a parameter by Adam in mixed precision: gradient, master, two moments; all but the first and a copy back."""
HOST_LINK_BYTES_PER_S = 25e9
"""Between a device and its host, of PCIe 4.0's 32 GB/s."""
HOST_MEMORY_BYTES_PER_S = 25e9
"""A device's share of the host's memory bandwidth, in which offloaded states are updated: 200 GB/s for eight."""


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a step, a value for each layout; `total_s` is their sum."""

    compute_s: Floats
    """Products, scores, what passes the memory between them, and gradients added up; all micro-batches of the busiest stage."""
    recompute_s: Floats
    """What is computed again."""
    bubble_s: Floats
    """The pipeline's filling and emptying."""
    tp_s: Floats
    cp_s: Floats
    pp_s: Floats
    dp_s: Floats
    """What of data-parallel communication no computing hides."""
    update_s: Floats
    """The optimizer, and what of offloaded states goes to the host and back."""

    @property
    def total_s(self) -> Floats:
        total: Floats = np.sum([getattr(self, each.name) for each in fields(self)], axis=0)
        return total

    def take(self, places: np.typing.NDArray[np.int64]) -> "StepTimes":
        """Return those of the rows at these places."""
        return StepTimes(*(getattr(self, each.name)[places] for each in fields(self)))

    def parts(self, place: int) -> dict[str, float]:
        """Return the parts of one layout."""
        return {each.name: float(getattr(self, each.name)[place]) for each in fields(self)}


def step_times(
    problem: Problem,
    layouts: Grid | Sequence[Layout],
    priors: Priors | None = None,
    stage: EngineStages | None = None,
) -> StepTimes:
    """Return the predicted times of a step of each layout; `priors` are the shipped ones unless given.

    They are those of the slowest stage of a pipeline, or of the one that is given.
    """
    grid = layouts if isinstance(layouts, Grid) else Grid.of(layouts)
    priors = priors or shipped_priors()
    device = _Device(problem, priors)
    if problem.engine == "published":
        busiest = busiest_stages(num_blocks(problem.model), device.head_s / max(device.block_s, 1e-30), grid.pp)
        return _times(problem, grid, device, busiest, published_sent(problem, grid, busiest))
    stages = engine_stages(problem, grid.pp) if stage is None else [stage]
    return _slowest([_times(problem, grid, device, each, engine_sent(problem, grid, each)) for each in stages])


def _times(problem: Problem, grid: Grid, device: "_Device", stages: Stages, sent: Sent) -> StepTimes:
    """Return the times of one stage of each layout, which sends that."""
    priors = device.priors
    passes = passes_of(problem, grid)
    share = grid.micro_batch / (grid.tp * grid.cp)
    uncut = np.zeros_like(share) if problem.sequence_parallel else share * (grid.tp - 1)
    added_s = priors.weights * sent.held / problem.hardware.memory_bytes_per_s
    blocks_s = share * device.block_s + uncut * device.stream_s
    first = stages.blocks * blocks_s + share * stages.has_head * device.head_s + added_s
    again = stages.blocks * (share * device.again_s[grid.recompute] + uncut * device.stream_again_s[grid.recompute])
    one_pass = first + again + sent.tp_s + sent.cp_s
    idle = np.where(grid.schedule == SCHEDULES.index("zero_bubble"), ZERO_BUBBLE_SHARE, 1.0) / grid.chunks
    return StepTimes(
        compute_s=passes * first,
        recompute_s=passes * again,
        bubble_s=(grid.pp - 1) * idle * one_pass,
        tp_s=passes * sent.tp_s,
        cp_s=passes * sent.cp_s,
        pp_s=passes * sent.pp_s,
        dp_s=_exposed_s(sent.dp, priors, passes, one_pass),
        update_s=_update_s(problem, grid, sent.held, passes),
    )


def _slowest(found: Sequence[StepTimes]) -> StepTimes:
    """Return of each layout the times of the stage that takes longest."""
    longest = np.argmax([each.total_s for each in found], axis=0)
    layouts = np.arange(len(longest))
    return StepTimes(*(np.stack([getattr(each, part.name) for each in found])[longest, layouts] for part in fields(StepTimes)))


def passes_of(problem: Problem, grid: Grid) -> Floats:
    """Return the micro-batches of a step on each data-parallel rank."""
    passes: Floats = problem.batch_sequences / (grid.dp * grid.micro_batch)
    return passes


class _Device:
    """What one device takes for one row: a block, the head, a block computed again."""

    def __init__(self, problem: Problem, priors: Priors) -> None:
        self._problem, self.priors = problem, priors
        self._factor = priors.factor(problem.hardware.name)
        work, blocks = work_of(problem), num_blocks(problem.model)
        again = [recomputed_work(problem, work, each) for each in RECOMPUTES]
        self.block_s = self._seconds(work) / blocks
        self.stream_s = self._traffic_s(work.stream_bytes) / blocks
        """Of `block_s`, what the residual stream takes: of tensor-parallel ranks each does all of it, unless they divide it."""
        self.again_s: Floats = priors.recomputed * np.array([self._seconds(each) for each in again]) / blocks
        self.stream_again_s: Floats = priors.recomputed * np.array([self._traffic_s(each.stream_bytes) for each in again]) / blocks
        head = self._factor * priors.products * work.head_flops / problem.peak_flops_per_s
        self.head_s = head + priors.logits * work.logits_bytes / problem.hardware.memory_bytes_per_s

    def _seconds(self, work: Work) -> float:
        """Return the time of the blocks' part of the work."""
        products = self.priors.products * work.products_flops + self.priors.scores * work.scores_flops
        traffic = self._traffic_s(work.stream_bytes + work.inner_bytes)
        return self._factor * products / self._problem.peak_flops_per_s + traffic

    def _traffic_s(self, kept_bytes: float) -> float:
        times = self.priors.traffic * (self.priors.fused if self._problem.compiled else 1.0)
        return times * kept_bytes / self._problem.hardware.memory_bytes_per_s


def _exposed_s(sent: DataParallel, priors: Priors, passes: Floats, one_pass: Floats) -> Floats:
    """Return what of data-parallel communication stays: a fitted share, or all that is longer than the computing beside it, and
    what has none beside it."""
    every, once = passes * sent.every_pass_s, sent.once_s
    hidden = np.maximum(priors.exposed * every, every - passes * one_pass) + np.maximum(priors.exposed * once, once - one_pass)
    stays: Floats = hidden + sent.waited_s
    return stays


def _update_s(problem: Problem, grid: Grid, held: Floats, passes: Floats) -> Floats:
    """Return the time of the optimizer on each rank's share, on the device or on the host."""
    own = held / np.where(grid.zero > 0, grid.shards * grid.cp, 1)
    on_device = UPDATE_BYTES * own / problem.hardware.memory_bytes_per_s
    moved = (problem.reduce_bytes + problem.compute_bytes) * own / HOST_LINK_BYTES_PER_S
    on_host = UPDATE_BYTES * own / HOST_MEMORY_BYTES_PER_S + moved
    streamed = 2 * passes * problem.compute_bytes * own / HOST_LINK_BYTES_PER_S
    return np.select([grid.offload == 2, grid.offload == 1], [on_host + streamed, on_host], on_device)
