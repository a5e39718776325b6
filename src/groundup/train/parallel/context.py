"""Each sequence shared among ranks (parallel.cp): a rank computes its own tokens, which look at the keys and values of all."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributed._functional_collectives import all_gather_single_autograd

from groundup.core.errors import ConfigError
from groundup.nn.attention import Mechanism
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.stack import ReadingStack, Stack
from groundup.nn.transformer import Inputs, Transformer
from groundup.nn.view import View
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE
from groundup.train.parallel.lengths import filled


def own_pieces(length: int, rank: int, ranks: int) -> tuple[range, range]:
    """Return the places of a sequence that a rank of a context group has: piece r of 2 n, and its mirror from the end.

    A causal token looks at what lies before it, so a rank with the last tokens alone would work longest; so all work alike.
    """
    piece, rest = divmod(length, 2 * ranks)
    assert not rest, f"{length} tokens are padded to a multiple of {2 * ranks} before"
    mirror = 2 * ranks - 1 - rank
    return range(rank * piece, (rank + 1) * piece), range(mirror * piece, (mirror + 1) * piece)


def check_context(config: ModelConfig, ranks: int) -> None:
    """Raise ConfigError if the model's attention cannot be shared among so many ranks."""
    if ranks > 1 and config.attention != "full":
        raise ConfigError(
            f"parallel.cp={ranks} shares attention to all tokens, and model.attention='{config.attention}' looks at few: its "
            "memory grows with the length alone; set parallel.cp=1 and parallel.recompute=full, or model.attention=full"
        )
    if ranks > 1 and config.position == "transformer_xl":
        raise ConfigError(
            f"parallel.cp={ranks} shares each sequence, and model.position='transformer_xl' makes scores of a whole one; set "
            "parallel.cp=1, or model.position to rope, alibi, t5_bias, learned or sinusoidal"
        )


@dataclass(frozen=True)
class Share(View):
    """A rank's queries and the keys of a whole row."""

    pieces: tuple[range, ...] = ()
    """The places of the queries, in their order; none where all queries see all keys of their document."""

    def parts(self) -> Iterator[tuple[slice, View]]:
        """Yield which of the rank's queries look together, with what they may see: no more keys than that."""
        first = 0
        for piece in self.pieces if self.causal else ():
            own = slice(first, first + len(piece))
            keys = slice(None, piece.stop if self.prefix is None else None)
            yield own, self._part(own, keys)
            first = own.stop
        if not first:
            yield slice(None), self._part(slice(None), slice(None))

    def _part(self, own: slice, keys: slice) -> View:
        query_ids = None if self.query_ids is None else self.query_ids[:, own]
        key_ids = None if self.key_ids is None else self.key_ids[:, keys]
        return View(self.query_positions[own], self.key_positions[keys], self.causal, query_ids, key_ids, self.prefix)


class ContextParallel:
    """The ranks that share each sequence, as a model and its passes meet them.

    Inside `reading`, embeddings give the vectors of this rank's tokens, stacks know that these are queries on whole rows, and
    attention brings the keys and values of all ranks together. Everything else is of single tokens. Outside of it the model is as
    it was: whoever gives it a sequence gets all of it.
    """

    def __init__(self, group: dist.ProcessGroup, sharing: int = 1) -> None:
        """Take the ranks; `sharing`: among how many more each one's tokens are shared (tensor parallelism)."""
        self._group = group
        self._multiple = (2 * group.size() if group.size() > 1 else 1) * sharing
        self._rank, self._ranks = group.rank(), group.size()
        self._is_reading = False
        self._source_len = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "ContextParallel":
        """Return the same ranks: a copy of the model reads on them, too."""
        return self

    def arrange(self, model: Transformer) -> None:
        """Let the model's passes be of this rank's tokens; called once."""
        check_context(model.config, self._ranks)
        if self._ranks == 1:
            return
        for embedding in (model.embedding, model.segments):
            if embedding is not None:
                embedding.register_forward_pre_hook(self._own_tokens)
        for module in list(model.modules()):
            if isinstance(module, (Stack, ReadingStack)):
                module.mechanism = Gathering(model.config, module.mechanism, self)
                module.register_forward_pre_hook(self._own_queries)
            if isinstance(module, ReadingStack):
                module.cross_mechanism = Gathering(model.config, module.cross_mechanism, self)

    def part(self, batch: Batch) -> Batch:
        """Return the batch with this rank's targets; what is read stays whole, padded to what can be cut evenly."""
        if self._multiple == 1:
            return batch
        missing = -batch.targets.shape[1] % self._multiple
        targets = F.pad(batch.targets, (0, missing), value=IGNORE)
        return Batch(filled(batch.inputs, self._multiple), self._own(targets) if self._ranks > 1 else targets)

    @contextlib.contextmanager
    def reading(self, inputs: Inputs) -> Iterator[None]:
        """Let passes of the model be of this rank's tokens of `inputs`, which `part` padded."""
        self._is_reading = self._ranks > 1
        self._source_len = 0 if inputs.source is None else inputs.source.tokens.shape[1]
        try:
            yield
        finally:
            self._is_reading = False

    def gathered(
        self, key: Float[Tensor, "batch kv_heads own head_dim"], value: Float[Tensor, "batch kv_heads own head_dim"]
    ) -> tuple[Float[Tensor, "batch kv_heads key head_dim"], Float[Tensor, "batch kv_heads key head_dim"]]:
        """Return the keys and values of all ranks in the order of the row; their gradients are summed over the ranks."""
        own = torch.stack((key, value))  # dense: gloo makes wrong numbers of what is not
        ranks = all_gather_single_autograd(own, gather_dim=0, group=self._group).view(self._ranks, *own.shape)
        front, back = ranks.chunk(2, dim=-2)
        row = torch.cat((front, back.flip(0))).movedim(0, -3).flatten(-3, -2)  # 2, batch, kv_heads, key, head_dim
        keys, values = row.unbind()
        return keys, values

    def _own(self, row: Tensor) -> Tensor:
        """Return this rank's columns of what is known of a whole row."""
        return torch.cat([row[:, piece.start : piece.stop] for piece in own_pieces(row.shape[1], self._rank, self._ranks)], dim=1)

    def _own_tokens(self, _: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        return (self._own(args[0]),) if self._is_reading else args

    def _own_queries(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a stack's arguments, (stream, view, ...) or (stream, view, source, view of the source, ...), of own queries."""
        if not self._is_reading:
            return args
        stream, view, *others = args
        keys = torch.arange(self._source_len, device=view.key_positions.device)
        views = (self._of_own_queries(each, keys) if isinstance(each, View) else each for each in others)
        return stream, self._of_own_queries(view, view.key_positions), *views

    def _of_own_queries(self, view: View, keys: Int[Tensor, " key"]) -> Share:
        """Return the view of this rank's queries on all `keys`."""
        queries = self._own(view.query_positions[None])[0]
        ids = None if view.query_ids is None else self._own(view.query_ids)
        pieces = own_pieces(len(view.query_positions), self._rank, self._ranks)
        return Share(queries, keys, view.causal, ids, view.key_ids, view.prefix, pieces=pieces)


@dataclass(frozen=True)
class _Part:
    """Some of a rank's queries, which look together."""

    own: slice
    num_keys: int
    prepared: Any


class Gathering(Mechanism):
    """Attention of a rank's queries to the keys and values of all ranks, computed by another mechanism."""

    def __init__(self, config: ModelConfig, mechanism: Mechanism, ranks: ContextParallel) -> None:
        super().__init__(config)
        self._mechanism = mechanism
        self._ranks = ranks

    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> Any:
        if not isinstance(view, Share):
            return self._mechanism.prepare(view, bias, dtype)
        return [_Part(own, len(part.key_positions), self._mechanism.prepare(part, bias, dtype)) for own, part in view.parts()]

    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: Any,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        if not isinstance(prepared, list):
            return self._mechanism(query, key, value, prepared)  # type: ignore[no-any-return]
        key, value = self._ranks.gathered(key, value)
        mixed = [
            self._mechanism(query[:, :, part.own], key[:, :, : part.num_keys], value[:, :, : part.num_keys], part.prepared)
            for part in prepared
        ]
        return torch.cat(mixed, dim=2)
