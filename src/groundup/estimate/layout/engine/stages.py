"""The stages of a pipeline as the engine cuts them."""

from dataclasses import dataclass

import numpy as np

from groundup.estimate.flops import block_flops, head_flops
from groundup.estimate.layout.grid import Floats, Ints
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.stages import Stages, num_blocks


@dataclass(frozen=True)
class EngineStages(Stages):
    """One stage of each layout, with what stands at its ends; 1 where it is so, 0 where not."""

    decoder_blocks: Floats
    """Of its blocks; all of them where there is one stack."""
    is_first: Floats
    """The encoder, or the only stack, begins with it."""
    begins_decoder: Floats
    """The decoder's tokens, or those of the only stack, are looked up."""
    ends_encoder: Floats
    """The last block of an encoder that a decoder reads is among its own."""

    @property
    def encoder_blocks(self) -> Floats:
        """Blocks of an encoder that a decoder reads."""
        return self.blocks - self.decoder_blocks


def engine_stages(problem: Problem, pp: Ints) -> list[EngineStages]:
    """Return the first, a middle and the last stage of each layout, the whole model where there is one.

    The engine cuts the chain so that the dearest stage, the head counted with the last, takes as few FLOPs as blocks allow
    (`train/parallel/pipeline/split.py`). Blocks of an encoder and of its decoder count alike here.
    """
    costs = block_flops(problem.model, problem.rows)
    head = head_flops(problem.model, problem.rows) * len(costs) / sum(costs)
    kinds, places = np.unique(pp, return_inverse=True)
    found = [_cut(num_blocks(problem.model), head, int(kind)) for kind in kinds]
    return [
        _stage(problem, kind, np.array(blocks, dtype=np.float64)[places], pp)
        for kind, blocks in enumerate(zip(*found, strict=True))
    ]


def _cut(blocks: int, head: float, pp: int) -> tuple[int, int, int]:
    """Return the blocks of the first, a middle and the last stage: those of the others are alike, the first has fewer."""
    if pp == 1:
        return blocks, blocks, blocks

    def cost(last: int) -> tuple[float, float]:
        each, more = divmod(blocks - last, pp - 1)
        squares = (last + head) ** 2 + more * (each + 1) ** 2 + (pp - 1 - more) * each**2
        return max(last + head, each + (more > 0)), squares

    last = min(range(1, blocks - pp + 2), key=cost)
    each, more = divmod(blocks - last, pp - 1)
    return each, each + (more > 0), last


def _stage(problem: Problem, kind: int, blocks: Floats, pp: Ints) -> EngineStages:
    """Return the first (0), a middle (1) or the last (2) stage; of two, the first stands for a middle one."""
    model, whole = problem.model, (pp == 1).astype(np.float64)
    is_first = np.maximum(whole, kind == 0 if kind != 1 else pp == 2)
    is_last = np.maximum(whole, kind == 2)
    if not model.num_encoder_layers:
        return EngineStages(blocks, is_last, blocks, is_first, is_first, np.zeros_like(whole))
    of_encoder = np.where(is_first > 0, np.minimum(blocks, model.num_encoder_layers), np.maximum(blocks - model.num_layers, 0.0))
    return EngineStages(blocks, is_last, blocks - of_encoder, is_first, whole, whole)
