"""Seconds of communication of a step as papers count it: what each axis of the mesh sends, over which links."""

import numpy as np

from groundup.estimate.layout.grid import Floats, Grid, Ints
from groundup.estimate.layout.links import Links
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.sent import DataParallel, Sent
from groundup.estimate.layout.stages import Stages, num_blocks
from groundup.estimate.parameters import count_layers, count_parameters

BUCKET_BYTES = 25e6
"""Gradients that DDP sums at once (PyTorch's default)."""


def published_sent(problem: Problem, grid: Grid, stages: Stages) -> Sent:
    """Return what the busiest stage of each layout sends in the software that published runs were measured with."""
    return Sent(
        held=held_parameters(problem, grid, stages),
        tp_s=tensor_parallel_s(problem, grid, stages),
        cp_s=context_parallel_s(problem, grid, stages),
        pp_s=pipeline_s(problem, grid, grid.chunks),
        dp=data_parallel_s(problem, grid, stages),
    )


def held_parameters(problem: Problem, grid: Grid, stages: Stages) -> Floats:
    """Return the parameters of the busiest stage on one of its tensor-parallel ranks."""
    blocks, ends = _held_parts(problem, grid, stages)
    return blocks + ends


def _held_parts(problem: Problem, grid: Grid, stages: Stages) -> tuple[Floats, Floats]:
    """Return those in blocks, and those of embedding, positions and head."""
    counts = count_parameters(problem.model)
    ends = counts["embedding"] + counts["positions"] + counts["head"]
    blocks = sum(counts.values()) - ends
    table = problem.model.vocab_size * problem.model.dim
    ends_here = np.where(grid.pp == 1, ends, table)
    return blocks * stages.blocks / num_blocks(problem.model) / grid.tp, ends_here / grid.tp


def tensor_parallel_s(problem: Problem, grid: Grid, stages: Stages) -> Floats:
    """Return the time for one micro-batch: in each part of a block two all-reduces (or a gather and a scatter for each).

    One forward, one backward (Shoeybi et al. 2019, figure 4), and the forward one again where the block is computed again. All
    of it waits: the product after it needs the result.
    """
    links = Links(problem.hardware, grid.tp, np.ones_like(grid.tp))
    passes = np.where(grid.recompute == 2, 3, 2)
    sums = passes * _parts_per_block(problem) * stages.blocks + 2 * stages.has_head
    return links.reduce_s(sums * _stream_bytes(problem, grid), sums)


def context_parallel_s(problem: Problem, grid: Grid, stages: Stages) -> Floats:
    """Return the time for one micro-batch: keys and values gathered, and again in a block that is computed again; their gradients
    scattered."""
    links = Links(problem.hardware, grid.cp, grid.tp)
    _, _, attentions = count_layers(problem.model)
    of_stage = attentions * stages.blocks / num_blocks(problem.model)
    longest = max(problem.rows.read_len, problem.rows.target_len)
    keys = 2 * problem.compute_bytes * problem.model.kv_dim * longest * grid.micro_batch / grid.tp
    calls = np.where(grid.recompute > 0, 3, 2) * of_stage
    return links.gather_s(calls * keys, calls)


def pipeline_s(problem: Problem, grid: Grid, chunks: Ints) -> Floats:
    """Return the time for one micro-batch: the stream passed on, its gradient passed back, each rank of tp with its part."""
    links = Links(problem.hardware, grid.pp, grid.tp * grid.cp * grid.dp)
    return 2 * chunks * links.send_s(_stream_bytes(problem, grid) / grid.tp)


def data_parallel_s(problem: Problem, grid: Grid, stages: Stages) -> DataParallel:
    """Return what ranks that hold the same part of the model exchange (Rajbhandari et al. 2020, section 7).

    Stage 0 sums gradients; 1 and 2 scatter the sums and gather the new weights; 3 scatters gradients and gathers weights of blocks
    forward and backward, those of embedding and head once for both (a pipeline keeps weights for all its passes: once a step).
    With a sharding factor below dp the scattered gradients are summed over the copies once a step.
    """
    in_blocks, at_ends = _held_parts(problem, grid, stages)
    weights = in_blocks + at_ends
    gradient_bytes = problem.reduce_bytes * weights
    weight_bytes = problem.compute_bytes * weights
    everyone = Links(problem.hardware, grid.dp * grid.cp, grid.tp)
    calls = np.ceil(gradient_bytes / BUCKET_BYTES)
    scatter, gather = everyone.gather_s(gradient_bytes, calls), everyone.gather_s(weight_bytes, calls)
    shared = Links(problem.hardware, grid.shards * grid.cp, grid.tp)
    copies = Links(problem.hardware, grid.dp // grid.shards, grid.tp * shared.size)
    units, passes = stages.blocks + 1, np.where(grid.pp == 1, 2, 1)
    gathered_bytes = problem.compute_bytes * (passes * in_blocks + at_ends)
    sharded = shared.gather_s(gathered_bytes, passes * stages.blocks + 1) + shared.gather_s(gradient_bytes, units)
    of_copies = copies.reduce_s(gradient_bytes / shared.size, units)
    nothing, is_kept = np.zeros_like(scatter), (grid.zero == 3) & (grid.pp > 1)
    return DataParallel(
        every_pass_s=np.select([is_kept, grid.zero == 3, grid.zero == 2], [nothing, sharded, scatter], nothing),
        once_s=np.select(
            [is_kept, grid.zero == 3, grid.zero == 2, grid.zero == 1],
            [sharded + of_copies, of_copies, gather, scatter + gather],
            2 * scatter,
        ),
        waited_s=nothing,
    )


def _parts_per_block(problem: Problem) -> float:
    """Return how often a block's result is summed over tensor-parallel ranks: once a part, once in all where parts share a norm."""
    _, layers, attentions = count_layers(problem.model)
    if problem.model.residual in ("parallel", "parallel_shared"):
        return 1.0
    return (layers + attentions) / layers


def _stream_bytes(problem: Problem, grid: Grid) -> Floats:
    """Return the bytes of the residual stream of a micro-batch on a context-parallel rank, as it is sent."""
    longest = max(problem.rows.read_len, problem.rows.target_len)
    stream: Floats = problem.compute_bytes * problem.model.dim * longest * grid.micro_batch / grid.cp
    return stream
