"""How a pipeline's stages share the blocks."""

from dataclasses import dataclass

import numpy as np

from groundup.estimate.layout.grid import Floats, Ints
from groundup.nn.config import ModelConfig


@dataclass(frozen=True)
class Stages:
    """The busiest stage of each layout."""

    blocks: Floats
    """Blocks that it holds."""
    has_head: Floats
    """1 where it is the last one, with the head; 0 where not."""


def num_blocks(model: ModelConfig) -> int:
    """Return the blocks of all stacks."""
    return model.num_layers + model.num_encoder_layers


def divides(blocks: int, pp: int) -> bool:
    """Return whether stages are alike: by blocks, or with embedding and head counted as a block each (BLOOM: 70 + 2 in 12)."""
    return pp <= blocks and (blocks % pp == 0 or (blocks + 2) % pp == 0)


def busiest_stages(blocks: int, head: float, pp: Ints) -> Stages:
    """Return the busiest stage, the head taking as long as `head` blocks.

    Blocks are shared as evenly as they go; the first and the last stage have those that lack, as they hold embedding and head.
    """
    kinds, places = np.unique(pp, return_inverse=True)
    found = [_busiest(blocks, head, int(kind)) for kind in kinds]
    held, last = (np.array(column, dtype=np.float64)[places] for column in zip(*found, strict=True))
    return Stages(held, last)


def _busiest(blocks: int, head: float, pp: int) -> tuple[int, int]:
    """Return the blocks of the busiest stage, and 1 if it has the head."""
    if pp == 1:
        return blocks, 1
    most = -(-blocks // pp)
    lacking = most * pp - blocks
    last = most - (lacking > 1)
    others = most if lacking > 1 or pp - 1 > lacking else most - 1
    return (last, 1) if last + head >= others else (others, 0)
