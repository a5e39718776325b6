"""One block of the transformer."""

from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.attention import Attention, Context
from groundup.nn.cache import LayerCache
from groundup.nn.config import ModelConfig
from groundup.nn.feedforward import FEED_FORWARD
from groundup.nn.kernels import Kernel
from groundup.nn.norms import NORMS


class Block(nn.Module):
    """Add attention, then feed-forward, each of the normalised stream, to the residual stream (pre-norm, Xiong et al. 2020)."""

    def __init__(self, config: ModelConfig, kernel: Kernel) -> None:
        super().__init__()
        self.attention_norm = NORMS[config.norm](config.dim, config.norm_eps)
        self.attention = Attention(config, kernel)
        self.feed_forward_norm = NORMS[config.norm](config.dim, config.norm_eps)
        self.feed_forward = FEED_FORWARD[config.feed_forward](config)

    def forward(
        self, x: Float[Tensor, "batch seq dim"], context: Context, cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        x = x + self.attention(self.attention_norm(x), context, cache)
        return x + self.feed_forward(self.feed_forward_norm(x))  # type: ignore[no-any-return]
