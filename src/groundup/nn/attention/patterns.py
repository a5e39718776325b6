"""The sparse patterns of the literature."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.core.seeds import derive_seed
from groundup.nn.attention.mechanism import KernelName
from groundup.nn.attention.sparse import Blocks, SparseAttention, TableAttention
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.view import View


class SlidingWindow(TableAttention):
    """The nearest `window` tokens, the query's own among them; both ways in an encoder (Longformer, Beltagy et al. 2020)."""

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config, kernel)
        assert config.window is not None, "settings ask for it"
        self.window = self.block = config.window

    def sees(self, query_positions: Tensor, key_positions: Tensor) -> Bool[Tensor, "*place"]:
        return (query_positions - key_positions).abs() < self.window

    def key_table(self, length: int, causal: bool) -> Int[Tensor, "blocks few"]:
        return neighbours(length, self.block, -1, 0 if causal else 1)


class SparseStrided(SparseAttention):
    """The last `stride` tokens, and every stride-th one before (Child et al. 2019, section 4.2, both parts in one head).

    With the sequence as a square of rows `stride` long, a query looks at the row before and its own, and at its column.
    """

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config, kernel)
        self.block = config.sparse_block

    def sees(self, query_positions: Tensor, key_positions: Tensor) -> Bool[Tensor, "*place"]:
        far = query_positions - key_positions
        return (far.abs() < self.block) | (far % self.block == 0)

    def prepare_blocks(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Blocks | None:
        length, device = len(view.query_positions), view.query_positions.device
        rows = -(-length // self.block)
        near = neighbours(length, self.block, *self._near(view.causal)).to(device)[:, None, :]
        if near.shape[-1] + rows >= length:
            return None
        queries = torch.arange(rows * self.block, device=device).view(rows, self.block, 1)
        column = torch.arange(0, rows * self.block, self.block, device=device) + torch.arange(self.block, device=device)[:, None]
        keys = torch.cat((near.expand(-1, self.block, -1), column.expand(rows, -1, -1)), dim=-1)
        close = (queries - keys).abs() < self.block
        counted = torch.cat((close[..., : near.shape[-1]], ~close[..., near.shape[-1] :]), dim=-1)  # no key in both parts
        return Blocks(self.few_bias(view, queries, keys, counted, bias, dtype))

    def mix_blocks(self, query: Tensor, key: Tensor, value: Tensor, prepared: Blocks) -> Tensor:
        rows = query.shape[3]
        before, after = self._room(prepared, rows)
        key, value = (F.pad(x, (0, 0, 0, rows * self.block - x.shape[2])) for x in (key, value))
        near_keys, near_values = (self._near_rows(x, before, after) for x in (key, value))
        columns, column_values = (x.view(*x.shape[:2], rows, self.block, -1).transpose(2, 3)[:, :, None] for x in (key, value))
        by_column = query.transpose(3, 4) @ columns.transpose(-2, -1)  # ..., block, rows, rows
        scores = torch.cat((query @ near_keys.transpose(-2, -1), by_column.transpose(3, 4)), dim=-1)
        near, column = torch.split(self.mixing(scores, prepared), [near_keys.shape[-2], rows], dim=-1)
        mixed: Tensor = near @ near_values + (column.transpose(3, 4) @ column_values).transpose(3, 4)
        return mixed

    def _near(self, causal: bool) -> tuple[int, int]:
        return -1, 0 if causal else 1

    def _room(self, prepared: Blocks, rows: int) -> tuple[int, int]:
        """Return the tokens before and after its own row that a query looks at."""
        beside = prepared.bias.shape[-1] - rows - self.block
        return self.block, beside - self.block

    def _near_rows(self, x: Tensor, before: int, after: int) -> Float[Tensor, "batch kv_heads 1 rows near head_dim"]:
        padded = F.pad(x, (0, 0, before, after))
        return padded.unfold(2, before + self.block + after, self.block).transpose(-2, -1)[:, :, None]


class SparseFixed(TableAttention):
    """The query's own block, and the last `summary` tokens of every block (Child et al. 2019, section 4.2)."""

    relative = False

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config, kernel)
        self.block, self.summary = config.sparse_block, config.sparse_summary

    def sees(self, query_positions: Tensor, key_positions: Tensor) -> Bool[Tensor, "*place"]:
        same = query_positions // self.block == key_positions // self.block
        return same | (key_positions % self.block >= self.block - self.summary)

    def key_table(self, length: int, causal: bool) -> Int[Tensor, "blocks few"]:
        own = neighbours(length, self.block, 0, 0)
        places = torch.arange(length)
        summaries = places[places % self.block >= self.block - self.summary].expand(len(own), -1)
        return only_once(torch.cat((own, summaries), dim=1), length)


class BigBird(TableAttention):
    """The blocks beside, some first ones that see and are seen by all, and some at random (Zaheer et al. 2020, section 2).

    The random blocks are the same in every head, pass and run.
    """

    relative = False
    drawn: Tensor

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config, kernel)
        self.block, self.full_blocks = config.sparse_block, config.sparse_global
        self.num_first_rows = self.block * self.full_blocks
        blocks = -(-config.max_seq_len // self.block)
        generator = torch.Generator().manual_seed(derive_seed(0, "big_bird") >> 1)
        drawn = torch.randint(1 << 30, (blocks, config.sparse_random), generator=generator, device="cpu")
        self.register_buffer("drawn", drawn, persistent=False)

    def sees(self, query_positions: Tensor, key_positions: Tensor) -> Bool[Tensor, "*place"]:
        query_blocks, key_blocks = query_positions // self.block, key_positions // self.block
        seen = (query_blocks - key_blocks).abs() <= 1
        seen = seen | (key_blocks < self.full_blocks) | (query_blocks < self.full_blocks)
        for number in range(self.drawn.shape[1]):
            seen = seen | (self._random(query_blocks)[..., number] == key_blocks)
        return seen

    def key_table(self, length: int, causal: bool) -> Int[Tensor, "blocks few"]:
        beside = neighbours(length, self.block, -1, 0 if causal else 1)
        blocks = torch.arange(len(beside), device=self.drawn.device)
        offsets = torch.arange(self.block)
        drawn = (self._random(blocks).cpu()[..., None] * self.block + offsets).flatten(1)
        first = torch.arange(self.num_first_rows).expand(len(beside), -1)
        return only_once(torch.cat((beside, first, drawn), dim=1), length)

    def _random(self, blocks: Int[Tensor, "*blocks"]) -> Int[Tensor, "*blocks drawn"]:
        """Return the blocks drawn for each block, among itself and those before it, so that a causal one has them as well."""
        return self.drawn[blocks.clamp(max=len(self.drawn) - 1)] % (blocks[..., None] + 1)


def neighbours(length: int, block: int, first: int, last: int) -> Int[Tensor, "blocks few"]:
    """Return for each block of queries the positions of the blocks from `first` to `last` beside it."""
    starts = torch.arange(0, length, block)[:, None]
    return starts + torch.arange(first * block, (last + 1) * block)


def only_once(table: Int[Tensor, "blocks many"], length: int) -> Int[Tensor, "blocks few"]:
    """Return the table with each position at most once a row, -1 for what repeats or lies outside, in rising order."""
    rising = table.where((table >= 0) & (table < length), -1).sort(dim=1).values
    rising[:, 1:] = rising[:, 1:].where(rising[:, 1:] != rising[:, :-1], -1)
    few = int((rising >= 0).sum(1).max())
    return rising.sort(dim=1).values[:, rising.shape[1] - few :]
