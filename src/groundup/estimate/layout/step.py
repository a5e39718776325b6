"""The time of a step, part by part, of one layout or of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from groundup.estimate.layout.communication import (
    context_parallel_s,
    data_parallel_s,
    held_parameters,
    pipeline_s,
    tensor_parallel_s,
)
from groundup.estimate.layout.grid import RECOMPUTES, SCHEDULES, Floats, Grid
from groundup.estimate.layout.priors import Priors, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.stages import Stages, busiest_stages, num_blocks
from groundup.estimate.layout.work import Work, recomputed_work, work_of
from groundup.train.parallel.config import Layout

CHUNKS = 2
"""Parts of the model that each rank holds under the interleaved schedule."""
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


def step_times(problem: Problem, layouts: Grid | Sequence[Layout], priors: Priors | None = None) -> StepTimes:
    """Return the predicted times of a step of each layout; `priors` are the shipped ones unless given."""
    grid = layouts if isinstance(layouts, Grid) else Grid.of(layouts)
    priors = priors or shipped_priors()
    device = _Device(problem, priors)
    passes = problem.batch_sequences / (grid.dp * grid.micro_batch)
    stages = busiest_stages(num_blocks(problem.model), device.head_s / max(device.block_s, 1e-30), grid.pp)
    share = grid.micro_batch / (grid.tp * grid.cp)
    uncut = np.zeros_like(share) if problem.sequence_parallel else share * (grid.tp - 1)
    added_s = priors.weights * held_parameters(problem, grid, stages) / problem.hardware.memory_bytes_per_s
    blocks_s = share * device.block_s + uncut * device.stream_s
    first = stages.blocks * blocks_s + share * stages.has_head * device.head_s + added_s
    again = stages.blocks * (share * device.again_s[grid.recompute] + uncut * device.stream_again_s[grid.recompute])
    tp, cp = tensor_parallel_s(problem, grid, stages), context_parallel_s(problem, grid, stages)
    one_pass = first + again + tp + cp
    chunks = np.where(grid.schedule == SCHEDULES.index("interleaved"), CHUNKS, 1)
    idle = np.where(grid.schedule == SCHEDULES.index("zero_bubble"), ZERO_BUBBLE_SHARE, 1.0) / chunks
    return StepTimes(
        compute_s=passes * first,
        recompute_s=passes * again,
        bubble_s=(grid.pp - 1) * idle * one_pass,
        tp_s=passes * tp,
        cp_s=passes * cp,
        pp_s=passes * pipeline_s(problem, grid, chunks),
        dp_s=_exposed_s(problem, grid, stages, priors, passes, one_pass),
        update_s=_update_s(problem, grid, stages, passes),
    )


class _Device:
    """What one device takes for one row: a block, the head, a block computed again."""

    def __init__(self, problem: Problem, priors: Priors) -> None:
        self._problem, self._priors = problem, priors
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
        products = self._priors.products * work.products_flops + self._priors.scores * work.scores_flops
        traffic = self._traffic_s(work.stream_bytes + work.inner_bytes)
        return self._factor * products / self._problem.peak_flops_per_s + traffic

    def _traffic_s(self, kept_bytes: float) -> float:
        times = self._priors.traffic * (self._priors.fused if self._problem.compiled else 1.0)
        return times * kept_bytes / self._problem.hardware.memory_bytes_per_s


def _exposed_s(problem: Problem, grid: Grid, stages: Stages, priors: Priors, passes: Floats, one_pass: Floats) -> Floats:
    """Return what of data-parallel communication stays: a fitted share, or all that is longer than the computing beside it."""
    sent = data_parallel_s(problem, grid, stages)
    every, once = passes * sent.every_pass_s, sent.once_s
    return np.maximum(priors.exposed * every, every - passes * one_pass) + np.maximum(priors.exposed * once, once - one_pass)


def _update_s(problem: Problem, grid: Grid, stages: Stages, passes: Floats) -> Floats:
    """Return the time of the optimizer on each rank's share, on the device or on the host."""
    held = held_parameters(problem, grid, stages)
    own = held / np.where(grid.zero > 0, grid.shards * grid.cp, 1)
    on_device = UPDATE_BYTES * own / problem.hardware.memory_bytes_per_s
    moved = (problem.reduce_bytes + problem.compute_bytes) * own / HOST_LINK_BYTES_PER_S
    on_host = UPDATE_BYTES * own / HOST_MEMORY_BYTES_PER_S + moved
    streamed = 2 * passes * problem.compute_bytes * own / HOST_LINK_BYTES_PER_S
    return np.select([grid.offload == 2, grid.offload == 1], [on_host + streamed, on_host], on_device)
