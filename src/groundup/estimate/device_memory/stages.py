"""What each stage of a pipeline holds of a model."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from groundup.estimate.optimizer import optimizer_bytes
from groundup.estimate.parameters import count_parameters
from groundup.nn.config import ModelConfig
from groundup.train.optim.config import OptimizerConfig

EIGHT_BIT_BLOCK = 256
EIGHT_BIT_STATE = 2 * (1 + 4 / EIGHT_BIT_BLOCK)
"""Two moments of one byte each, and a float32 scale for each block of 256 (Dettmers et al. 2022, and bitsandbytes)."""


@dataclass(frozen=True)
class Part:
    """Parameters of one part of the model, and what the optimizer keeps of them."""

    split: int
    """That tensor-parallel ranks divide."""
    whole: int
    """That each of them holds: norms."""
    state_bytes: float

    def on_device(self, tp: int) -> int:
        return -(-self.split // tp) + self.whole

    def state_on_device(self, tp: int) -> float:
        return self.state_bytes * self.on_device(tp) / max(1, self.split + self.whole)


@dataclass(frozen=True)
class Parts:
    """A model taken apart."""

    embedding: Part
    encoder_block: Part
    block: Part
    end: Part
    """Norm after the last block and what the head has beside the embedding; tied, its matrix is in `embedding`."""
    head_matrix: Part
    """The output matrix where it is another than the embedding, or lies on another device."""


@dataclass(frozen=True)
class Stage:
    """One stage."""

    index: int
    num_stages: int
    encoder_blocks: int
    blocks: int

    @property
    def is_first(self) -> bool:
        return self.index == 0

    @property
    def is_last(self) -> bool:
        return self.index == self.num_stages - 1


@lru_cache(maxsize=256)
def parts_of(model: ModelConfig, optimizer: OptimizerConfig | Literal["adamw_8bit"]) -> Parts:
    """Return parameters and optimizer states by part: those of a block are what one more block adds."""
    none = {"num_layers": 0, "num_encoder_layers": 0}
    base = _counts(model, none, optimizer)
    block = _less(_counts(model, none | {"num_layers": 1, "num_encoder_layers": 0}, optimizer), base)
    encoder_block = Part(0, 0, 0.0)
    if model.num_encoder_layers:
        one = _counts(model, {"num_layers": 0, "num_encoder_layers": 1}, optimizer)
        two = _counts(model, {"num_layers": 1, "num_encoder_layers": 1}, optimizer)
        more = _counts(model, {"num_layers": 0, "num_encoder_layers": 2}, optimizer)
        encoder_block, block = _less(more, one), _less(two, one)
        base = _less(one, encoder_block)
    each = base.state_bytes / max(1, base.split + base.whole)
    matrix = model.vocab_size * model.dim
    counts = count_parameters(model)
    embedding = counts["embedding"] + counts["positions"]
    untied = 0 if model.tie_embeddings else matrix
    end = base.split - embedding - untied
    return Parts(
        embedding=Part(embedding, 0, each * embedding),
        encoder_block=encoder_block,
        block=block,
        end=Part(end, base.whole, each * (end + base.whole)),
        head_matrix=Part(matrix, 0, each * matrix),
    )


def stages_of(model: ModelConfig, pp: int) -> list[Stage]:
    """Return the stages that can be the fullest: blocks as even as they go, the first and the last stage having those that lack,
    as they hold embeddings and head, too (BLOOM: 5, 6, ..., 6, 5; Llama 3 405B: 15, 16, ..., 16, 15)."""
    total = model.num_encoder_layers + model.num_layers
    sizes = _sizes(total, pp)
    stages, begin = [], 0
    for index, size in enumerate(sizes):
        in_encoder = max(0, min(begin + size, model.num_encoder_layers) - begin)
        stages.append(Stage(index, pp, in_encoder, size - in_encoder))
        begin += size
    turn = next((stage.index for stage in stages if stage.blocks), 0)
    return [stages[index] for index in sorted({0, min(1, pp - 1), turn, pp - 1})]


def _sizes(total: int, pp: int) -> list[int]:
    most = -(-total // pp)
    sizes = [most] * pp
    order = [0, pp - 1, *range(pp - 2, 0, -1)] if pp > 1 else [0]
    for lack in range(most * pp - total):
        sizes[order[lack % pp]] -= 1
    return sizes


def _counts(model: ModelConfig, layers: dict[str, int], optimizer: OptimizerConfig | Literal["adamw_8bit"]) -> Part:
    shallow = model.model_copy(update=layers)
    counts = count_parameters(shallow)
    whole = counts["norms"]
    split = sum(counts.values()) - whole
    state = EIGHT_BIT_STATE * (split + whole) if isinstance(optimizer, str) else float(optimizer_bytes(shallow, optimizer))
    return Part(split, whole, state)


def _less(whole: Part, part: Part) -> Part:
    return Part(whole.split - part.split, whole.whole - part.whole, whole.state_bytes - part.state_bytes)
