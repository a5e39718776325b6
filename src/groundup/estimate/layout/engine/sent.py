"""What the engine sends: every formula counts the collectives of the code that it names."""

import numpy as np

from groundup.estimate.layout.engine.data import data_parallel
from groundup.estimate.layout.engine.held import held_by
from groundup.estimate.layout.engine.stages import EngineStages
from groundup.estimate.layout.grid import Floats, Grid
from groundup.estimate.layout.links import Links
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.sent import Sent
from groundup.estimate.parameters import UNNORMED_END
from groundup.estimate.workload import FP32_BYTES

CHUNK_ROWS = 512
"""Rows of which the loss makes logits at once (`train/loss.py`)."""
FEW_TARGETS = 0.5
"""Where fewer places than this share are predicted, the others are no rows of the loss (`train/passes.py`)."""
NUMBERS_OF_A_ROW = 3
"""That ranks which share the head sum: the largest logit, the sum of exponentials, the logit of the target."""


def engine_sent(problem: Problem, grid: Grid, stages: EngineStages) -> Sent:
    """Return what a stage of each layout sends in groundup's own training."""
    held = held_by(problem.model, grid, stages)
    return Sent(
        held=held.total,
        tp_s=_tensor_s(problem, grid, stages),
        cp_s=_context_s(problem, grid, stages),
        pp_s=_pipeline_s(problem, grid, stages),
        dp=data_parallel(problem, grid, stages, held),
    )


def seen_bytes(problem: Problem, grid: Grid) -> Floats:
    """Return the bytes of an element of the weights as passes see them: under autocast in 32 bits."""
    are_narrow = (grid.zero == 3) | (problem.precision == "bf16_weights")
    return np.where(are_narrow, problem.compute_bytes, FP32_BYTES).astype(np.float64)


def _tensor_s(problem: Problem, grid: Grid, stages: EngineStages) -> Floats:
    """Return the time for one micro-batch (`train/parallel/tensor/parts.py`).

    Each part of a block gathers what it reads and scatters the sum of what it writes, in the precision of products; the backward
    pass does both the other way round. A block that computes something again sends again, but for its last sum where nothing that
    the backward pass asks for comes after it. Embeddings are summed in the precision of weights; a stack's result is gathered once.
    """
    model, rows = problem.model, problem.rows
    links = Links(problem.hardware, grid.tp, np.ones_like(grid.tp))
    is_asked = model.residual in ("post", "sandwich", "deepnorm") or model.dropout > 0
    again = grid.recompute > 0
    plain, reading = (np.where(again, 6 * parts - (not is_asked), 4 * parts) for parts in (2, 3 if model.num_encoder_layers else 2))
    source_len, target_len = (length * grid.micro_batch / grid.cp for length in (rows.read_len, rows.target_len))
    calls = stages.encoder_blocks * plain + stages.decoder_blocks * reading + 2 * (stages.has_head + stages.ends_encoder)
    tokens = stages.encoder_blocks * plain * source_len + stages.decoder_blocks * reading * target_len
    tokens = tokens + 2 * (stages.has_head * target_len + stages.ends_encoder * source_len)
    of_source = stages.is_first if model.num_encoder_layers else np.zeros_like(stages.is_first)
    looked_up = 2 * (stages.begins_decoder * target_len + of_source * source_len)
    element_bytes = model.dim * (problem.compute_bytes * tokens + seen_bytes(problem, grid) * looked_up)
    return links.gather_s(element_bytes, calls + 2 * (stages.begins_decoder + of_source)) + _loss_s(problem, grid, stages, links)


def _loss_s(problem: Problem, grid: Grid, stages: EngineStages, links: Links) -> Floats:
    """Return the time of what ranks that share the head tell each other of a micro-batch's logits."""
    rows = problem.rows
    predicted = rows.predicted_len if rows.predicted_len < FEW_TARGETS * rows.target_len else rows.target_len
    lines = stages.has_head * predicted * grid.micro_batch / grid.cp
    return links.reduce_s(NUMBERS_OF_A_ROW * FP32_BYTES * lines, 2 * np.ceil(lines / CHUNK_ROWS))


def _context_s(problem: Problem, grid: Grid, stages: EngineStages) -> Floats:
    """Return the time for one micro-batch: of each attention keys and values gathered in one message, once more in a block that
    computes something again, and their gradients scattered (`train/parallel/context.py`)."""
    model, rows = problem.model, problem.rows
    links = Links(problem.hardware, grid.cp, grid.tp)
    across = stages.decoder_blocks if model.num_encoder_layers else np.zeros_like(stages.blocks)
    passes = np.where(grid.recompute > 0, 3, 2)
    tokens = (stages.encoder_blocks + across) * rows.read_len + stages.decoder_blocks * rows.target_len
    keys = 2 * problem.compute_bytes * model.kv_dim * tokens * grid.micro_batch / grid.tp
    return links.gather_s(passes * keys, passes * (stages.blocks + across))


def _pipeline_s(problem: Problem, grid: Grid, stages: EngineStages) -> Floats:
    """Return the time for one micro-batch: what goes on to the next stage, and gradients of what came from the one before.

    The first has none before it, the last none behind. Behind an encoder its result goes along, whole on each rank of tp.
    """
    model, rows = problem.model, problem.rows
    links = Links(problem.hardware, grid.pp, grid.tp * grid.cp * grid.dp)
    stream_bytes = problem.compute_bytes if model.residual in UNNORMED_END else seen_bytes(problem, grid)
    token_bytes = model.dim * grid.micro_batch / grid.cp
    source, target = (token_bytes * stream_bytes * length / grid.tp for length in (rows.read_len, rows.target_len))
    encoded = token_bytes * problem.compute_bytes * rows.read_len if model.num_encoder_layers else np.zeros_like(token_bytes)
    on = np.select([stages.decoder_blocks > 0, stages.ends_encoder > 0], [target + encoded, encoded], source)
    back = np.select([stages.encoder_blocks > 0, stages.begins_decoder > 0], [source, encoded], target + encoded)
    return (grid.chunks - stages.has_head) * links.send_s(on) + (grid.chunks - stages.is_first) * links.send_s(back)
