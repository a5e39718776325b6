"""The parameters that one rank of a stage holds."""

from dataclasses import dataclass

import numpy as np

from groundup.estimate.layout.engine.stages import EngineStages
from groundup.estimate.layout.grid import Floats, Grid
from groundup.estimate.parameters import (
    BLOCK_NORMS,
    NORM_VECTORS,
    UNNORMED_END,
    attention_parameters,
    count_parameters,
    feed_forward_parameters,
)
from groundup.nn.config import GATED, ModelConfig


@dataclass(frozen=True)
class Held:
    """Parameters of one of the ranks that share each matrix of the stage."""

    in_blocks: Floats
    at_ends: Floats
    """Embedding, positions, norms of stacks, head."""
    table: Floats
    """Of these, the embedding's matrix."""
    tensors: Floats
    """How many there are."""

    @property
    def total(self) -> Floats:
        return self.in_blocks + self.at_ends


def held_by(model: ModelConfig, grid: Grid, stages: EngineStages) -> Held:
    """Return what a stage holds: matrices are shared by tp, norms and tables of positions are whole on each rank."""
    counts, norm = count_parameters(model), NORM_VECTORS[model.norm] * model.dim
    reading_attentions = 2 if model.num_encoder_layers else 1
    plain, reading = _block(model, 1), _block(model, reading_attentions)
    of_plain, of_reading = (matrices / grid.tp + norms * norm for matrices, norms in (plain, reading))
    in_blocks = stages.encoder_blocks * of_plain + stages.decoder_blocks * of_reading
    begun = stages.begins_decoder + (stages.is_first if model.num_encoder_layers else 0)
    ended = stages.has_head + stages.ends_encoder
    tied = stages.has_head if model.tie_embeddings else np.zeros_like(ended)
    has_table = np.minimum(begun + tied, 1)
    table = has_table * model.vocab_size * model.dim / grid.tp
    ends = table + np.minimum(begun, 1) * model.segments * model.dim + stages.has_head * counts["head"] / grid.tp
    ends = ends + _positions(model, grid, stages, begun)
    ends = ends + norm * (begun * model.embedding_norm + ended * (model.residual not in UNNORMED_END))
    tensors = stages.encoder_blocks * _tensors(model, 1) + stages.decoder_blocks * _tensors(model, reading_attentions)
    return Held(in_blocks, ends, table, tensors + has_table + ended)


def _block(model: ModelConfig, attentions: int) -> tuple[int, int]:
    """Return the parameters of a block's matrices, and how many norms it has."""
    norms = 1 if model.residual == "parallel_shared" else BLOCK_NORMS[model.residual] * (attentions + 1)
    return attentions * attention_parameters(model) + feed_forward_parameters(model), norms


def _positions(model: ModelConfig, grid: Grid, stages: EngineStages, begun: Floats) -> Floats:
    """Return those of positions: added ones where a stack begins, whole; biases of scores with each stack, some heads."""
    stacks = 2 if model.num_encoder_layers else 1
    of_stack = count_parameters(model)["positions"] / stacks
    with_stacks = np.minimum(stages.encoder_blocks, 1) + np.minimum(stages.decoder_blocks, 1)
    held: Floats = of_stack / grid.tp * with_stacks if model.position == "t5_bias" else of_stack * begun
    return held


def _tensors(model: ModelConfig, attentions: int) -> int:
    """Return how many tensors a block has."""
    matrices = 4 * attentions + (3 if model.feed_forward in GATED else 2)
    return matrices * (1 + model.bias) + _block(model, attentions)[1] * NORM_VECTORS[model.norm]
