"""Which stage of a pipeline holds what of a model."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from typing import Final

from groundup.core.errors import ConfigError
from groundup.estimate.flops import block_flops, head_flops
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig, PositionName
from groundup.train.parallel.config import Layout

ADDED: Final[tuple[PositionName, ...]] = ("learned", "sinusoidal")
"""Positions that are added to embeddings, and of which later blocks know nothing."""
CHUNKS: Final = 2
"""Stages on each rank under the interleaved schedule; one under every other."""


@dataclass(frozen=True)
class Run:
    """Neighbouring blocks of one stack."""

    stack: str
    blocks: range
    of: int
    """Blocks of the whole stack."""

    @property
    def begins(self) -> bool:
        """Whether the stack's first block is among them."""
        return self.blocks.start == 0

    @property
    def ends(self) -> bool:
        """Whether the stack's last block is among them."""
        return self.blocks.stop == self.of


@dataclass(frozen=True)
class Part:
    """What one stage holds: a piece of the chain of blocks, the encoder's before the decoder's."""

    stage: int
    stages: int
    """Of the whole pipeline."""
    runs: tuple[Run, ...]

    @property
    def is_last(self) -> bool:
        """Whether the head follows."""
        return self.stage == self.stages - 1

    @property
    def embeds(self) -> bool:
        """Whether tokens are looked up, for a stack that begins here."""
        return any(run.begins for run in self.runs)

    def is_one_piece(self, config: ModelConfig) -> bool:
        """Whether gradients of weights cannot be taken after those of what was received.

        To take them later, torch asks each weight where its path meets that of what was received, which is to be one place: that
        of a stack that begins in between is late, and a table of all blocks has many.
        """
        return (self.embeds and self.stage > 0) or config.position == "t5_bias"

    def holds(self, name: str, config: ModelConfig) -> bool:
        """Return whether passes of this stage need the weight of that name in the whole model's state."""
        first, _, rest = name.partition(".")
        if first in ("embedding", "segments"):
            return self.embeds or (first == "embedding" and config.tie_embeddings and self.is_last)
        if first == "head":
            return self.is_last
        return any(_holds(run, rest, config) for run in self.runs if run.stack == first)


def _holds(run: Run, name: str, config: ModelConfig) -> bool:
    part, _, rest = name.partition(".")
    if part == "blocks":
        return int(rest.partition(".")[0]) in run.blocks
    if part == "embedding_norm" or (part == "position" and config.position in ADDED):
        return run.begins
    return run.ends if part == "norm" else True


def parts(config: ModelConfig, layout: Layout, rows: RowLengths | None = None) -> list[Part]:
    """Return the parts of all stages, as even in FLOPs as blocks allow; `rows`: those of the text, full rows unless given.

    Stage i is on rank i modulo layout.pp of its pipeline. Raises ConfigError if there are fewer blocks than stages.
    """
    chunks = CHUNKS if layout.schedule == "interleaved" else 1
    rows = rows or RowLengths.causal(config.max_seq_len)
    costs = block_flops(config, rows)
    _check(layout, chunks, len(costs))
    costs[-1] += head_flops(config, rows)
    stages = layout.pp * chunks
    ends = even_cut(costs, stages)
    bounds = zip([0, *ends[:-1]], ends, strict=True)
    return [Part(stage, stages, _runs(config, start, stop)) for stage, (start, stop) in enumerate(bounds)]


def _check(layout: Layout, chunks: int, blocks: int) -> None:
    """Raise ConfigError if some stage would have no block."""
    if layout.pp * chunks <= blocks:
        return
    if layout.pp <= blocks:
        raise ConfigError(
            f"parallel: schedule='interleaved' with pp={layout.pp} has {layout.pp * chunks} stages, {chunks} on each rank, and "
            f"the model {blocks} blocks; set parallel.pp to at most {blocks // chunks}, or parallel.schedule to 1f1b"
        )
    raise ConfigError(
        f"parallel.pp={layout.pp} is more than the {blocks} blocks of the model, and each rank of a pipeline holds at least one; "
        f"set parallel.pp to at most {blocks}"
    )


def _runs(config: ModelConfig, start: int, stop: int) -> tuple[Run, ...]:
    """Return what is between two places of the chain."""
    if config.shape == "encoder":
        return (Run("encoder", range(start, stop), config.num_layers),)
    before = config.num_encoder_layers
    encoder = Run("encoder", range(min(start, before), min(stop, before)), before)
    decoder = Run("decoder", range(max(start - before, 0), max(stop - before, 0)), config.num_layers)
    return tuple(run for run in (encoder, decoder) if run.blocks)


def even_cut(costs: Sequence[int], pieces: int) -> list[int]:
    """Return where each piece of a row of costs ends, one entry at least in each: the dearest piece is as cheap as can be.

    Of all such cuts it is one with the least sum of squares: the other pieces are alike, too.
    """
    sums = [0, *accumulate(costs)]
    candidates = sorted({stop - start for start, stop in combinations(sums, 2)})
    most = candidates[bisect_left(candidates, 1, key=lambda limit: _needed(costs, limit) <= pieces)]
    least: dict[int, tuple[int, list[int]]] = {0: (0, [])}  # up to each place: the sum of squares, and where pieces end
    for _ in range(pieces):
        least = {
            stop: min(found)
            for stop in range(1, len(sums))
            if (
                found := [
                    (squares + (sums[stop] - sums[start]) ** 2, [*ends, stop])
                    for start, (squares, ends) in least.items()
                    if start < stop and sums[stop] - sums[start] <= most
                ]
            )
        }
    return least[len(costs)][1]


def _needed(costs: Sequence[int], limit: int) -> int:
    """Return how many pieces it takes if none is to cost more than the limit."""
    if max(costs) > limit:
        return len(costs) + 1
    pieces, filled = 1, 0
    for cost in costs:
        pieces, filled = (pieces, filled + cost) if filled + cost <= limit else (pieces + 1, cost)
    return pieces
