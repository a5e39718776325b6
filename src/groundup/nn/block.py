"""One block of a transformer."""

from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.attention.layer import Attention, Glance
from groundup.nn.cache import LayerCache
from groundup.nn.config import ModelConfig
from groundup.nn.feedforward import FEED_FORWARD
from groundup.nn.residual import RESIDUALS


class Block(nn.Module):
    """Attention and feed-forward, added to the residual stream as the wiring says."""

    def __init__(self, config: ModelConfig, decoder: bool) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.feed_forward = FEED_FORWARD[config.feed_forward](config)
        self.residual = RESIDUALS[config.residual](config, 2, decoder)

    def forward(
        self, x: Float[Tensor, "batch seq dim"], itself: Glance, cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        return self.residual(x, (lambda h: self.attention(h, itself, cache), self.feed_forward))  # type: ignore[no-any-return]


class ReadingBlock(nn.Module):
    """A block that, between attention and feed-forward, looks at an encoder's result (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.cross_attention = Attention(config)
        self.feed_forward = FEED_FORWARD[config.feed_forward](config)
        self.residual = RESIDUALS[config.residual](config, 3, True)

    def forward(
        self,
        x: Float[Tensor, "batch seq dim"],
        itself: Glance,
        source: Float[Tensor, "batch source dim"] | None,
        across: Glance,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch seq dim"]:
        """Return the stream after the block; with a cache, the source is read at the first call and remembered."""
        if cache is not None and cache.source is not None:
            gathered = cache.source
        else:
            assert source is not None, "the first pass brings the source"
            gathered = self.cross_attention.keys_values(source, across.turn)
            gathered = gathered if cache is None else cache.remember(gathered)
        parts = (
            lambda h: self.attention(h, itself, cache),
            lambda h: self.cross_attention.across(h, gathered, across),
            self.feed_forward,
        )
        return self.residual(x, parts)  # type: ignore[no-any-return]
