"""Multi-head self-attention with shared key/value heads."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.cache import LayerCache
from groundup.nn.config import ModelConfig
from groundup.nn.kernels import Kernel
from groundup.nn.positions import Turn


@dataclass(frozen=True)
class Context:
    """What all blocks of one forward pass share."""

    turn: Turn
    mask: Tensor | None


class Attention(nn.Module):
    """Each token gathers values from the tokens it may see (Vaswani et al. 2017, section 3.2; grouped: Ainslie et al. 2023)."""

    def __init__(self, config: ModelConfig, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.head_dim = config.head_dim
        kv_dim = config.num_kv_heads * config.head_dim
        self.query = nn.Linear(config.dim, config.dim, bias=False)
        self.key = nn.Linear(config.dim, kv_dim, bias=False)
        self.value = nn.Linear(config.dim, kv_dim, bias=False)
        self.output = nn.Linear(config.dim, config.dim, bias=False)

    def forward(
        self, x: Float[Tensor, "batch seq dim"], context: Context, cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        query = context.turn(self._heads(self.query(x))).transpose(1, 2)  # batch, heads, seq, head_dim
        key = context.turn(self._heads(self.key(x))).transpose(1, 2)
        value = self._heads(self.value(x)).transpose(1, 2)
        if cache is not None:
            key, value = cache.append(key, value)
        mixed = self.kernel.attend(query, key, value, context.mask)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _heads(self, x: Float[Tensor, "batch seq width"]) -> Float[Tensor, "batch seq heads head_dim"]:
        return x.view(*x.shape[:-1], -1, self.head_dim)
