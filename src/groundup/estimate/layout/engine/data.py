"""What ranks send of weights and gradients."""

import numpy as np

from groundup.estimate.layout.engine.held import Held
from groundup.estimate.layout.engine.stages import EngineStages
from groundup.estimate.layout.grid import SCHEDULES, Floats, Grid
from groundup.estimate.layout.links import Links
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.sent import DataParallel
from groundup.estimate.workload import FP32_BYTES

DDP_BUCKET_BYTES = 25 * 2**20
"""Gradients that DDP sums at once (PyTorch's default)."""
BUCKET_ELEMENTS = 2**23
"""Of what zero 1 and 2 send at once (`train/parallel/data/buckets.py`)."""


def data_parallel(problem: Problem, grid: Grid, stages: EngineStages, held: Held) -> DataParallel:
    """Return what a stage sends in each way of data parallelism (`train/parallel/data/`).

    Gradients are summed in 32 bits in all of them.
    """
    ways = [_replicas(problem, grid, held), _updated_shards(problem, grid, stages, held), _sharded(problem, grid, stages, held)]
    of_zero = [grid.zero == 0, (grid.zero == 1) | (grid.zero == 2)]
    every, once, waited = (np.select(of_zero, [first, second], third) for first, second, third in zip(*ways, strict=True))
    return DataParallel(every, once, waited + _copies_of_the_table(problem, grid, stages, held))


_Times = tuple[Floats, Floats, Floats]
"""In every micro-batch, once beside a pass, and once with nothing beside it."""


def _replicas(problem: Problem, grid: Grid, held: Held) -> _Times:
    """Return those of zero 0: DDP sums in the last backward pass; where it does not run, each tensor is summed after it, first over
    the ranks that read other text, then over those of a context group."""
    gradients = FP32_BYTES * held.total
    everyone = Links(problem.hardware, grid.dp * grid.cp, grid.tp)
    in_buckets = everyone.reduce_s(gradients, np.ceil(gradients / DDP_BUCKET_BYTES))
    readers = Links(problem.hardware, grid.dp, grid.tp * grid.cp).reduce_s(gradients, held.tensors)
    context = Links(problem.hardware, grid.cp, grid.tp).reduce_s(gradients, held.tensors)
    is_ddp = (grid.tp * grid.pp == 1) & (problem.precision != "bf16_weights")
    nothing = np.zeros_like(in_buckets)
    return nothing, np.where(is_ddp, in_buckets, 0.0), np.where(is_ddp, 0.0, readers + context)


def _updated_shards(problem: Problem, grid: Grid, stages: EngineStages, held: Held) -> _Times:
    """Return those of zero 1 and 2: sums scattered once, or in every micro-batch; weights gathered before the first pass, in the
    precision that they are held in. In a pipeline zero 1 scatters after the last pass, and so does zero 2 under zero_bubble."""
    links = Links(problem.hardware, grid.shards * grid.cp, grid.tp)
    calls = stages.blocks * np.ceil(held.in_blocks / np.maximum(stages.blocks, 1) / BUCKET_ELEMENTS)
    calls = calls + np.ceil(held.at_ends / BUCKET_ELEMENTS)
    scattered = links.gather_s(FP32_BYTES * held.total, calls)
    weight_bytes = problem.compute_bytes if problem.precision == "bf16_weights" else FP32_BYTES
    gathered = links.gather_s(weight_bytes * held.total, calls)
    is_late = grid.schedule == SCHEDULES.index("zero_bubble")
    in_passes = (grid.zero == 2) & ~((grid.pp > 1) & is_late)
    beside = ~in_passes & (grid.pp == 1)
    every, once = np.where(in_passes, scattered, 0.0), np.where(beside, scattered, 0.0)
    return every, once, gathered + np.where(in_passes | beside, 0.0, scattered)


def _sharded(problem: Problem, grid: Grid, stages: EngineStages, held: Held) -> _Times:
    """Return those of zero 3, all of them in every micro-batch: blocks gathered forward, and backward where they were dropped, the
    rest once for both; sums scattered. Copies are summed once. A pipeline gathers and scatters once for all its micro-batches;
    where it drops blocks after their forward passes, it gathers them for what follows each."""
    shared = Links(problem.hardware, grid.shards * grid.cp, grid.tp)
    copies = Links(problem.hardware, grid.dp // grid.shards, grid.tp * shared.size)
    units = stages.blocks + 1
    weights = shared.gather_s(problem.compute_bytes * held.total, units)
    again = grid.reshards * shared.gather_s(problem.compute_bytes * held.in_blocks, stages.blocks)
    sums = shared.gather_s(FP32_BYTES * held.total, units)
    of_copies = copies.reduce_s(FP32_BYTES * held.total / shared.size, units)
    every = again + np.where(grid.pp == 1, weights + sums, 0.0)
    return every, np.where(grid.pp == 1, of_copies, 0.0), np.where(grid.pp == 1, 0.0, weights + sums + of_copies)


def _copies_of_the_table(problem: Problem, grid: Grid, stages: EngineStages, held: Held) -> Floats:
    """Return the time to sum the embedding's gradient over the stages that hold it: where tokens are looked up, and where it is the
    head's matrix (`train/parallel/pipeline/shared.py`); with shared states each rank its part."""
    model = problem.model
    holders = 1 + (model.num_encoder_layers > 0) + model.tie_embeddings
    stride = (grid.pp - 1) * grid.tp * grid.cp * grid.dp
    links = Links(problem.hardware, np.where(grid.pp > 1, holders, 1), np.maximum(stride, 1))
    shards = np.where(grid.zero > 0, grid.shards * grid.cp, 1)
    return links.reduce_s(FP32_BYTES * held.table / shards, (held.table > 0).astype(np.float64))
